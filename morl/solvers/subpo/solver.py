r"""Submodular policy optimisation (SubPO): a population of policies whose rewards have diminishing returns.

The value of a trajectory is a set function of what it visits, :math:`J(\pi) = \mathbb{E}_\tau[F(\tau)]`. It telescopes into
marginal gains, which environments return as (vector) rewards, and its gradient is

.. math:: \nabla J = \mathbb{E}_\tau \sum_{i=0}^{H-1} \nabla \log \pi(a_i \mid \tau_{0:i})
    \Bigl( \sum_{j=i}^{H-1} F(s_{j+1} \mid \tau_{0:j}) - b(\tau_{0:i}) \Bigr).

A member collects a batch of whole episodes with one policy, then takes one step; all members do it together. The policy sees
what the environment shows: the state and the step (SubPO-M), the history (SubPO-NM), or a summary that determines all gains to
come. With ``network="gru"`` or ``"attention"`` it remembers by itself. Markov policies over finite states are evaluated once
per (step, state), not once per trajectory: episodes only say how often each was visited, and what its actions were credited
with.

References:
    M. Prajapat, M. Mutný, M. Zeilinger, A. Krause, "Submodular Reinforcement Learning", ICLR (2024).

Deviations: see the page of SubPO in the documentation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from morl.errors import CapabilityError, ConfigurationError
from morl.fields import Count, LogDeviation, NonNegative, Number, Positive, Repeats, Share, Widths
from morl.functional.marginal_gains import Credit
from morl.nn.policy_networks import NetworkKind
from morl.planners.planner import Planner
from morl.protocols import EnvFactory
from morl.registry import component_field
from morl.solvers.base import LeafSolver, require
from morl.task import Task

if TYPE_CHECKING:
    from morl.solvers.subpo.learner import SubPOLearner


@dataclass(frozen=True, kw_only=True)
class SubPO(LeafSolver):
    """Submodular policy optimisation, for discrete and continuous actions.

    Utility: a weighted sum of set functions, for which every guarantee of one function holds. Any scalarization under the ESR
    criterion, through the marginal gains of the utility of the values; under SER through its linearisation at the member's
    running value.
    """

    network: NetworkKind = "perceptron"
    """Of the policy: ``perceptron``, ``table`` (integral observations), ``gru`` or ``attention`` over the episode so far."""
    hidden: Widths = (64, 32)
    """Width of each hidden layer (tanh); the first is the width of the memory of a network that has one."""
    learning_rate: Positive = 1e-2
    """Adam's step size, or the length of a natural step."""
    gamma: Share = 1.0
    """Discount factor. With less than 1 what is maximised is no longer a set function of the trajectory."""
    rows_per_member: Count = 500
    """Environment rows of each member: the episodes of one batch."""
    credit: Credit = "to_go"
    """What an action is credited with: the gains from its step on (the theorem), all gains, or the next gain alone (biased)."""
    reward: Literal["gain", "modular"] = "gain"
    """Learn from marginal gains; or from what each visit would be worth alone, which is the baseline ModPO."""
    baseline: Literal["none", "leave_one_out", "critic"] = "leave_one_out"
    """What is subtracted from the credit."""
    criterion: Literal["ser", "esr"] = "ser"
    """Utility of the expected values, or expected utility of the values, if the task does not say."""
    entropy_coefficient: NonNegative = 0.1
    """Weight of the policy's mean entropy (nats) at the start, beside advantages in their unit."""
    entropy_schedule: Literal["linear", "cubic", "constant", "inverse"] = "linear"
    """How the weight falls: to zero at ``entropy_steps``, linearly or by the third power of the way that is left (more time at
    small weights); not at all; or with one over the number of batches."""
    entropy_steps: Count = 1_000_000
    """Environment steps per member at which the weight of a linear or cubic schedule has fallen to zero."""
    learning_rate_steps: Count | None = None
    """Environment steps per member over which the learning rate falls linearly to zero; None if it stays."""
    imitation: NonNegative = 0.0
    """Part of a batch as which the best episode that the member ever played counts, beside those of each batch. **Biased**, and
    for deterministic worlds: elsewhere it imitates luck."""
    warm_start: tuple[Planner, ...] = component_field("planner", default=())
    """The best of their walks is the best episode at the start. Needs ``imitation``, and a graph world that does not slip."""
    optimiser: Literal["adam", "natural"] = "adam"
    """Adam on the gradient; or plain steps along the natural gradient."""
    max_divergence: NonNegative = 0.02
    """Natural steps are shortened to this mean Kullback-Leibler divergence per step (nats, quadratic model)."""
    iterations: Repeats = 10
    """Conjugate gradient iterations per natural step."""
    damping: NonNegative = 1e-3
    """Added to the diagonal of the Fisher matrix."""
    critic_learning_rate: Positive = 1e-2
    """Adam's step size for the critic."""
    critic_updates: Repeats = 10
    """Updates of the critic per batch."""
    gae_lambda: Share = 1.0
    """Weight of longer horizons in the advantages of a critic; 1 is unbiased."""
    normalise_advantages: bool = True
    """Divide advantages by their standard deviation over the batch, so that units do not matter."""
    entropy_unit: Literal["batch", "first_batch"] = "batch"
    """Whose standard deviation of advantages the entropy is weighed against: the present batch's, which shrinks as the policy
    concentrates; or the member's first batch's, which makes the weight a temperature and its fall an annealing."""
    normalise_observations: bool = False
    """Shift and scale real-valued observations by each member's running mean and standard deviation."""
    share_rollouts: bool = False
    """Learn from the episodes of all members that take part, by importance weights against the mixture of their policies."""
    kernels: tuple[tuple[Number, ...], ...] = ()
    """Transition models as objectives, ``(K, k)``: episodes are spread over them, and the worst value is maximised."""
    kernel_temperature: Positive = 0.02
    """Softness of that minimum: a value lower by this part of the mean makes a model's episodes weigh e times more."""
    max_gradient_norm: Positive = 10.0
    """Each member's gradient is clipped to this Euclidean norm (Adam)."""
    initial_log_std: LogDeviation = -0.5
    """Log standard deviation of new continuous policies, in units of half the width of the action box."""

    def __post_init__(self) -> None:
        super().__post_init__()
        name = type(self).__name__
        require(
            not self.imitation or not (self.share_rollouts or self.kernels),
            f"{name}.imitation goes neither with share_rollouts nor with kernels: the best episode was drawn from neither",
        )
        require(
            not self.warm_start or self.imitation > 0,
            f"{name}.warm_start needs imitation: a positive part of a batch as which the walk counts, such as 0.04",
        )
        require(
            self.baseline != "critic" or self.credit == "to_go",
            f"{name}: a critic predicts the gains still to come; use credit='to_go' with it, or another baseline",
        )
        require(
            not self.share_rollouts or (self.credit == "to_go" and self.baseline != "critic"),
            f"{name}.share_rollouts needs credit='to_go' and a baseline other than the critic",
        )
        if self.kernels:
            require(
                self.rows_per_member % len(self.kernels) == 0,
                f"{name}.rows_per_member is {self.rows_per_member}; it must be a multiple of the {len(self.kernels)} kernels",
            )
            require(not self.share_rollouts, f"{name}.share_rollouts and kernels exclude each other")

    def learner_type(self) -> type[SubPOLearner]:
        from morl.solvers.subpo.learner import SubPOLearner

        return SubPOLearner

    def check_problem(self, env: EnvFactory, task: Task) -> None:
        if self.share_rollouts and task.dynamics is not None:
            raise CapabilityError(
                "share_rollouts: episodes in another member's transition model say nothing about one's own; switch it off"
            )
        if self.kernels:
            space = env.spec.parameter_space
            if space is None:
                raise CapabilityError(
                    f"SubPO.kernels needs an environment whose transition model can be set, which {env.spec.env_id} has not"
                )
            try:
                space.checked(self.kernels)
            except ValueError as error:
                raise ConfigurationError(f"SubPO.kernels: {error}") from error
            if task.dynamics is not None:
                raise CapabilityError("SubPO.kernels and a task with dynamics exclude each other: set one of them")
