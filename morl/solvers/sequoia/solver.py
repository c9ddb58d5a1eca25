r"""SEQUOIA: Q-learning over combinatorial actions, whose argmax is solved instead of listed.

The network takes the action as an *input*, :math:`Q(s, a) \in \mathbb R^m`, and an action optimiser finds
:math:`\arg\max_{a \in \mathcal A} w^\top Q(s, a)`: for the behaviour, for the target, and for the policy that comes out.

1. act at random (feasible actions only); then fit the network to immediate rewards: the *myopic* warm start;
2. act greedily up to exploration, which holds a random action for several steps; store transitions;
3. target :math:`y = r + \gamma\, Q'(s', a^*)`, :math:`a^* = \arg\max_{a'} w^\top Q'(s', a')`, with a target network
   :math:`Q'` that is copied from the online network every ``target_period`` updates. Between two copies each next state is
   solved once.

Where the environment says what each arm added to the reward, a ``factored`` network learns a value of every arm from the target
of that arm alone, :math:`y_p = r_p + \gamma\, Q'_p(s'_p, a^*)`, with the same :math:`a^*`.

References:
    L. Xu, B. Wilder, E. Khalil, M. Tambe, "Reinforcement learning with combinatorial actions for coupled restless bandits",
    ICLR 2025, arXiv 2503.01919.
    S. Russell, A. Zimdars, "Q-Decomposition for Reinforcement Learning Agents", ICML 2003 (targets of arms).

Deviations: see the page of SEQUOIA in the documentation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from morl.actions import ActionOptimizer, LocalSearch
from morl.fields import (
    BatchSize,
    Count,
    CountOrZero,
    NonNegative,
    Positive,
    PositiveShare,
    Range,
    RepeatsOrNone,
    Share,
    UpdatesPerStep,
    Widths,
)
from morl.nn.action_values import QModel
from morl.registry import component_field
from morl.solvers.base import LeafSolver, require

if TYPE_CHECKING:
    from morl.solvers.sequoia.learner import SEQUOIALearner


@dataclass(frozen=True, kw_only=True)
class SEQUOIA(LeafSolver):
    """Q-learning over binary actions from a combinatorial set.

    Utility: any weighted sum; a non-linear scalarization under SER is replaced by its linearisation, as in ``MODQN``.
    """

    hidden: Widths = (16, 32)
    """Width of each hidden layer; small, because every unit may cost the integer program a binary."""
    q_model: QModel = "mlp"
    """``mlp``; ``factored``, a sum of values of single arms, each of which depends on the arm's state and the whole action, and
    learns from what that arm pays if the environment reports it (:class:`envs.protocols.RewardParts`, one objective);
    ``concave`` (no binaries, no complementary actions); or ``linear`` in the action."""
    product_inputs: Literal["own", "all", "none"] = "own"
    """Give the network products of each action component and one-hot states: of its own arm (where components are arms, else
    none), or of all arms. They cost an integer program nothing. The values of a ``factored`` network depend on their own
    component, or else on all."""
    additive: bool = True
    """Let the last layer of an ``mlp`` see action and state too: a sum over action components, nearly all there is to know
    where arms only meet in the action set, to which the hidden layers add what components are worth together."""
    training_optimizer: ActionOptimizer = component_field("action_optimizer", default=LocalSearch())
    """Finds the best action for behaviour and targets."""
    policy_optimizer: ActionOptimizer = component_field("action_optimizer", default=LocalSearch(rounds=4, swaps=4))
    """Finds the best action for the policies that come out."""
    learning_rate: Positive = 1e-3
    """Of the network at the first update."""
    final_learning_rate: Positive = 1e-4
    """Of the network after ``learning_rate_decay`` updates; linear in between."""
    learning_rate_decay: Count = 4_000
    """Updates of a member until its learning rate has fallen."""
    batch_size: BatchSize = 256
    """Transitions per member and update."""
    learning_starts: CountOrZero = 640
    """Random environment steps per member before the first update."""
    warm_start_updates: RepeatsOrNone = 1_000
    """Updates towards immediate rewards before the first one towards returns; 0 for none."""
    updates_per_step: UpdatesPerStep = 0.25
    """Gradient updates per member and environment step of that member."""
    gamma: Share = 0.95
    """Discount factor."""
    tau: PositiveShare = 1.0
    """Blend of the target network per target update."""
    target_period: Count = 50
    """Updates between target updates."""
    double_q: bool = False
    """Let the online network choose the action that the target network values; every update then solves anew."""
    epsilon_start: Share = 0.5
    """Probability of a random action after the warm-up."""
    epsilon_end: Share = 0.05
    """Probability of a random action after the decay."""
    exploration_steps: Annotated[float, Range(ge=1.0)] = 4.0
    """Steps, on average, for which a random action is held once it was drawn (Dabney et al., ICLR 2021); 1 draws anew in every
    step. Arms that pay only after several steps of treatment are else hardly ever seen to. ``epsilon`` counts steps, not
    draws."""
    epsilon_decay_steps: Count = 8_000
    """Environment steps per member over which the probability falls linearly."""
    capacity: Count = 50_000
    """Transitions kept: of each member, or of all together if shared."""
    replay: Literal["per_member", "shared"] = "per_member"
    """Whether members learn from their own transitions or from everybody's."""
    prioritised: bool = False
    """Draw transitions in proportion to their last scalarised temporal-difference error instead of uniformly."""
    n_step: Count = 1
    """Length of the return before bootstrapping, environment steps; beyond 1, exploring actions inside it bias the values."""
    loss: Literal["huber", "mse"] = "huber"
    """Of each objective's temporal-difference error, in units of the values' scale; ``mse`` for values of single arms, whose
    targets are far from symmetric."""
    l1: NonNegative = 0.0
    """Factor of the mean absolute weight in the loss."""
    stability: NonNegative = 0.0
    r"""Factor of the mean of :math:`-\tanh(1 + l u)` over units with bounds :math:`[l, u]`, which makes units stable."""
    max_gradient_norm: Positive = 10.0
    """Each member's gradient is clipped to this Euclidean norm."""
    rows_per_member: Count = 16
    """Environment rows of each member."""
    comparison_episodes: RepeatsOrNone = 0
    """Episodes in which the final policies are compared with baselines that know the model, for restless bandits with a scalar
    reward; 0 for no comparison."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.epsilon_end <= self.epsilon_start,
            f"SEQUOIA needs epsilon_end <= epsilon_start, found {self.epsilon_end} and {self.epsilon_start}",
        )
        require(
            self.final_learning_rate <= self.learning_rate,
            f"SEQUOIA.final_learning_rate must be in (0, learning_rate], found {self.final_learning_rate}",
        )

    def learner_type(self) -> type[SEQUOIALearner]:
        from morl.solvers.sequoia.learner import SEQUOIALearner

        return SEQUOIALearner
