"""Notes that cost time and memory, each in a process of its own."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.torture.trials import Bench, Promise, Tally, Task, noisy

COST = Promise(
    "Notes of one word, slashes, question marks, numbers, brackets, line ends (60,000 to 1,000,000 "
    "characters); of 30 MB in a small gzip; of 2,000,000 characters of text; 300 of 9.6 kB",
    "annotated, or skipped as too long, with at most 700 MB and within 120 s (the last two: 400 s)",
)


class Case(NamedTuple):
    """Notes, and the bounds of annotating them."""

    name: str
    texts: list[str]
    megabytes: int = 700
    seconds: int = 120


def cases() -> list[Case]:
    """All cases."""
    rng = random.Random("memory")
    long = [" ".join(noisy(rng) for _ in range(20))[:9600] for _ in range(30)]
    text = " ".join(long)
    return [
        Case("one word", ["a" * 1_000_000]),
        Case("slashes", ["a/" * 300_000]),
        Case("question marks", ["?" * 60_000]),
        Case("numbers", ["120/80 mmHg, 37,5; " * 15_000]),
        Case("brackets", ["(" * 200_000]),
        Case("combining", ["a" + "\u0301" * 300_000]),
        Case("line ends", ["\n" * 1_000_000 + "fin"]),
        Case("300 long notes", long * 10, seconds=240),
        Case("30 MB in a gzip", ["Toma bisoprolol.", (text * 120)[:30_000_000]]),
        Case("the longest note", [(text * 8)[:2_000_000]], seconds=400),
    ]


def tasks(bench: Bench, scale: float, seed: int) -> list[Task]:
    """All cases at any scale, the longest first."""
    return [partial(cost, bench, case) for case in reversed(cases())]


def cost(bench: Bench, case: Case) -> Tally:
    """Annotate and measure."""
    tally = Tally()
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        notes = Path(folder, "notes.jsonl.gz")
        with gzip.open(notes, "wt", compresslevel=1) as stream:
            for number, text in enumerate(case.texts):
                stream.write(json.dumps({"id": number, "text": text}) + "\n")
        command = [sys.executable, "-m", "spacy_cardioner", "annotate", str(notes)]
        command += ["-m", bench.models[0], "-o", str(Path(folder, "out.jsonl"))]
        began = time.monotonic()
        peak = 0
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(command, stderr=said)
            while process.poll() is None:
                peak = max(peak, _peak(process.pid))
                if time.monotonic() - began > case.seconds or peak > 3 * case.megabytes:
                    process.kill()
                time.sleep(0.05)
            took = time.monotonic() - began
        held = process.returncode in (0, 3) and peak <= case.megabytes and took <= case.seconds
        tally.check(COST, held, f"{case.name}: {process.returncode}, {peak} MB, {took:.0f} s")
    return tally


def _peak(pid: int) -> int:
    """The highest resident memory of a process so far, in MB."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) >> 10 for line in status.splitlines() if "VmHWM" in line), 0)
