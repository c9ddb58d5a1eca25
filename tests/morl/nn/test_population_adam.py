"""Adam of a population against torch's Adam of one member at a time."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from morl.nn.population_adam import PopulationAdam
from morl.nn.stacked import Packed, blend_, member_slice

SHAPES = [(3, 4), (4,), ()]
N = 4
both_forms = pytest.mark.parametrize("packed", [False, True])


def parameters(seed: int = 0, packed: bool = False) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(N, *shape, generator=generator) for shape in SHAPES]
    return Packed(drawn) if packed else drawn


def gradients_of(step: int, packed: bool = False) -> list[Tensor]:
    return parameters(1000 + step, packed)


class Separate:
    """One torch optimiser per member."""

    def __init__(self, start: list[Tensor], *, clip: float | None = None, **options: float) -> None:
        self.clip = clip
        self.leaves = [[p[i].clone().requires_grad_() for p in start] for i in range(N)]
        self.adams = [torch.optim.Adam(leaves, **options) for leaves in self.leaves]  # type: ignore[arg-type]

    def step(self, gradients: list[Tensor], members: Sequence[int]) -> None:
        for i in members:
            for leaf, gradient in zip(self.leaves[i], gradients, strict=True):
                leaf.grad = gradient[i].clone()
            if self.clip is not None:
                torch.nn.utils.clip_grad_norm_(self.leaves[i], self.clip)
            self.adams[i].step()

    def stacked(self) -> list[Tensor]:
        return [torch.stack([leaves[k].detach() for leaves in self.leaves]) for k in range(len(SHAPES))]


def step_members(adam: PopulationAdam, gradients: list[Tensor], members: Sequence[int]) -> None:
    selection = member_slice(members, N)
    adam.step(gradients if len(members) == N else [g[selection] for g in gradients], selection)


subsets = st.lists(st.integers(0, N - 1), min_size=1, max_size=N, unique=True).map(sorted)


@given(schedule=st.lists(subsets, min_size=1, max_size=6), clip=st.sampled_from([None, 0.5, 100.0]), packed=st.booleans())
@settings(max_examples=40)
def test_equals_torch_for_every_member_with_its_own_step_count(
    schedule: list[list[int]], clip: float | None, packed: bool
) -> None:
    mine = parameters()
    reference = Separate(mine, clip=clip, lr=0.05, eps=1e-6)
    adam = PopulationAdam(mine, learning_rate=0.05, eps=1e-6, max_gradient_norm=clip)
    for k, members in enumerate(schedule):
        step_members(adam, gradients_of(k), members)
        reference.step(gradients_of(k), members)
    for p, q in zip(mine, reference.stacked(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-6)
    assert adam.steps.tolist() == [sum(i in members for members in schedule) for i in range(N)]


@pytest.mark.parametrize("members", [[1], [0, 1, 2], [0, 2], [3]])
@pytest.mark.parametrize("clip", [None, 0.1])
@both_forms
def test_the_others_stay_bitwise_unchanged(members: list[int], clip: float | None, packed: bool) -> None:
    mine = parameters(packed=packed)
    adam = PopulationAdam(mine, learning_rate=0.1, max_gradient_norm=clip)
    adam.step(gradients_of(0, packed))
    before = [t.clone() for t in (*mine, *adam.first, *adam.second)]
    step_members(adam, gradients_of(1, packed), members)
    others = [i for i in range(N) if i not in members]
    for now, then in zip((*mine, *adam.first, *adam.second), before, strict=True):
        assert torch.equal(now[others], then[others])
        assert all((now[i] != then[i]).any() for i in members)


def test_a_member_moves_the_same_alone_and_among_others() -> None:
    together, apart = parameters(), parameters()
    both, single = PopulationAdam(together, learning_rate=0.1), PopulationAdam(apart, learning_rate=0.1)
    for k in range(3):
        both.step(gradients_of(k))
        for i in range(N):
            step_members(single, gradients_of(k), [i])
    # Not bitwise: where a tensor ends decides which of its elements the vector instructions round.
    for p, q in zip(together, apart, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-6, atol=1e-7)


def test_strides_of_gradients_do_not_matter() -> None:
    plain, strided = [torch.zeros(2, 3, 4)], [torch.zeros(2, 3, 4)]
    gradient = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0)).transpose(1, 2)
    PopulationAdam(strided, learning_rate=0.1).step([gradient])
    PopulationAdam(plain, learning_rate=0.1).step([gradient.contiguous()])
    assert torch.equal(plain[0], strided[0])
    expanded = [torch.zeros(2, 3)]
    PopulationAdam(expanded, learning_rate=0.1).step([torch.ones(2, 1).expand(2, 3)])
    torch.testing.assert_close(expanded[0], torch.full((2, 3), -0.1))


@both_forms
def test_clipping_is_per_member(packed: bool) -> None:
    huge = [g.clone() for g in gradients_of(0, packed)]
    for g in huge:
        g[0] *= 1e6
    moved = []
    for gradients in (gradients_of(0, packed), huge):
        mine = parameters(packed=packed)
        PopulationAdam(mine, learning_rate=0.1, eps=1.0, max_gradient_norm=0.5).step(gradients)
        moved.append(mine)
    assert all(torch.equal(p[1:], q[1:]) for p, q in zip(*moved, strict=True))
    start = parameters()
    # With a large epsilon a first step is about learning_rate * gradient, so its length shows the clipped norm.
    length = torch.stack([(p[0] - q[0]).square().sum() for p, q in zip(moved[1], start, strict=True)]).sum().sqrt()
    assert 0.02 < float(length) < 0.1 * 0.5


@both_forms
def test_reset_forgets_one_member(packed: bool) -> None:
    mine = parameters(packed=packed)
    adam = PopulationAdam(mine, learning_rate=0.1)
    for k in range(3):
        adam.step(gradients_of(k, packed))
    adam.reset(2)
    assert adam.steps.tolist() == [3, 3, 0, 3]
    before = [p.clone() for p in mine]
    adam.step(gradients_of(3, packed))
    fresh = [p.clone() for p in before]
    PopulationAdam(fresh, learning_rate=0.1).step(gradients_of(3, packed))
    assert all(torch.equal(p[2], q[2]) for p, q in zip(mine, fresh, strict=True))
    assert not torch.equal(mine[0][1], fresh[0][1])


@both_forms
def test_reindexed_members_take_their_moments_along(packed: bool) -> None:
    mine = parameters(packed=packed)
    adam = PopulationAdam(mine, learning_rate=0.1, eps=1e-5, max_gradient_norm=0.7)
    adam.step(gradients_of(0, packed))
    step_members(adam, gradients_of(1, packed), [0, 1])
    source, fresh = [1, 3, 1, 0, 2], [False, False, True, False, False]
    moved = [p[source].clone() for p in mine]
    moved = Packed(moved) if packed else moved
    other = adam.reindexed(moved, source, fresh)
    assert other.steps.tolist() == [2, 1, 0, 2, 1]
    assert (other.learning_rate, other.eps, other.max_gradient_norm) == (0.1, 1e-5, 0.7)
    gradients = gradients_of(2)
    adam.step(gradients)
    other.step([g[source] for g in gradients])
    for p, q, first in zip(moved, mine, other.first, strict=True):
        for new, old in enumerate(source):
            assert torch.equal(p[new], q[old]) is not fresh[new]
        assert torch.isfinite(first).all()
    assert isinstance(other.first, Packed) is packed
    # The old optimiser and the new one share nothing.
    assert all(a.data_ptr() != b.data_ptr() for a, b in zip(other.first, adam.first, strict=True))


@both_forms
def test_goes_on_from_a_saved_state(packed: bool) -> None:
    mine = parameters(packed=packed)
    adam = PopulationAdam(mine, learning_rate=0.1)
    adam.step(gradients_of(0, packed))
    step_members(adam, gradients_of(1, packed), [0, 2])
    saved = {key: value.clone() for key, value in adam.state().items()}
    copies = parameters(9, packed)
    for p, q in zip(copies, mine, strict=True):
        p.copy_(q)
    other = PopulationAdam(copies, learning_rate=0.1)
    other.load_state(saved)
    for optimiser in (adam, other):
        optimiser.step(gradients_of(2, packed))
    assert all(torch.equal(p, q) for p, q in zip(mine, copies, strict=True))
    assert other.steps.tolist() == [3, 2, 3, 2]
    # What was saved is not what is trained on.
    assert saved["steps"].tolist() == [2, 1, 2, 1]


def test_runs_on_the_meta_device() -> None:
    shapes = [torch.empty(N, *shape, device="meta") for shape in SHAPES]
    adam = PopulationAdam(shapes, learning_rate=0.1)
    adam.step([torch.empty_like(p) for p in shapes])
    assert adam.steps.tolist() == [1] * N


def test_packed_parameters_stay_the_tensors_that_they_were() -> None:
    plain = parameters()
    tensors, values = list(plain), [p.clone() for p in plain]
    mine = Packed(plain)
    adam = PopulationAdam(mine, learning_rate=0.1)
    for p, tensor, value in zip(mine, tensors, values, strict=True):
        assert p is tensor
        assert torch.equal(p, value)
    # What is written into them is what is trained.
    mine[0].zero_()
    adam.step([torch.zeros_like(p) for p in mine])
    assert (mine[0] == 0).all()
    assert len({t.untyped_storage().data_ptr() for t in mine}) == 1


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("norm", [0.1, 1e3, None])
def test_what_lies_in_one_piece_moves_alike(n: int, norm: float | None) -> None:
    def of(group: list[Tensor]) -> list[Tensor]:
        return [p[:n].clone() for p in group]

    plain, packed = of(parameters()), Packed(of(parameters()))
    first = packed[0]
    optimisers = [PopulationAdam(p, learning_rate=0.1, max_gradient_norm=norm) for p in (plain, packed)]
    for step in range(4):
        optimisers[0].step(of(gradients_of(step)))
        optimisers[1].step(Packed(of(gradients_of(step))))
    optimisers = [each.reindexed(p, [0] * n, [False] * n) for each, p in zip(optimisers, (plain, packed), strict=True)]
    optimisers[0].step(of(gradients_of(9)), torch.tensor([0]) if n == 1 else None)
    optimisers[1].step(Packed(of(gradients_of(9))), torch.tensor([0]) if n == 1 else None)
    assert packed[0] is first
    for x, y in zip((plain, packed), optimisers, strict=True):
        assert y.parameters is x
    moments = [[*each.parameters, *each.first, *each.second] for each in optimisers]
    for x, y in zip(*moments, strict=True):
        torch.testing.assert_close(x, y)
    assert optimisers[1].steps.tolist() == [5] * n
    blend_(packed, Packed([torch.zeros_like(p) for p in plain]), 1.0)
    assert not any(p.any() for p in packed)
