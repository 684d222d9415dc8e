"""Hostile inputs: standoff files, tables, notes, and the command line on some of the tables."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from spacy_cardioner import annotate, brat
from spacy_cardioner.batch.readers import open_source
from spacy_cardioner.batch.run import Job, run
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.batch.writers import Output, OutputFormat
from spacy_cardioner.errors import CardionerError
from tests.torture.trials import DRUG, SAMPLE, SECRET, Bench, Promise, Tally, Task, load, noisy

STANDOFF = Promise(
    "Damaged .txt and .ann files, read strictly and leniently",
    "read, or refused by an error without note text; each entity agrees with its text; strictly "
    "read files are written with the same bytes; leniently, each line is kept or reported",
)
TABLES = Promise(
    "Damaged tables (JSONL, CSV, TSV, Parquet, gzip), annotated in parts",
    "annotated, or refused by an error without note text or ids; each record counts once; an "
    "undamaged record is annotated, or the run says that it failed",
)
UNICODE = Promise(
    "Notes in hostile Unicode, in a batch",
    "mentions are the text at their offsets, also after writing to brat and reading back; a "
    "good note beside them gets its usual mentions",
)
LONG = Promise("Repetitive notes of 20,000 to 100,000 characters", "annotated within 30 s")
COMMAND = Promise(
    "Damaged tables through `cardioner annotate`",
    "status 0, 1 or 3, in agreement with what was written; no traceback, note text or id",
)
# What gets into files and tables.
NASTY = [
    *"\0 \r \n \t \" ' ; , | \\ { } [ = # \ufeff \u2028 \x85 \x0b \x1c \u202e \u200b \u0301".split(
        " "
    ),
    *'\r\n "" \x1b[2J 99999999999999999999 -1 1e400 NaN null T1\tX__0__5\t %s{0} ../x'.split(" "),
]
INVALID = [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xfe\xff", b"\x1f\x8b"]
VALUES: list[Any] = [
    *(None, "", "  ", 7, 1.5, float("nan"), True, [1], {"a": SECRET}, b"\xff\xfe", "x" * 100_000),
    *("\0" + SECRET, "\ud800", "../x", "a/b", "a", f"{SECRET}3", "a\tb", "a\nb", ".", "\x1b[2J"),
]
# What gets into notes: combining, right to left, invisible, wide, line ends, changing case.
FAULTY = ("\ud800", "\udfff", "\0")
HOSTILE = [
    *"\u0301 \u0323\u0307 \u202e \u2067 \u200f \u200b \u200d \u2060 \xad \ufe0f \ufeff \xa0".split(
        " "
    ),
    *"🫀 👩🏽‍⚕️ 𝒜 \U000e0041 \U0010ffff \ue000 \uffff İ ẞ ﬁ Ǆ ʼn ſ قلب לב 心不全 ไข้".split(" "),
    *"\r \r\n \n\n\n \x85 \u2028 \u2029 \x0b \x0c \x1c \x1f \x7f \t\t <b>&amp; Z̸̢̛͓".split(" "),
    *(" " * 30, "e\u0301" * 9, "a" * 300, "-" * 50, "1" * 40, *FAULTY),
]
# What long notes are made of.
PIECES = [
    *"a ? a/ 1 1,2; ( A. \n \t - 🫀 \u0301 \u200b mg/ á http://a.b/ a@b. ' 心".split(" "),
    *(" ", "no ", "infarto, ", f"{DRUG} ", f"{DRUG}/"),
]
RECORDS = 12
PER_TASK = 40


def tasks(bench: Bench, scale: float, seed: int) -> list[Task]:
    """At full scale 4,800 inputs."""
    counts: dict[Callable[[Bench, random.Random, Path], Outcome], int] = {
        standoff: 1600, tables: 1600, hostile: 1440, long: 80, command_line: 80,
    }  # fmt: skip
    return [
        partial(several, function, bench, range(seed + first, seed + min(first + PER_TASK, count)))
        for function, full in counts.items()
        for count in [max(1, round(full * scale))]
        for first in range(0, count, PER_TASK)
    ]


# A promise, and what contradicts it.
Outcome = tuple[Promise, list[str]]


def several(
    function: Callable[[Bench, random.Random, Path], Outcome], bench: Bench, seeds: range
) -> Tally:
    """Run a trial for each seed."""
    tally = Tally()
    for seed in seeds:
        name = f"{function.__name__} {seed}"
        with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
            promise, problems = function(bench, random.Random(name), Path(folder))
        tally.check(promise, not problems, f"{name}: {problems}")
    return tally


@contextmanager
def _refusals(problems: list[str]) -> Iterator[None]:
    """Note every error but one for people that tells no secret."""
    try:
        yield
    except CardionerError as error:
        if SECRET in str(error):
            problems.append(f"secret: {error}")
    except Exception as error:
        problems.append(f"{type(error).__name__}: {error}")


def _mutated(rng: random.Random, data: bytes, times: int) -> bytes:
    """Insert, replace, delete, double or flip something, or cut the end off."""
    for _ in range(times):
        at = rng.randrange(len(data) + 1)
        to = min(len(data), at + rng.choice([1, 1, 3, 30, 3000]))
        nasty = rng.choice([*INVALID, *map(str.encode, NASTY)])
        flipped = bytes(byte ^ 1 << rng.randrange(8) for byte in data[at : at + 1])
        new = rng.choice([b"", flipped, nasty, nasty, data[at:to] * 2])
        data = data[:at] + new + data[rng.choice([at, to]) :]
    return data[: rng.randrange(len(data) + 1)] if rng.random() < 0.1 else data


def standoff(bench: Bench, rng: random.Random, folder: Path) -> Outcome:
    """Read a damaged note."""
    source = rng.choice(sorted(SAMPLE.glob("track*/**/brat/*.txt")))
    text = source.read_bytes() + f"\n{SECRET}".encode()
    end = len(text.decode())
    lines = source.with_suffix(".ann").read_bytes().splitlines(keepends=True)
    lines.append(f"T99\tFARMACO {end - len(SECRET)} {end}\t{SECRET}\n".encode())
    for _ in range(rng.randint(0, 4)):
        index = rng.randrange(len(lines))
        lines[index] = _mutated(rng, lines[index], 1)
    ann = b"".join(rng.sample(lines, len(lines)))
    if rng.random() < 0.3:
        text = _mutated(rng, text, rng.randint(1, 3))
    files = {"note.txt": text, "note.ann": ann}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    changes: list[brat.Change] = []
    problems: list[str] = []
    for lenient in (False, True):
        with _refusals(problems):
            note = brat.read_note(folder / "note.txt", lenient=lenient, changes=changes)
            found = [one for how in HOW for one in brat.entities(note, discontinuous=how)]
            if any(note.text[one.start : one.end] != one.text for one in found):
                problems.append("offsets")
            brat.write_note(note, folder / "again")
            again = {name: (folder / "again" / name).read_bytes() for name in files}
            if not lenient and again != files:
                problems.append("other bytes")
            reported = sum(change.kind == "malformed" for change in changes)
            if len(note.lines) + reported != ann.count(b"\n") + (ann[-1:] not in (b"\n", b"")):
                problems.append("a line without a report")
    if any(SECRET in change.describe() for change in changes):
        problems.append("secret in a report")
    return STANDOFF, problems


HOW: tuple[brat.Discontinuous, ...] = ("first", "longest", "cover", "skip")


def damaged_table(rng: random.Random, folder: Path) -> tuple[Path, set[str]]:
    """Write a damaged table. RETURNS (tuple): The file, and the ids of records that are intact."""
    kind = rng.choice(["jsonl", "csv", "tsv", "parquet"])
    path = folder / f"notes.{kind}"
    rows: list[dict[str, Any]] = [
        {"id": f"{SECRET}{number}", "text": f"{SECRET}. {noisy(rng)}"} for number in range(RECORDS)
    ]
    damaged = rng.sample(range(RECORDS), rng.randint(1, 3))
    for number in damaged:
        rows[number][rng.choice(["id", "text"])] = rng.choice(VALUES)
    intact = {row["id"] for number, row in enumerate(rows) if number not in damaged}
    if kind == "parquet":
        _write_parquet(rng, path, rows)
    else:
        lines = [_line(row, kind) for row in rows]
        if kind == "jsonl" and rng.random() < 0.1:
            lines[damaged[0]] = b'{"id": 1, "id": 2, "text": "a", "text": "b"}\n'
        elif kind != "jsonl" and rng.random() < 0.2:  # a quote that is never closed
            lines[damaged[0]] = b'"' + lines[damaged[0]].replace(b'"', b"")
        elif rng.random() < 0.5:
            lines[damaged[0]] = _mutated(rng, lines[damaged[0]], 2).rstrip(b"\n") + b"\n"
        head = [] if kind == "jsonl" else [_line({"id": "id", "text": "text"}, kind)]
        path.write_bytes(b"".join(head + lines))
        if rng.random() < 0.2:
            path = folder / f"notes.{kind}.gz"
            path.write_bytes(gzip.compress((folder / f"notes.{kind}").read_bytes(), 1))
    if rng.random() < 0.25:
        path.write_bytes(_mutated(rng, path.read_bytes(), rng.randint(1, 3)))
        intact = set()
    return path, intact


def _line(row: dict[str, Any], kind: str) -> bytes:
    if kind == "jsonl":
        return json.dumps(row, default=repr).encode() + b"\n"
    stream = io.StringIO()
    delimiter = "," if kind == "csv" else "\t"
    csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerow(row.values())
    return stream.getvalue().encode("utf-8", "surrogatepass")


def _write_parquet(rng: random.Random, path: Path, rows: list[dict[str, Any]]) -> None:
    """Write columns of bytes, or of strings that may not be UTF-8, or of a dictionary."""
    import pyarrow as pa
    import pyarrow.parquet

    columns = {}
    for name in ("id", "text"):
        values = [row[name] for row in rows]
        data = [
            one
            if isinstance(one, bytes) or one is None
            else str(one).encode("utf-8", "surrogatepass")
            for one in values
        ]
        column = pa.array(data, pa.binary())
        view = pa.Array.from_buffers(pa.string(), len(column), column.buffers())
        columns[name] = rng.choice([column, view, view, column.dictionary_encode()])
    pa.parquet.write_table(pa.table(columns), path, row_group_size=5)


def tables(bench: Bench, rng: random.Random, folder: Path) -> Outcome:
    """Annotate a damaged table."""
    path, intact = damaged_table(rng, folder)
    kinds = [
        OutputFormat.jsonl,
        rng.choice([kind for kind in OutputFormat if kind.value != "omop"]),
    ]
    outputs = [Output(kind, folder / f"out{index}") for index, kind in enumerate(kinds)]
    problems: list[str] = []
    with _refusals(problems):
        model = load(bench.finder)
        counts = run(Job(open_source(str(path)), Settings(model), outputs, part_size=5))
        out = folder / "out0"
        notes = [json.loads(line) for part in out.glob("part-*") for line in part.open("rb")]
        errors = out / "_errors.jsonl"
        failed = [json.loads(line) for line in errors.open("rb")] if errors.exists() else []
        if (len(notes), len(failed)) != (counts.notes, counts.errors):
            problems.append(f"{len(notes)} notes, {len(failed)} failed, but {counts}")
        problems += [f"secret: {row}" for row in failed if SECRET in row["reason"]]
        lost = intact - {note["id"] for note in notes}
        # A quote without an end may hide the rest of a CSV file, and the run must say it.
        if lost and (not failed or path.suffix in (".jsonl", ".parquet")):
            problems.append(f"{len(lost)} intact records lost, {len(failed)} failed")
    return TABLES, [f"{path.name} {kinds[1].value}: {one}" for one in problems]


def hostile(bench: Bench, rng: random.Random, folder: Path) -> Outcome:
    """Annotate a note in hostile Unicode beside a good one."""
    model = rng.choice(bench.models)
    text, good = noisy(rng, model[:2]), noisy(random.Random(rng.randrange(8)), model[:2])
    used = rng.choices(HOSTILE, k=rng.randint(1, 12))
    for one in used:
        at = rng.randrange(len(text) + 1)
        text = text[:at] + one + text[at:]
    problems: list[str] = []
    with _refusals(problems):
        found, beside = annotate([text, good], load(model))
        (alone,) = annotate([good], load(model))
        if [one[:4] for one in beside.mentions] != [one[:4] for one in alone.mentions]:
            problems.append("the note beside it")
        entities = [mention.entity for mention in found.mentions]
        if any(text[one.start : one.end] != one.text for one in entities):
            problems.append("offsets")
        if bool(found.note.fault) != any(one in FAULTY for one in used):
            problems.append(f"fault {found.note.fault}")
        if not found.note.fault:
            brat.write_note(brat.note_from_entities("note", text, entities), folder)
            again = brat.read_note(folder / "note.txt")
            kept = [one[:4] for one in brat.entities(again)]
            if again.text != text or kept != [one[:4] for one in entities]:
                problems.append("brat")
    return UNICODE, [f"{model}: {one}" for one in problems]


def long(bench: Bench, rng: random.Random, folder: Path) -> Outcome:
    """Annotate a long note of few pieces."""
    pieces = rng.sample(PIECES, rng.randint(1, 3))
    size = rng.randint(20_000, 100_000)
    text = "".join(rng.choices(pieces, k=size))[:size]
    problems: list[str] = []
    with _refusals(problems):
        model = load(rng.choice(bench.models))
        began = time.monotonic()
        (found,) = annotate([text], model)
        took = time.monotonic() - began
        if took > 30 or any(text[one.start : one.end] != one.text for one in found.mentions):
            problems.append(f"{size} characters of {pieces}: {took:.0f} s")
    return LONG, problems


def command_line(bench: Bench, rng: random.Random, folder: Path) -> Outcome:
    """Annotate a damaged table in a process of its own."""
    path, intact = damaged_table(rng, folder)
    out = folder / "out.jsonl"
    command = [sys.executable, "-m", "spacy_cardioner", "annotate", path, "-m", bench.finder]
    done = subprocess.run([*command, "-o", out], capture_output=True, timeout=300)
    said = done.stderr.decode(errors="replace")
    problems = [word for word in (SECRET, "Traceback") if word in said]
    if done.returncode not in (0, 1, 3) or out.exists() == (done.returncode == 1):
        problems.append(f"status {done.returncode}, written: {out.exists()}")
    elif done.returncode == 0 and not intact <= {json.loads(one)["id"] for one in out.open("rb")}:
        problems.append("intact records lost, status 0")
    return COMMAND, [f"{path.name}: {one}" for one in problems]
