"""Sources of episodes: stepped through the learner's rows, played whole by a graph world, or walked as a planner says.

Fields of an episode: what was seen, ``action``, ``reward`` (what is learned from), ``value`` (the gains) and ``mask``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from envs.coverage.graph_world import GraphWorld
from morl.errors import CapabilityError
from morl.planners.planner import Planner
from morl.protocols import EnvFactory, Rows
from morl.solvers.subpo.batches import Batch, BatchForm, CountedStates
from morl.solvers.subpo.walks import WalkActor
from morl.spaces import ComponentEncoder
from morl.stores import Rollout


def stepped(rollout: Rollout, form: BatchForm, rows: Rows, members: int) -> Batch:
    """The episodes that were stepped and stored.

    Args:
        rollout: Their store.
        form: Names the field of what was seen.
        rows: Rows of the members that take part, ordered by member, ``(n' E,)``.
        members: ``n'``.

    Returns:
        Fields ``(n', E, T, ...)``.
    """
    index = torch.from_numpy(rows).to(rollout.device)
    wholes = {name: rollout.mask if name == "mask" else rollout[name] for name in form.names}
    return {name: w.index_select(1, index).unflatten(1, (members, -1)).movedim(0, 2) for name, w in wholes.items()}


def playable(world: Any, form: BatchForm) -> GraphWorld | None:
    """The world, if it can play whole episodes of such policies without being asked at every step."""
    if not (isinstance(form, CountedStates) and isinstance(world, GraphWorld) and world.observation == "index"):
        return None
    limit = world.max_episode_steps
    return world if limit is None or limit >= world.horizon else None


def played(
    world: GraphWorld,
    form: CountedStates,
    actor: WalkActor,
    rows: Rows,
    seeds: Rows,
    models: npt.NDArray[np.float64] | None,
    *,
    modular: bool,
    timing: dict[str, float],
) -> Batch:
    """Play whole episodes.

    Args:
        world: Where.
        form: Numbers the states.
        actor: Chooses the actions, and remembers them.
        rows: Which, ``(r,)``.
        seeds: Of each episode, ``(r,)``.
        models: Transition model of each, ``(r, k)``; None for the nominal one.
        modular: Learn from what each visit is worth alone.
        timing: Account of seconds, which this adds to.

    Returns:
        Fields ``(r, T, ...)``.
    """
    began, device = time.perf_counter(), actor.noise.device
    walks = torch.from_numpy(world.play(rows, seeds, actor, models).T.copy())
    acted = time.perf_counter()
    gains = world.set_function.trajectory_gains(walks)[:, 1:].to(torch.float32).to(device)
    timing["acting"] += acted - began
    timing["environment"] += time.perf_counter() - acted
    learnt_from = torch.from_numpy(world.singletons)[walks[:, 1:]].to(torch.float32).to(device) if modular else gains
    # The step is the last component of a state, and counts fastest.
    components = torch.from_numpy(np.pad(world.coordinates, ((0, 0), (0, 1))))
    at_start = form.store(components).index_select(0, walks[:, :-1].flatten())
    states = at_start.view(-1, world.horizon) + torch.arange(world.horizon)
    return {
        "state": states.to(device),
        "action": torch.stack(actor.actions).T,
        "reward": learnt_from,
        "value": gains,
        "mask": torch.ones(states.shape, dtype=torch.bool, device=device),
    }


def planned(
    planners: Sequence[Planner],
    weights: Sequence[float],
    world: Any,
    env: EnvFactory,
    form: BatchForm,
    components: ComponentEncoder,
    *,
    modular: bool,
    device: torch.device,
) -> Batch:
    """The best walk that some planners propose, as an episode.

    Args:
        planners: Who proposes.
        weights: Preference ``(m,)``.
        world: Where they plan.
        env: Where it is walked.
        form: Of what is seen.
        components: Network inputs of observations.
        modular: Learn from what each visit is worth alone.
        device: Where the fields live.

    Returns:
        Fields ``(T, ...)``.

    Raises:
        CapabilityError: The best of them is not a single walk.
    """
    plan = max((planner.plan(world, weights) for planner in planners), key=lambda plan: plan.value)
    actions = plan.actions
    if actions is None:
        raise CapabilityError(f"SubPO.warm_start: {plan.planner} found no single walk, as the world slips")
    rows: Any = env.rows(1, device=device)
    row = np.zeros(1, dtype=np.int64)
    observation, steps = rows.reset(row, [0]), []
    for action in torch.from_numpy(actions).to(device):
        seen: Tensor = form.store(components(observation))
        observation, reward, *_ = rows.step(action.view(1), row)
        gain = torch.as_tensor(rows.batch.modular_rewards(row), dtype=torch.float32, device=device) if modular else reward
        steps.append({form.seen: seen, "action": action.view(1), "reward": gain, "value": reward})
    episode = {name: torch.cat([step[name] for step in steps]) for name in form.names[:-1]}
    return {**episode, "mask": torch.ones(len(steps), dtype=torch.bool, device=device)}
