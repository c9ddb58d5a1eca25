from __future__ import annotations

import errno
import os
import signal

import pytest

from morl.errors import CheckpointError, MorlError
from morl.files import create, in_use, own_folder, read_file, remove, write_atomically


@pytest.fixture
def thesis(tmp_path):
    """Somebody else's file, outside the run."""
    path = tmp_path / "thesis.tex"
    path.write_text("mine")
    return path


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    return path


@pytest.mark.parametrize("link", [os.symlink, os.link])
@pytest.mark.parametrize("name", [".metrics.csv.tmp", "metrics.csv"])
def test_nothing_is_written_through_a_link(run, thesis, link, name):
    link(thesis, run / name)
    write_atomically(run / "metrics.csv", "new")
    assert thesis.read_text() == "mine"
    assert (run / "metrics.csv").read_text() == "new"
    assert [p.name for p in run.iterdir()] == ["metrics.csv"]
    assert not (run / "metrics.csv").is_symlink()


def test_a_folder_that_is_a_link_becomes_a_folder(run, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").touch()
    for target in ("elsewhere", "nowhere"):
        (run / "plots").symlink_to(tmp_path / target)
        create(own_folder(run / "plots") / "front.png", b"x")
        assert [p.name for p in (tmp_path / "elsewhere").iterdir()] == ["precious"]
        remove(run / "plots")
        assert not (run / "plots").exists()
    (run / "plots").touch()
    assert own_folder(run / "plots").is_dir()


def test_removing_a_link_leaves_what_it_shows(run, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (run / "policies").symlink_to(tmp_path / "elsewhere")
    remove(run / "policies")
    assert not (run / "policies").is_symlink()
    assert (tmp_path / "elsewhere").is_dir()
    remove(run / "policies")


def test_a_disk_that_refuses_is_named_and_keeps_the_old_content(run, monkeypatch):
    write_atomically(run / "a.csv", "old")

    def refuse(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match=r"No space left on device: '.*a\.csv") as caught:
        write_atomically(run / "a.csv", "new")
    assert caught.value.errno == errno.ENOSPC
    assert (run / "a.csv").read_text() == "old"
    assert [p.name for p in run.iterdir()] == ["a.csv"]


def test_what_is_no_file_is_not_read(run):
    os.mkfifo(run / "front.csv")
    with pytest.raises(CheckpointError, match=r"front\.csv is not a file"):
        read_file(run / "front.csv")
    with pytest.raises(CheckpointError, match=r"b\.csv is missing"):
        read_file(run / "b.csv")


def test_a_folder_is_for_one_at_a_time(run):
    with in_use(run):
        with (
            pytest.raises(MorlError, match=rf"run is in use by process {os.getpid()} on .+: wait until that has ended"),
            in_use(run),
        ):
            pass
        with pytest.raises(MorlError, match="in use"), in_use(run):
            pass
    assert list(run.iterdir()) == []
    with in_use(run):
        pass


def holder(run, then):
    """A forked process that takes the folder and goes on with ``then``; its number, once it has it."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            with in_use(run):
                os.write(writing, b"x")
                then()
        finally:
            os._exit(0)
    os.close(writing)
    assert os.read(reading, 1) == b"x"
    os.close(reading)
    return pid


def test_a_kill_lets_go(run):
    pid = holder(run, signal.pause)
    with pytest.raises(MorlError, match=f"in use by process {pid} on "), in_use(run):
        pass
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert (run / ".lock").exists()
    with in_use(run):
        pass


def test_a_child_of_whoever_had_it_does_not_keep_it(run):
    reading, writing = os.pipe()

    def leave_a_child():
        if os.fork() == 0:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
        signal.pause()

    pid = holder(run, leave_a_child)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with in_use(run):
        pass
    os.close(writing)
    os.close(reading)


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_the_lock_is_never_a_link(run, thesis, link):
    link(thesis, run / ".lock")
    with in_use(run):
        assert thesis.read_text() == "mine"
