"""Train an algorithm of morl-baselines for some processor time and print its front's hypervolume as one JSON line.

Not part of the project's environment: the peer needs one of its own with ``morl-baselines==1.3.0`` and
``mo-gymnasium[mujoco]``. Nothing of it is changed; settings are those of its examples where it has one for the environment, its
defaults otherwise, and one computing thread. When the time is up, what it has learned is judged as
``docs/marks.md`` says: 100 candidates at most (weights evenly spread; for PCN the returns in its memory), each by the mean of
discounted returns over fresh episodes.

``PEER_PYTHON tests/benchmarks/peer_marks_process.py pcn minecart-deterministic-v0 --gamma 0.98 --reference -1 -1 -200``
"""

import argparse
import contextlib
import json
import os
import sys
import time

CANDIDATES = 100


class TimeIsUp(Exception):
    """The processor time is spent."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("algorithm", choices=["capql", "envelope", "gpi_ls", "gpi_ls_continuous", "pcn"])
    parser.add_argument("env")
    parser.add_argument("--gamma", type=float, required=True)
    parser.add_argument("--reference", type=float, nargs="+", required=True)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--episodes", type=int, default=20, help="1 where nothing is random")
    options = parser.parse_args()
    os.environ["WANDB_MODE"] = "disabled"
    with contextlib.redirect_stdout(sys.stderr):
        figures = trained(options)
    sys.stdout.write(json.dumps({**vars(options), **figures}) + "\n")


def trained(options):
    import gymnasium
    import mo_gymnasium
    import numpy as np
    import torch
    from moocore import hypervolume

    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    np.random.seed(options.seed)  # noqa: NPY002 - the peer draws from numpy's global state

    class Clock(gymnasium.Wrapper):
        """Counts steps, and stops the training when the time is up."""

        start, steps = time.process_time(), 0

        def step(self, action):
            if self.seconds > options.seconds:
                raise TimeIsUp
            self.steps += 1
            return self.env.step(action)

        @property
        def seconds(self):
            return time.process_time() - self.start

    env, judge = Clock(mo_gymnasium.make(options.env)), mo_gymnasium.make(options.env)
    agent, train = made(options, env)
    with contextlib.suppress(TimeIsUp):
        train(total_timesteps=10**8, eval_env=judge, ref_point=np.array(options.reference))
    steps, seconds = env.steps, env.seconds
    values = np.array(judged(options, agent, judge))

    return {
        "env_steps": steps,
        "seconds": round(seconds, 1),
        "candidates": len(values),
        "fresh_hypervolume": hypervolume(-values, ref=-np.array(options.reference)),
    }


def made(options, env):
    """The agent, and how it is trained."""
    import functools

    import numpy as np

    common = {"gamma": options.gamma, "log": False, "seed": options.seed}
    if options.algorithm == "pcn":
        from morl_baselines.multi_policy.pcn.pcn import PCN

        # As in the peer's example for the minecart.
        agent = PCN(env, scaling_factor=np.array([1, 1, 0.1, 0.1]), learning_rate=1e-3, batch_size=256, **common)
        return agent, functools.partial(
            agent.train, num_er_episodes=20, max_buffer_size=50, num_model_updates=50, max_return=np.array([1.5, 1.5, -0.0])
        )
    if options.algorithm == "envelope":
        from morl_baselines.multi_policy.envelope.envelope import Envelope

        # As in the peer's example for the minecart.
        agent = Envelope(
            env, max_grad_norm=0.1, learning_rate=3e-4, batch_size=64, net_arch=[256, 256, 256, 256], buffer_size=int(2e6),
            initial_epsilon=1.0, final_epsilon=0.05, epsilon_decay_steps=50000, initial_homotopy_lambda=0.0,
            final_homotopy_lambda=1.0, homotopy_decay_steps=10000, learning_starts=100, envelope=True, gradient_updates=1,
            target_net_update_freq=1000, tau=1, **common,
        )  # fmt: skip
        return agent, functools.partial(agent.train, total_episodes=None, weight=None)
    if options.algorithm == "capql":
        from morl_baselines.multi_policy.capql.capql import CAPQL

        agent = CAPQL(env, **common)
        return agent, agent.train
    if options.algorithm == "gpi_ls":
        from morl_baselines.multi_policy.gpi_pd.gpi_pd import GPILS

        agent = GPILS(env, **common)
        return agent, agent.train
    from morl_baselines.multi_policy.gpi_pd.gpi_pd_continuous_action import GPILSContinuousAction

    agent = GPILSContinuousAction(env, **common)
    return agent, agent.train


def judged(options, agent, judge):
    """Mean discounted returns of the candidates, each ``(m,)``."""
    import numpy as np

    if options.algorithm == "pcn":
        found = []
        for _ in range(options.episodes):
            returns, _, _ = agent.evaluate(judge, np.array([1.5, 1.5, -0.0]), n=CANDIDATES)
            found.append(np.array(returns))
        return np.mean(found, 0)
    from morl_baselines.common.evaluation import policy_evaluation_mo
    from morl_baselines.common.weights import equally_spaced_weights

    weights = equally_spaced_weights(len(options.reference), n=CANDIDATES)[:CANDIDATES]
    return [policy_evaluation_mo(agent, judge, w, rep=options.episodes)[3] for w in weights]


if __name__ == "__main__":
    main()
