"""Runs in parts: killed at any moment, out of room, changed; each note is there just once."""

from __future__ import annotations

import csv
import errno
import json
import os
import random
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from spacy_cardioner import brat
from spacy_cardioner.batch.manifest import Counts
from spacy_cardioner.batch.readers import Source, SourceNote, open_source
from spacy_cardioner.batch.run import Job, run
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.batch.writers import Output, OutputFormat
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.files import remove
from spacy_cardioner.tokenizer import blank

DRUGS = ("bisoprolol", "penicilina")
# What the interpreter tells an audit hook before it changes a file.
CHANGES = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate"}
FORMATS = (OutputFormat.jsonl, OutputFormat.brat)
SLOW = pytest.mark.slow


@pytest.fixture(scope="module")
def nlp() -> Language:
    nlp = blank("es")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "FARMACO", "pattern": d} for d in DRUGS])
    return nlp


def write_notes(path: Path, count: int, name: str = "n{}") -> Path:
    """Notes of which every seventh cannot be annotated, and the others have 1 to 3 mentions."""
    with path.open("w", encoding="utf-8") as stream:
        for i in range(count):
            text = None if i % 7 == 3 else f"Nota {i}. Toma bisoprolol." + " y penicilina" * (i % 3)
            stream.write(json.dumps({"id": name.format(i), "text": text}) + "\n")
    return path


def job(nlp: Language, notes: Path, out: Path, **options: Any) -> Job:
    outputs = [Output(kind, out / kind.value) for kind in FORMATS]
    defaults: dict[str, Any] = {"part_size": 4, "resume": True}
    settings = Settings(nlp, batch_size=3)
    return Job(open_source(str(notes)), settings, outputs, **{**defaults, **options})


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the record, which has the time in it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "_manifest.json"
    }


def times(folder: Path) -> dict[Path, int]:
    """When every file below a folder was changed."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def manifest(out: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((out / "jsonl" / "_manifest.json").read_bytes())
    return data


def in_child(work: Callable[[], object]) -> int:
    """Do it in a copy of this process. RETURNS (int): Its exit code, or minus a signal."""
    pid = os.fork()
    if pid == 0:
        status = 77
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def killed_before_change(number: int, work: Callable[[], object]) -> int:
    """Do it in a process that is killed before it changes a file for the n-th time."""

    def dying() -> None:
        left = number

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal left
            to_read = event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if event in CHANGES and not to_read:
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        work()

    return in_child(dying)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return write_notes(tmp_path / "notes.jsonl", 11)


@pytest.fixture
def whole(nlp: Language, notes: Path, tmp_path: Path) -> dict[str, bytes]:
    """What a run writes that nothing happens to."""
    summary = run(job(nlp, notes, tmp_path / "whole"))
    assert summary == Counts(notes=9, errors=2, mentions=18)
    return files(tmp_path / "whole")


def test_a_run_in_parts(whole: dict[str, bytes], tmp_path: Path) -> None:
    assert [name for name in whole if name.startswith("jsonl")] == [
        *("jsonl/_errors.jsonl", "jsonl/part-00000.jsonl"),
        *("jsonl/part-00001.jsonl", "jsonl/part-00002.jsonl"),
    ]
    parts = [whole[f"jsonl/part-0000{i}.jsonl"].splitlines() for i in range(3)]
    assert [[json.loads(line)["id"] for line in part] for part in parts] == [
        ["n0", "n1", "n2"],
        ["n4", "n5", "n6", "n7"],
        ["n8", "n9"],
    ]
    assert whole["jsonl/_errors.jsonl"] == (
        b'{"id": "n3", "reason": "no text (null)"}\n{"id": "n10", "reason": "no text (null)"}\n'
    )
    folder = tmp_path / "whole" / "brat" / "part-00001"
    assert [note.name for note in brat.read_folder(folder)] == ["n4", "n5", "n6", "n7"]

    record = manifest(tmp_path / "whole")
    counts = {"notes": 9, "errors": 2, "mentions": 18, "of_components": {}}
    assert record["counts"] == counts
    assert [part["notes"] for part in record["parts"]] == [3, 4, 2]
    assert record["inputs"]["bytes"] == (tmp_path / "notes.jsonl").stat().st_size
    assert record["model"]["name"] == "es_pipeline"
    assert record["finished"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that can fork")
def test_a_run_killed_before_any_change_of_a_file_is_resumed(
    nlp: Language, notes: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    begun = resumed = 0
    number = 0
    status = -signal.SIGKILL
    while status == -signal.SIGKILL:
        number += 1
        out = tmp_path / f"out-{number}"
        status = killed_before_change(number, lambda out=out: run(job(nlp, notes, out)))  # type: ignore[misc]
        begun += (out / "jsonl" / "_manifest.json").exists()
        again = killed_before_change(number // 2, lambda out=out: run(job(nlp, notes, out)))  # type: ignore[misc]
        resumed += again == -signal.SIGKILL
        assert again in (0, -signal.SIGKILL)
        assert run(job(nlp, notes, out)).notes == 9
        assert files(out) == whole
    assert status == 0
    assert number > 50
    assert begun > 40
    assert resumed > 20


def test_a_finished_run_is_left_alone(nlp: Language, notes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(job(nlp, notes, out, resume=False))
    before = times(out)
    with pytest.raises(CardionerError, match="has a finished run; --overwrite"):
        run(job(nlp, notes, out, resume=False))
    assert run(job(nlp, notes, out)) == Counts(notes=9, errors=2, mentions=18)
    assert times(out) == before


@pytest.mark.parametrize("kind", [OutputFormat.jsonl, OutputFormat.brat])
def test_a_finished_file_or_folder_is_left_alone_too(
    nlp: Language, notes: Path, tmp_path: Path, kind: OutputFormat
) -> None:
    out = tmp_path / "out"
    new, old = Output(OutputFormat.html, tmp_path / "new.html"), Output(kind, out)
    again = Job(open_source(str(notes)), Settings(nlp), [new, old])
    run(Job(again.source, again.settings, [old]))
    before = times(tmp_path)
    with pytest.raises(CardionerError, match="out: exists already; --overwrite"):
        run(again)
    assert times(tmp_path) == before
    again.overwrite = True
    assert run(again).notes == 9
    assert set(times(tmp_path)) == {*before, tmp_path / "new.html"}


def test_overwriting_removes_what_the_run_wrote_and_nothing_else(
    nlp: Language, notes: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(job(nlp, notes, out, part_size=1))
    (out / "jsonl" / "mine.txt").write_text("mine")
    run(job(nlp, notes, out, resume=False, overwrite=True))
    assert files(out) == {**whole, "jsonl/mine.txt": b"mine"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that can fork")
@pytest.mark.parametrize("number", range(1, 40, 3))
def test_overwriting_can_be_killed_and_resumed(
    nlp: Language, notes: Path, whole: dict[str, bytes], tmp_path: Path, number: int
) -> None:
    out = tmp_path / "out"
    run(job(nlp, notes, out, part_size=1))
    again = job(nlp, notes, out, resume=False, overwrite=True)
    assert killed_before_change(number, lambda: run(again)) == -signal.SIGKILL
    other = manifest(out)["options"]["part_size"] == 1  # it was killed before it had begun
    run(job(nlp, notes, out, resume=not other, overwrite=other))
    assert files(out) == whole


def test_what_no_run_has_written_is_never_touched(
    nlp: Language, notes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / "brat").mkdir(parents=True)
    (out / "brat" / "mine.txt").write_text("mine")
    for options in ({}, {"resume": False, "overwrite": True}):
        with pytest.raises(CardionerError, match="brat: has files that no run in parts wrote"):
            run(job(nlp, notes, out, **options))
    assert files(out) == {"brat/mine.txt": b"mine"}


def stopped(nlp: Language, notes: Path, out: Path) -> None:
    """A run that stops at the second note that fails, in its third part."""
    with pytest.raises(CardionerError, match="2 notes failed, more than --max-errors 1.*: no text"):
        run(job(nlp, notes, out, max_errors=1))
    assert manifest(out)["finished"] is None
    assert len(manifest(out)["parts"]) == 2


def test_too_many_errors_stop_a_run_that_can_be_resumed(
    nlp: Language, notes: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    stopped(nlp, notes, out)
    with pytest.raises(CardionerError, match="has a stopped run; --resume"):
        run(job(nlp, notes, out, resume=False))
    run(job(nlp, notes, out))
    assert files(out) == whole


def test_a_run_is_resumed_only_with_what_it_was_begun_with(
    nlp: Language, notes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    stopped(nlp, notes, out)
    with pytest.raises(CardionerError, match="the options changed"):
        run(job(nlp, notes, out, part_size=5))
    other = blank("es")
    other.add_pipe("entity_ruler").add_patterns([{"label": "FARMACO", "pattern": "penicilina"}])
    assert (other.meta, other.config) == (nlp.meta, nlp.config)
    with pytest.raises(CardionerError, match="the model changed"):
        run(job(other, notes, out))
    write_notes(notes, 12)
    with pytest.raises(CardionerError, match="the inputs changed"):
        run(job(nlp, notes, out))


@pytest.mark.parametrize("file", ["meta.json", "entity_ruler/patterns.jsonl", "vocab/strings.json"])
def test_a_run_is_resumed_only_with_all_files_of_its_pipeline(
    nlp: Language, notes: Path, tmp_path: Path, file: str
) -> None:
    nlp.to_disk(tmp_path / "model")
    path = tmp_path / "model" / file
    before = path.read_bytes()

    def again() -> Counts:
        named = job(nlp, notes, tmp_path / "out")
        named.settings = Settings(str(tmp_path / "model"))
        return run(named)

    done = again()
    path.write_bytes(before.replace(b"penicilina", b"bisoprolol") + b" ")  # it still loads
    with pytest.raises(CardionerError, match="the model changed"):
        again()
    path.write_bytes(before)
    assert again() == done


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize(
    "name",
    [
        *("jsonl/part-00000.jsonl", "jsonl/_errors.jsonl", "brat/part-00001"),
        *("brat/part-00001/n4.ann", "brat/part-00000/n0.txt"),
    ],
)
@pytest.mark.parametrize("change", ["deleted", "emptied", "changed", "one more file"])
def test_a_finished_part_that_changed_is_named(
    nlp: Language, notes: Path, tmp_path: Path, name: str, change: str, finished: bool
) -> None:
    out = tmp_path / "out"
    if finished:
        run(job(nlp, notes, out))
    else:
        stopped(nlp, notes, out)
    path = out / name
    if change == "deleted":
        remove(path)
    elif path.is_dir():
        (path / "more.txt").write_text("more")
    elif change == "emptied":
        path.write_bytes(b"")
    elif change == "changed":
        path.write_bytes(path.read_bytes().swapcase())
    else:
        path.with_name("more.txt").write_text("more")
    before = files(out)
    if "." in name and path.parent.parent == out and change == "one more file":
        assert run(job(nlp, notes, out)).notes == 9  # it is nobody's
        return
    named = "/".join(name.split("/")[:2])
    with pytest.raises(CardionerError, match=f"cannot be resumed: .*{named} was changed or remove"):
        run(job(nlp, notes, out))
    assert files(out) == before
    assert run(job(nlp, notes, out, resume=False, overwrite=True)).notes == 9


def test_a_run_that_was_moved_is_resumed(
    nlp: Language, notes: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    stopped(nlp, notes, tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "moved")
    run(job(nlp, notes, tmp_path / "moved"))
    assert files(tmp_path / "moved") == whole
    (tmp_path / "moved" / "brat").rename(tmp_path / "moved" / "other")
    with pytest.raises(CardionerError, match="brat/part-00000 was changed or removed"):
        run(job(nlp, notes, tmp_path / "moved"))


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("row", [1, 6])
def test_rows_of_a_table_that_changed_are_noticed(
    nlp: Language, tmp_path: Path, row: int, finished: bool
) -> None:
    pytest.importorskip("sqlalchemy", reason='needs "spacy_cardioner[sql]"')
    database = sqlite3.connect(tmp_path / "notes.db", isolation_level=None)
    database.execute("create table note (id integer, text text)")
    rows = [(i, None if i in (2, 9) else "Toma bisoprolol") for i in range(12)]
    database.executemany("insert into note values (?, ?)", rows)
    address = f"sqlite:///{tmp_path}/notes.db"

    def again(**options: Any) -> Counts:
        outputs = [Output(OutputFormat.jsonl, tmp_path / "out")]
        source = open_source(address)
        resumed = Job(source, Settings(nlp), outputs, part_size=4, resume=True, **options)
        return run(resumed)

    if finished:
        again()
    else:
        with pytest.raises(CardionerError, match="2 notes failed"):
            again(max_errors=1)
    database.execute("update note set text = 'No toma penicilina' where id = ?", (row,))
    with pytest.raises(CardionerError, match=f"the notes of part {row // 4} changed"):
        again()
    database.execute("update note set text = 'Toma bisoprolol' where id = ?", (row,))
    assert again() == Counts(notes=10, errors=2, mentions=10)
    written = [path.read_bytes() for path in sorted((tmp_path / "out").glob("part-*"))]
    ids = [json.loads(line)["id"] for part in written for line in part.splitlines()]
    assert ids == [str(i) for i, text in rows if text]


def test_a_note_that_a_pipeline_fails_on_is_the_same_note(nlp: Language, tmp_path: Path) -> None:
    """What is verified is what was read, not what became of it."""
    pytest.importorskip("sqlalchemy", reason='needs "spacy_cardioner[sql]"')

    @Language.component("fails")
    def fails(doc: Doc) -> Doc:
        if "penicilina" in doc.text:
            raise ValueError
        return doc

    failing = blank("es")
    failing.add_pipe("fails")
    with sqlite3.connect(tmp_path / "notes.db") as database:
        database.execute("create table note (id integer, text text)")
        rows = [(0, "bien"), (1, "penicilina"), (2, "bien")]
        database.executemany("insert into note values (?, ?)", rows)
    outputs = [Output(OutputFormat.jsonl, tmp_path / "out")]
    for _ in range(2):
        source = open_source(f"sqlite:///{tmp_path}/notes.db")
        again = Job(source, Settings(failing), outputs, part_size=2, resume=True)
        assert run(again) == Counts(notes=2, errors=1)


def test_rows_of_omop_are_numbered_over_the_parts(nlp: Language, tmp_path: Path) -> None:
    notes = tmp_path / "notes.csv"
    notes.write_text("note_id,note_text\n" + "".join(f"{i},Toma bisoprolol\n" for i in range(9)))
    out = tmp_path / "out.csv"
    outputs = [Output(OutputFormat.omop, out)]
    run(Job(open_source(str(notes)), Settings(nlp), outputs, part_size=4))
    lines = [line for path in sorted(out.glob("part-*")) for line in path.read_text().splitlines()]
    assert [line.split(",")[0] for line in lines if line[0].isdigit()] == list("123456789")


@pytest.mark.parametrize("part_size", [None, 2])
def test_a_note_that_a_folder_cannot_hold_is_in_no_output(
    nlp: Language, tmp_path: Path, part_size: int | None
) -> None:
    notes = tmp_path / "notes.jsonl"
    rows = [{"id": note_id, "text": "bien"} for note_id in ("a", "a.txt/b", "c")]
    notes.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    again = job(nlp, notes, tmp_path, part_size=part_size, resume=False)
    assert run(again) == Counts(notes=2, errors=1)
    path = tmp_path / "jsonl"
    lines = [path] if part_size is None else sorted(path.glob("part-*"))
    written = [json.loads(line)["id"] for one in lines for line in one.read_bytes().splitlines()]
    assert written == ["a", "c"]
    assert sorted(path.stem for path in (tmp_path / "brat").rglob("*.txt")) == ["a", "c"]


def test_a_run_without_notes_is_finished(nlp: Language, tmp_path: Path) -> None:
    notes = tmp_path / "notes.csv"
    notes.write_text("id,text\n")
    assert run(job(nlp, notes, tmp_path / "out")) == Counts()
    assert manifest(tmp_path / "out")["finished"]


class Nested(Source):
    """Notes, of which the second starts another run."""

    def __init__(self, other: Callable[[], object]) -> None:
        super().__init__("nested")
        self.other = other

    def after(self, count: int) -> Iterator[SourceNote]:
        yield SourceNote("a", "Toma bisoprolol")
        self.other()
        yield SourceNote("b", "Toma bisoprolol")

    def describe(self) -> dict[str, Any]:
        return {"input": self.name}


@pytest.mark.parametrize("part_size", [None, 1])
@pytest.mark.parametrize("kind", [OutputFormat.jsonl, OutputFormat.brat])
def test_a_second_run_into_the_same_output_is_refused(
    nlp: Language, notes: Path, tmp_path: Path, kind: OutputFormat, part_size: int | None
) -> None:
    refused = 0
    (tmp_path / "link").symlink_to(tmp_path / "out")

    def other() -> None:
        nonlocal refused
        for name in ("out", "link", "new/../out"):
            outputs = [Output(kind, tmp_path / "free"), Output(kind, tmp_path / name)]
            options: dict[str, Any] = {"part_size": part_size, "overwrite": True}
            second = Job(open_source(str(notes)), Settings(nlp), outputs, **options)
            with pytest.raises(CardionerError, match=f"process {os.getpid()} on .* is writing it"):
                run(second)
            refused += 1

    outputs = [Output(kind, tmp_path / "out")]
    first = Job(Nested(other), Settings(nlp, batch_size=1), outputs, part_size=part_size)
    assert run(first).notes == 2
    assert refused == 3
    assert not (tmp_path / "free").exists()
    found = [json.loads(path.read_bytes()) for path in (tmp_path / "out").glob("*.jsonl")]
    if part_size and kind is OutputFormat.jsonl:
        assert sorted(note["id"] for note in found) == ["a", "b"]
    assert not [*tmp_path.rglob("*.lock"), *tmp_path.rglob(".partial-*")]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that can fork")
def test_what_a_killed_run_left_is_removed_by_the_next(
    nlp: Language, notes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    again = job(nlp, notes, out, part_size=None, resume=False, overwrite=True)
    run(again)
    whole = files(out)
    number, status, left = 0, -signal.SIGKILL, 0
    while status == -signal.SIGKILL:
        number += 5
        status = killed_before_change(number, lambda: run(again))
        left += any(out.rglob(".partial-*"))
        assert run(again).notes == 9
        assert files(out) == whole
    assert left > 5


def test_a_part_is_on_the_disk_before_it_is_recorded(
    nlp: Language, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    flushed: set[int] = set()
    recorded = 0
    fsync, rename = os.fsync, Path.replace

    def noted(stream: int) -> None:
        flushed.add(os.fstat(stream).st_ino)
        fsync(stream)

    def renamed(path: Path, target: Path) -> Path:
        nonlocal recorded
        if target.name == "_manifest.json":
            recorded += 1
            written = [out, *out.rglob("*")]
            hidden = (".lock", "_manifest.json")
            lost = [path for path in written if path.stat().st_ino not in flushed]
            assert recorded == 1 or all(path.name in hidden for path in lost)
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(Path, "replace", renamed)
    run(job(nlp, notes, out))
    assert recorded == 5


def limited(size: int, work: Callable[[], object]) -> Callable[[], None]:
    """Work in a process that may write files of so many bytes at most."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        try:
            work()
        except OSError as error:
            os._exit(5 if error.errno == errno.EFBIG else 6)

    return limit


def test_a_file_that_cannot_grow_stops_a_run_that_can_be_resumed(
    nlp: Language, tmp_path: Path
) -> None:
    notes = write_notes(tmp_path / "notes.jsonl", 40)
    run(job(nlp, notes, tmp_path / "whole"))
    out = tmp_path / "out"
    size = (tmp_path / "whole/jsonl/_manifest.json").stat().st_size - 300
    assert in_child(limited(size, lambda: run(job(nlp, notes, out)))) == 5
    assert 0 < len(manifest(out)["parts"]) < 10
    assert not list(out.rglob(".partial-part-*"))
    run(job(nlp, notes, out))
    assert files(out) == files(tmp_path / "whole")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 100 kilobytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no `mount` here")
    if done.returncode:
        pytest.skip(f"a small tmpfs cannot be mounted: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_stops_a_run_that_can_be_resumed(
    nlp: Language, small_disk: Path, tmp_path: Path
) -> None:
    notes = write_notes(tmp_path / "notes.jsonl", 100)
    run(job(nlp, notes, tmp_path / "whole"))
    out = small_disk / "out"
    with pytest.raises(OSError) as caught:
        run(job(nlp, notes, out))
    assert caught.value.errno == errno.ENOSPC
    assert 0 < len(manifest(out)["parts"]) < 25
    assert not list(out.rglob(".partial-part-*"))
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    run(job(nlp, notes, out))
    assert files(out) == files(tmp_path / "whole")


def command(model: Path, notes: Path, out: Path, *options: str) -> list[str]:
    """One that writes every format in one pass."""
    arguments = [sys.executable, "-m", "spacy_cardioner", "annotate", str(notes), "-m", str(model)]
    for kind in OutputFormat:
        arguments += ["-o", str(out / kind.value), "-f", kind.value]
    return [*arguments, "--part-size", "30", "--resume", "--lenient", *options]


def written(out: Path, kind: OutputFormat) -> list[str]:
    """The ids of the notes in an output, in the order of its parts; in a table once a mention."""
    found: list[str] = []
    for part in sorted((out / kind.value).glob("part-*")):
        if kind is OutputFormat.brat:
            notes = list(brat.read_folder(part))
            assert all(note.annotated for note in notes)
            found += sorted((note.name for note in notes), key=int)
        elif kind is OutputFormat.parquet:
            found += pytest.importorskip("pyarrow.parquet").read_table(part)["note_id"].to_pylist()
        elif kind is OutputFormat.docbin:
            docs = DocBin().from_disk(part).get_docs(Vocab())
            found += [doc.user_data["note_id"] for doc in docs]
        elif kind is OutputFormat.html:
            found += re.findall("<h2>(.*)</h2>", part.read_text(encoding="utf-8"))
        elif kind is OutputFormat.jsonl:
            found += [json.loads(line)["id"] for line in part.read_bytes().splitlines()]
        else:
            column, sep = ("filename", "\t") if kind is OutputFormat.tsv else ("note_id", ",")
            with part.open(encoding="utf-8", newline="") as stream:
                found += [row[column] for row in csv.DictReader(stream, delimiter=sep)]
    return found


@pytest.mark.parametrize(
    "workers, kills",
    [("0", 2), pytest.param("0", 10, marks=SLOW), pytest.param("2", 10, marks=SLOW)],
)
def test_a_command_killed_at_random_moments_has_each_note_once(
    nlp: Language, tmp_path: Path, workers: str, kills: int
) -> None:
    pytest.importorskip("pyarrow", reason='needs "spacy_cardioner[parquet]"')
    count = 600 * kills
    nlp.to_disk(tmp_path / "model")
    notes = write_notes(tmp_path / "notes.jsonl", count, name="{}")
    out = tmp_path / "out"
    record = out / "jsonl" / "_manifest.json"
    again = command(tmp_path / "model", notes, out, "--workers", workers)
    moments = random.Random(7)
    done = 0
    for kill in range(kills):
        process = subprocess.Popen(again, stderr=subprocess.DEVNULL)
        if kill % 2:
            time.sleep(moments.uniform(0, 4))  # loading, most likely
        else:
            while process.poll() is None and (not record.exists() or parts(record) <= done):
                time.sleep(0.01)
            time.sleep(moments.uniform(0, 0.3))
        process.kill()
        assert process.wait() == -signal.SIGKILL, "it was done before it could be killed"
        done = parts(record)
    finished = subprocess.run(again, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    good = [i for i in range(count) if i % 7 != 3]
    once = [str(i) for i in good]
    each = [str(i) for i in good for _ in range(1 + i % 3)]
    tables = (OutputFormat.tsv, OutputFormat.parquet, OutputFormat.omop)
    for kind in OutputFormat:
        assert written(out, kind) == (each if kind in tables else once), kind
    errors = (out / "jsonl" / "_errors.jsonl").read_bytes().splitlines()
    assert [int(json.loads(line)["id"]) for line in errors] == sorted({*range(count)} - {*good})


def parts(record: Path) -> int:
    return len(json.loads(record.read_bytes())["parts"])


def test_ctrl_c_stops_a_run_in_good_order(nlp: Language, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason='needs "spacy_cardioner[parquet]"')
    nlp.to_disk(tmp_path / "model")
    notes = write_notes(tmp_path / "notes.jsonl", 20_000, name="{}")
    out = tmp_path / "out"
    record = out / "jsonl" / "_manifest.json"
    process = subprocess.Popen(
        command(tmp_path / "model", notes, out),
        stderr=subprocess.PIPE,
        text=True,
        # Background jobs of a shell, such as these tests may be, ignore Ctrl-C, as would the child.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.default_int_handler),
    )
    while process.poll() is None and (not record.exists() or not parts(record)):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "stopped; finished parts are kept, and --resume continues" in said
    assert "Traceback" not in said
    assert not list(out.rglob(".partial-*"))
    assert parts(record) > 0
