"""Members shared among threads: everybody's work is done once, alone, and failures come back."""

import threading

import pytest
import torch

from morl.nn.member_threads import MemberThreads


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield MemberThreads()
    torch.set_num_threads(before)


@pytest.mark.parametrize("members", [1, 2, 3, 7])
def test_every_member_belongs_to_one_part(three_threads, members):
    done, lock = [], threading.Lock()

    def work(part, chosen):
        assert members == 1 or torch.get_num_threads() == 1
        with lock:
            done.extend((part, i) for i in range(chosen.start, chosen.stop))

    three_threads(work, members)
    assert sorted(i for _, i in done) == list(range(members))
    assert {part for part, _ in done} == set(range(min(3, members)))
    assert torch.get_num_threads() == 3


def test_one_thread_stays_where_it_is():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        where = []
        MemberThreads()(lambda part, chosen: where.append((threading.get_ident(), part, chosen)), 5)
    finally:
        torch.set_num_threads(before)
    assert where == [(threading.get_ident(), 0, slice(0, 5))]


@pytest.mark.parametrize("failing", [0, 2])
def test_failure_of_a_part_comes_back_when_all_are_done(three_threads, failing):
    finished = []

    def work(part, chosen):
        if part == failing:
            raise ValueError(f"part {part}")
        finished.append(part)

    with pytest.raises(ValueError, match=f"part {failing}"):
        three_threads(work, 6)
    assert len(finished) == 2
    assert torch.get_num_threads() == 3
