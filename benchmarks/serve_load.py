"""Measure `cardioner serve` under load against the pipeline itself, in one run.

Usage: python benchmarks/serve_load.py [NOTES_DIR] [--model es_cardioner] [--clients 32]
           [--workers 2] [--notes 256] [--words 300] [--rounds 3] [--kill] [--new-words 200000]

Each client sends a note, waits for the answer, and sends the next (httpx, one connection each). The
clients run on the cores of this machine too. The pipeline itself annotates the same notes as
`cardioner annotate` does, with as many worker processes, and both take turns. The share is that of
the median round: by the clock, where the clients count against the service if they have no core of
their own, and by CPU time, that of the processes of the service alone. Each answer of the service
must equal that of the pipeline: none may be lost or mixed up.

--kill ends a worker with SIGKILL in each round.
--new-words shows the memory of the workers while so many words that are all different pass.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx

from spacy_cardioner.batch.engine import Annotate, started
from spacy_cardioner.batch.readers import SourceNote, open_source
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.batch.writers.lines import JsonLines

ROOT = Path(__file__).parent.parent
WARM_UP = 64


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", default=str(ROOT / "assets/sample"))
    parser.add_argument("--model", "-m", default="es_cardioner")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--notes", type=int, default=256, help="of a round")
    parser.add_argument("--words", type=int, default=300, help="of a note")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--new-words", type=int, default=0)
    return parser.parse_args()


def make_notes(folder: str, number: int, words: int) -> list[SourceNote]:
    """Notes with so many words, cut from the texts of a folder, no two of them the same."""
    texts = [note.text for note in open_source(folder, recursive=True) if not note.fault]
    source = " ".join(texts).split(" ")
    rng = random.Random(0)
    starts = [rng.randrange(max(len(source) - words, 1)) for _ in range(number)]
    return [
        SourceNote(str(n), f"{n} " + " ".join(source[start : start + words - 1]))
        for n, start in enumerate(starts)
    ]


@contextmanager
def served(options: argparse.Namespace) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start the service. YIELDS: Its address and its process."""
    command = [sys.executable, "-m", "spacy_cardioner", "serve", "--port", "0"]
    command += ["--model", options.model, "--workers", str(options.workers)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        yield line.partition("ready: ")[2].strip(), process
    finally:
        process.terminate()
        process.wait()


def workers_of(pid: int) -> list[int]:
    """The worker processes that a process has started."""
    listed = [
        one
        for task in Path(f"/proc/{pid}/task").iterdir()
        for one in (task / "children").read_text().split()
    ]
    found = [int(pid) for pid in listed]
    return [pid for pid in found if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def cpu(pids: Sequence[int]) -> float:
    """The CPU seconds of processes."""
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in stats) / os.sysconf("SC_CLK_TCK")


def memory(pids: Sequence[int]) -> list[int]:
    """The resident memory of processes in MB."""
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids]
    return [each * os.sysconf("SC_PAGESIZE") // 2**20 for each in pages]


async def client(
    url: str, notes: Iterator[SourceNote], answers: dict[str, Any], seconds: list[float]
) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=120) as session:
        for note in notes:
            start = time.perf_counter()
            body = {"notes": [{"id": note.id, "text": note.text}], "lang": "es"}
            answer = await session.post("annotate", json=body)
            seconds.append(time.perf_counter() - start)
            assert answer.status_code == 200, answer.text
            [found] = answer.json()["notes"]
            assert found["id"] == note.id
            answers[note.id] = found["entities"]


async def load(
    url: str, notes: Sequence[SourceNote], clients: int, kill: int | None = None
) -> tuple[float, dict[str, Any], list[float]]:
    """Send the notes. RETURNS (tuple): Seconds for all, the answers, and seconds of each."""
    answers: dict[str, Any] = {}
    seconds: list[float] = []
    left = iter(notes)
    start = time.perf_counter()
    tasks = [asyncio.ensure_future(client(url, left, answers, seconds)) for _ in range(clients)]
    if kill is not None:
        await asyncio.sleep(1)
        os.kill(kill, signal.SIGKILL)
    await asyncio.gather(*tasks)
    return time.perf_counter() - start, answers, seconds


def alone(annotate: Annotate, notes: Sequence[SourceNote]) -> tuple[float, dict[str, Any]]:
    """Annotate as `cardioner annotate` does. RETURNS (tuple): Seconds, and the entities by id."""
    writer = JsonLines()
    start = time.perf_counter()
    lines = [writer.render(found) for found in annotate(notes)]
    seconds = time.perf_counter() - start
    rows = map(json.loads, lines)
    return seconds, {row["id"]: row["entities"] for row in rows}


def same(answers: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether both have the same notes with the same entities. Scores depend on the batch."""

    def plain(entities: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
        fields = ("start", "end", "label", "text", "kb_id")
        return [tuple(entity.get(name, "") for name in fields) for entity in entities]

    return {k: plain(v) for k, v in answers.items()} == {k: plain(v) for k, v in expected.items()}


def main() -> None:
    options = arguments()
    # Other notes in each round: a worker is faster with a note that it had before.
    every = make_notes(options.folder, options.notes * options.rounds + WARM_UP, options.words)
    warm_up = every[:WARM_UP]
    settings = Settings(options.model, workers=options.workers)
    shares, of_cpu, latencies = [], [], []
    with served(options) as (url, process), started(settings) as (annotate, _):
        alone(annotate, warm_up)
        asyncio.run(load(url, warm_up, options.clients))
        for start in range(WARM_UP, len(every), options.notes):
            notes = every[start : start + options.notes]
            words = sum(len(note.text.split()) for note in notes)
            ours = [os.getpid(), *workers_of(os.getpid())]
            before = cpu(ours)
            seconds, expected = alone(annotate, notes)
            used = cpu(ours) - before
            theirs = [process.pid, *workers_of(process.pid)]
            victim = theirs[1] if options.kill else None
            before, first, clients = cpu(theirs), cpu(theirs[:1]), time.process_time()
            taken, answers, each = asyncio.run(load(url, notes, options.clients, victim))
            clients = time.process_time() - clients
            print(f"pipeline {words / seconds:,.0f} words/s, service {words / taken:,.0f} words/s")
            if not options.kill:
                served_in = cpu(theirs) - before
                main = cpu(theirs[:1]) - first
                of_cpu.append(used / served_in)
                print(
                    f"  CPU: pipeline {used:.1f} s, service {served_in:.1f} s, "
                    f"of them {main:.1f} s without the workers"
                )
            print(f"  CPU of the clients: {clients:.1f} s")
            print(f"  answers: {len(answers)} of {len(notes)}, same: {same(answers, expected)}")
            shares.append(seconds / taken)
            latencies += each
        print(f"share by the clock: {median(shares):.0%} ({spread(shares)})")
        if of_cpu:
            print(f"share by CPU time: {median(of_cpu):.0%} ({spread(of_cpu)})")
        cuts = quantiles(latencies, n=100)
        print(
            f"{options.clients} clients: p50 {cuts[49] * 1e3:.0f} ms, p99 {cuts[98] * 1e3:.0f} ms"
        )
        _, _, single = asyncio.run(load(url, warm_up, 1))
        cuts = quantiles(single, n=100)
        print(f"1 client: p50 {cuts[49] * 1e3:.0f} ms, p99 {cuts[98] * 1e3:.0f} ms")
        if options.new_words:
            show_memory(url, process, options)


def spread(values: Sequence[float]) -> str:
    return ", ".join(f"{one:.0%}" for one in values)


def show_memory(url: str, process: subprocess.Popen[str], options: argparse.Namespace) -> None:
    """Send words that are all different, and print the memory of the processes now and then."""
    pids = [process.pid, *workers_of(process.pid)]
    print("new words  memory of the service and its workers (MB)")
    print(f"{0:9}  {memory(pids)}")
    sent, step = 0, options.new_words // 10
    while sent < options.new_words:
        batch = [
            SourceNote(str(n), " ".join(f"palabra{n + i:x}z" for i in range(options.words)))
            for n in range(sent, sent + step, options.words)
        ]
        asyncio.run(load(url, batch, options.clients))
        sent += step
        print(f"{sent:9}  {memory(pids)}")


if __name__ == "__main__":
    main()
