"""Files: complete or absent, locked by one process, on the disk, and never an input."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.files import (
    PARTIAL,
    claimed,
    locked,
    refuse_overlap,
    temporary,
    whole_file,
    whole_folder,
)

HOLD = """
import sys, time
from pathlib import Path
from spacy_cardioner.files import locked
with locked(Path(sys.argv[1]), folder=sys.argv[2] == "folder"):
    print("locked", flush=True)
    time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_lock_keeps_other_processes_out_until_its_own_dies(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "out"
    command = [sys.executable, "-c", HOLD, str(path), kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        other = tmp_path / "sub" / ".." / "out"  # another name of it
        busy = pytest.raises(CardionerError, match=f"out: process {holder.pid} on .* is writing it")
        with busy, locked(other, folder=kind == "folder"):
            pass
        holder.send_signal(signal.SIGKILL)
    assert [*tmp_path.rglob("*.lock")]  # left, and no hindrance
    with locked(path, folder=kind == "folder"):
        pass
    assert names(tmp_path) == (["out"] if kind == "folder" else [])


def test_a_process_cannot_lock_a_file_twice(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with locked(path):
        with pytest.raises(CardionerError, match=f"process {os.getpid()} on"), locked(path):
            pass
        with locked(tmp_path / "other"):
            assert names(tmp_path) == [".other.lock", ".out.lock"]
    assert names(tmp_path) == []


def test_locks_of_many_processes_never_overlap(tmp_path: Path) -> None:
    """Each adds 1 to a number that it reads before, which loses numbers without a lock."""
    add = """
import sys
from pathlib import Path
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.files import locked, whole_file
path = Path(sys.argv[1])
for _ in range(25):
    while True:
        try:
            with locked(path):
                number = int(path.read_text()) + 1
                with whole_file(path) as stream:
                    stream.write(b"%d" % number)
                break
        except CardionerError:
            pass
"""
    path = tmp_path / "number"
    path.write_text("0")
    all_ = [subprocess.Popen([sys.executable, "-c", add, str(path)]) for _ in range(4)]
    assert [process.wait() for process in all_] == [0] * 4
    assert path.read_text() == "100"
    assert names(tmp_path) == ["number"]


def test_a_lock_removes_what_killed_runs_left(tmp_path: Path) -> None:
    path, other = tmp_path / "out", tmp_path / "out-12345678"
    for one in (path, other):
        temporary(one).write_text("half")
    temporary(path).mkdir()
    (tmp_path / f"{PARTIAL}mine").write_text("mine")
    with locked(path):
        pass
    kept = [name for name in names(tmp_path) if name != f"{PARTIAL}mine"]
    assert len(kept) == 1
    assert re.fullmatch(r"\.partial-out-12345678-[0-9a-f]{8}", kept[0])

    folder = tmp_path / "folder"
    folder.mkdir()
    temporary(folder / "part-00000").mkdir()
    (temporary(folder / "notes")).symlink_to(other)
    (folder / "mine").write_text("mine")
    with locked(folder, folder=True):
        assert names(folder) == [".lock", "mine"]


def test_two_writers_of_a_file_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with whole_file(path) as one, whole_file(path) as other:
        one.write(b"one" * 10_000)
        other.write(b"other")
    assert path.read_bytes() == b"one" * 10_000
    with whole_folder(tmp_path / "a") as one_, whole_folder(tmp_path / "a") as other_:
        (one_ / "one").touch()
        (other_ / "other").touch()
    assert names(tmp_path / "a") == ["one"]
    assert names(tmp_path) == ["a", "out"]


def test_a_link_in_an_output_folder_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("old")
    link = tmp_path / "link"
    link.symlink_to(target)
    with whole_file(link) as stream:
        stream.write(b"new")
    assert not link.is_symlink()
    assert target.read_text() == "old"


def test_files_have_the_usual_permissions(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with whole_file(tmp_path / "file"), whole_folder(tmp_path / "folder"):
            pass
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("file", "folder")]
    assert modes == [0o640, 0o750]


@pytest.mark.parametrize("name", ["/dev/null", "pipe"])
def test_devices_and_pipes_have_no_lock(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with locked(tmp_path / name), locked(tmp_path / name):
        assert names(tmp_path) == ["pipe"]


def test_a_file_is_on_the_disk_and_so_is_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is flushed is a file before it is renamed, then the folders that list new names."""
    flushed: list[str] = []
    fsync, rename = os.fsync, Path.replace

    def noted(stream: int) -> None:
        path = Path(f"/proc/self/fd/{stream}").readlink()
        flushed.append(re.sub("-[0-9a-f]{8}$", "", str(path.relative_to(tmp_path))))
        fsync(stream)

    def renamed(path: Path, target: Path) -> Path:
        flushed.append("renamed")
        return rename(path, target)

    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc to see which file is flushed")
    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(Path, "replace", renamed)
    with whole_file(tmp_path / "a" / "b" / "out"):
        pass
    assert flushed == ["a", ".", "a/b/.partial-out", "renamed", "a/b"]


def test_outputs_never_overlap_with_inputs_or_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    source = folder / "a.txt"
    source.write_text("a")
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "to-be").symlink_to(folder / "new.txt")  # leads nowhere yet
    os.link(source, tmp_path / "hard")
    for output in (
        *(source, folder / ".." / "in" / "a.txt", tmp_path / "link" / "a.txt", tmp_path / "hard"),
        *(folder, folder / "new", tmp_path / "link" / "new" / "newer", tmp_path / "to-be"),
        *(tmp_path, tmp_path / "in" / ".." / "..", Path("/")),
    ):
        with pytest.raises(CardionerError, match=": is, holds or lies in .*; write somewhere else"):
            refuse_overlap([source, folder], [tmp_path / "good", output])
    others = [folder / "out.tsv", tmp_path / "new", tmp_path / "in2", Path("/dev/null")]
    refuse_overlap([source, Path("/dev/null"), tmp_path / "none"], [*others, Path("/dev/null")])


@pytest.mark.parametrize("other", ["out", "sub/../out", "link", "out/b", "link/b/c", "hard"])
def test_two_outputs_never_overlap(tmp_path: Path, other: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "out")
    if other == "hard":
        (tmp_path / "out").touch()
        os.link(tmp_path / "out", tmp_path / "hard")
    with pytest.raises(CardionerError, match="is, holds or lies in"):
        refuse_overlap([], [tmp_path / "out", tmp_path / other])
    with pytest.raises(CardionerError, match="is, holds or lies in"):
        refuse_overlap([], [tmp_path / other, tmp_path / "out"])


def test_a_folder_is_claimed_for_one_manifest_and_one_process(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with claimed(out, {"a": 1}):
        assert names(out) == [".lock", "manifest.json"]
        with pytest.raises(CardionerError, match="is writing it"), claimed(out, {"a": 1}):
            pass
    with claimed(out, {"a": 1}):
        pass
    with pytest.raises(CardionerError, match="other data"), claimed(out, {"a": 2}):
        pass
    assert names(out) == ["manifest.json"]


def test_a_folder_is_not_claimed_by_what_fails_at_once(tmp_path: Path) -> None:
    def failing(*written: str) -> None:
        with claimed(tmp_path / "out", {"a": 1}):
            for name in written:
                (tmp_path / "out" / name).touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        failing()
    assert names(tmp_path) == []
    with pytest.raises(KeyboardInterrupt):
        failing("checkpoint")
    with pytest.raises(CardionerError, match="other data"), claimed(tmp_path / "out", {"a": 2}):
        pass
    assert names(tmp_path / "out") == ["checkpoint", "manifest.json"]


def test_a_file_system_without_locks_is_written_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is removed then: it may be what another process is writing."""

    def flock(stream: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    temporary(tmp_path / "out").touch()
    with locked(tmp_path / "out"):
        assert len(names(tmp_path)) == 2
    assert "the file system has no locks" in capsys.readouterr().err
    assert len(names(tmp_path)) == 1
