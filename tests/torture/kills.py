"""Runs that are killed, doubled or out of room. Each note must be written once, and correctly."""

from __future__ import annotations

import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from spacy.tokens import DocBin
from spacy.vocab import Vocab

from tests.torture.trials import Bench, Promise, Tally, Task, noisy

RESUMED = Promise(
    "Runs in parts (0 or 2 workers, 2 of 6 formats), stopped at random moments, then resumed",
    "every note once, the files of an undisturbed run, nothing else left",
)
STOPPED = Promise(
    "Stops: SIGKILL to the process, its group or a worker; SIGINT; SIGTERM",
    "its processes end within 20 s; no traceback",
)
DOUBLED = Promise(
    "Two runs into one output at once, in parts or not, half with Ctrl-C for one",
    "at most one ends with status 0, and an output is whole and correct",
)
FULL = Promise(
    "No room for the output (RLIMIT_FSIZE, /dev/full)",
    "status 1 without a traceback; an output is complete or absent; a run in parts can be resumed",
)
FORMATS = ("tsv", "parquet", "brat", "omop", "docbin")
STOPS = ("process", "group", "worker", "interrupt", "terminate")
NOTES = 120
PART_SIZE = 10
DONE = (0, 3)  # the exit statuses of a finished run
PATIENCE = 20.0
# Scores depend on the other notes of a batch in their last digits, and a resumed run has others.
SCORE = re.compile(r"\b[01]\.\d+(?:e-\d+)?")
# nlp_date and nlp_datetime of OMOP
TIME = re.compile(r'"[0-9-]{10}","[0-9-]{10}[ T][0-9:]{8}"')
Content = dict[str, str]  # the parts of an output by name


def tasks(bench: Bench, scale: float, seed: int) -> list[Task]:
    """At full scale: 32 runs with 2 to 4 stops each, 10 double runs, 12 without room."""
    counts = {resumed: 32, doubled: 10, full: 12}
    return [
        partial(function, bench, seed + number)
        for function, count in counts.items()
        for number in range(max(1, round(count * scale)))
    ]


def resumed(bench: Bench, seed: int, stops: Sequence[str] = ()) -> Tally:
    """Stop a run several times, by default in random ways; resume it to its end; compare."""
    rng = random.Random(f"resumed {seed}")
    notes, reference = _reference(bench)
    tally = Tally()
    with tempfile.TemporaryDirectory(dir=bench.folder) as name:
        out = Path(name)
        formats = ["jsonl", rng.choice(FORMATS)]
        workers = seed % 2 * 2
        again = partial(Run, bench, notes, out, formats, "--resume", workers=workers)
        ways = [way for way in STOPS if workers or way != "worker"]
        for stop in stops or rng.choices(ways, k=rng.randint(2, 4)):
            run = again()
            _wait_for_moment(rng, run, out)
            if run.poll() is None:
                run.stop(stop)
                status, said = run.end()
                strays = run.strays()
                right = status is not None and not strays and "Traceback" not in said
                tally.check(STOPPED, right, f"{stop} {seed}: {status} {strays} {said}")
        status, said = again().end()
        problems = _differences(reference, out, formats) + _leftovers(out)
        held = status in DONE and not problems
        tally.check(RESUMED, held, f"{seed} {formats}: {status} {problems} {said}")
    return tally


def doubled(bench: Bench, seed: int) -> Tally:
    """Start two runs into one output."""
    rng = random.Random(f"doubled {seed}")
    notes, reference = _reference(bench)
    kind = rng.choice(["jsonl", "tsv"])
    parts, stop = seed % 2 == 0, seed % 4 >= 2
    tally = Tally()
    with tempfile.TemporaryDirectory(dir=bench.folder) as name:
        out = Path(name)
        runs = [Run(bench, notes, out, [kind], parts=parts)]
        time.sleep(rng.uniform(0, 1))
        runs.append(Run(bench, notes, out, [f"./{kind}"], parts=parts))
        if stop:
            time.sleep(rng.uniform(0, 6))
            os.killpg(rng.choice(runs).pid, signal.SIGINT)
        ends = [run.end() for run in runs]
        won = sum(status in DONE for status, _ in ends)
        problems = _leftovers(out)
        if won and parts:
            problems += _differences(reference, out, [kind])
        elif won or (out / kind).exists() and not parts:
            # As a file, without the failed notes, and with one header instead of one in each part.
            *parts_of_it, last = (v for k, v in reference[kind].items() if k != "_errors.jsonl")
            head = last[: last.index("\n") + 1] if kind == "tsv" else ""
            whole = head + "".join(part.removeprefix(head) for part in [*parts_of_it, last])
            if _read(kind, out / kind) != whole:
                problems.append("the file is wrong")
        one = won == 1 or (stop and won == 0)
        quiet = not any("Traceback" in said for _, said in ends)
        tally.check(DOUBLED, one and quiet and not problems, f"{seed}: {problems} {ends}")
    return tally


def full(bench: Bench, seed: int) -> Tally:
    """Let the room end."""
    rng = random.Random(f"full {seed}")
    notes, reference = _reference(bench)
    formats = ["jsonl", rng.choice(FORMATS)]
    tally = Tally()
    with tempfile.TemporaryDirectory(dir=bench.folder) as name:
        out = Path(name)
        if seed % 6 == 5:
            Path(out, "jsonl").symlink_to("/dev/full")
            status, said = Run(bench, notes, out, ["jsonl"], parts=False).end()
            problems: list[str] = []
        else:
            parts = seed % 2 == 0
            start = partial(Run, bench, notes, out, formats, parts=parts)
            status, said = start(room=rng.randint(1500, 5000)).end()
            problems = _leftovers(out)
            if not parts and (out / "jsonl").exists():
                problems.append("a file without an end")
            if parts:
                start("--resume").end()
                problems += _differences(reference, out, formats)
        held = status == 1 and "Traceback" not in said and not problems
        tally.check(FULL, held, f"{seed} {formats}: {status} {problems} {said}")
    return tally


def _reference(bench: Bench) -> tuple[Path, dict[str, Content]]:
    """The notes, some of which fail, and what an undisturbed run writes in all formats."""
    notes, out = bench.folder / f"notes-{os.getpid()}.jsonl", bench.folder / f"whole-{os.getpid()}"
    kinds = ["jsonl", *FORMATS]
    if not notes.exists():
        rng = random.Random("notes")
        texts = [None if number % 17 == 5 else noisy(rng) for number in range(NOTES)]
        rows = [json.dumps({"id": 1000 + i, "text": text}) for i, text in enumerate(texts)]
        notes.write_text("\n".join(rows))
        status, said = Run(bench, notes, out, kinds).end()
        assert status == 3, said
    return notes, {kind: _content(kind, out / kind) for kind in kinds}


class Run(subprocess.Popen[bytes]):
    """`cardioner annotate` in a session of its own.

    room (int | None): Most bytes of a file that it may write.
    """

    def __init__(
        self,
        bench: Bench,
        notes: Path,
        out: Path,
        formats: Sequence[str],
        *more: str,
        workers: int = 0,
        parts: bool = True,
        room: int | None = None,
    ) -> None:
        def prepare() -> None:
            # Background jobs of a shell, such as these trials may be, ignore Ctrl-C.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if room is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

        command = [sys.executable, "-m", "spacy_cardioner", "annotate", str(notes), *more]
        command += ["-m", bench.models[0], "--workers", str(workers), "--batch-size", "8"]
        command += ["--part-size", str(PART_SIZE)] * parts
        for kind in formats:
            command += ["-o", kind, "-f", kind.rpartition("/")[2]]
        # A file and no pipe, which workers without a parent would keep open.
        self.said = tempfile.TemporaryFile()
        out.mkdir(exist_ok=True)
        options: dict[str, Any] = {"start_new_session": True, "preexec_fn": prepare}
        super().__init__(command, cwd=out, stdout=self.said, stderr=self.said, **options)

    def end(self) -> tuple[int | None, str]:
        """Wait for the end. RETURNS (tuple): The exit status, None if none came; the messages."""
        try:
            self.wait(300)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
        self.said.seek(0)
        return self.returncode, self.said.read().decode(errors="replace")[-500:]

    def stop(self, how: str) -> None:
        """Send a signal."""
        if how == "worker":
            workers = [pid for pid, line in self.processes().items() if "spawn_main" in line]
            for pid in workers[:1]:
                os.kill(pid, signal.SIGKILL)
        elif how in ("group", "interrupt"):
            os.killpg(self.pid, signal.SIGKILL if how == "group" else signal.SIGINT)
        else:
            self.send_signal(signal.SIGKILL if how == "process" else signal.SIGTERM)

    def processes(self) -> dict[int, str]:
        """The command lines of the processes of its session that have not ended."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                state, _, _, of = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
                command = (folder / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
            if int(of) == self.pid and state != "Z":
                found[int(folder.name)] = command
        return found

    def strays(self) -> dict[int, str]:
        """The processes that are still there after `PATIENCE`, which are then killed."""
        deadline = time.monotonic() + PATIENCE
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.1)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        return left


def _wait_for_moment(rng: random.Random, run: Run, out: Path) -> None:
    """Wait for a moment while the pipeline is loaded, or while one of the next parts is written."""
    ahead = rng.choice([None, 0, 1, 3])
    if ahead is None:
        # Before that, Python itself starts.
        time.sleep(rng.uniform(0.3, 5))
        return
    target = _parts(out) + ahead
    while run.poll() is None and _parts(out) < target:
        time.sleep(0.01)
    time.sleep(rng.uniform(0, 0.4))


def _parts(out: Path) -> int:
    record = out / "jsonl" / "_manifest.json"
    return len(json.loads(record.read_bytes())["parts"]) if record.exists() else 0


def _differences(reference: dict[str, Content], out: Path, kinds: Sequence[str]) -> list[str]:
    """In which formats an output differs, and the notes that it does not hold just once."""
    found = {kind: _content(kind, out / kind) for kind in kinds}
    wrong = [f"{kind} differs" for kind in kinds if found[kind] != reference[kind]]
    if "jsonl" in kinds:
        lines = "".join(found["jsonl"].values()).splitlines()
        ids = sorted(str(json.loads(line)["id"]) for line in lines)
        if ids != [str(1000 + number) for number in range(NOTES)]:
            wrong.append(f"{len(ids)} notes, {len(set(ids))} of them different")
    return wrong


def _leftovers(out: Path) -> list[str]:
    return [path.name for path in out.rglob(".*")] + [path.name for path in out.rglob("*lock*")]


def _content(kind: str, folder: Path) -> Content:
    """The files of an output, without its record."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    named = {str(path.relative_to(folder)): path for path in files if path.name != "_manifest.json"}
    if kind != "jsonl":  # the first output, which has the list of failed notes
        named.pop("_errors.jsonl", None)
    return {name: _read(kind, path) for name, path in named.items()}


def _read(kind: str, file: Path) -> str:
    """A file as text, without scores and the time of the run."""
    if file.suffix == ".parquet":
        import pyarrow.parquet

        text = json.dumps(pyarrow.parquet.read_table(file).to_pylist())
    elif file.suffix == ".spacy":
        docs = DocBin(store_user_data=True).from_disk(file).get_docs(Vocab())
        text = json.dumps([(doc.user_data["note_id"], doc.to_json()) for doc in docs])
    else:
        text = file.read_bytes().decode()
    return SCORE.sub("0", TIME.sub("", text) if kind == "omop" else text)
