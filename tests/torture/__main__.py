"""Runs the trials and prints their table: ``python -m tests.torture``."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import date
from importlib.metadata import version
from pathlib import Path

from tests.torture import fuzz, kills, memory, threads
from tests.torture.trials import Promise, Tally, make_bench

SUBJECTS = {"threads": threads, "kills": kills, "fuzz": fuzz, "memory": memory}
WHEELS = Path(__file__).parents[2] / "assets/pipelines"
MODELS = ("es_cardioner", "en_cardioner", "it_cardioner", "xx_cardioner")
WITHOUT_RESULT = Promise("Trials that could not be made", "none")
PACKAGES = ("spacy_cardioner", "spacy", "thinc", "numpy", "pyarrow")


def main() -> int:
    """Run the trials. RETURNS (int): 1 if a promise did not hold."""
    parser = argparse.ArgumentParser(description="Kill, fuzz, thread and memory trials.")
    parser.add_argument("subjects", nargs="*", help=f"some of: {', '.join(SUBJECTS)} (all)")
    parser.add_argument("--scale", type=float, default=1, help="share of the trials (1)")
    parser.add_argument("--seed", type=int, default=0, help="number of the first trial (0)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # otherwise threads of BLAS compete for the cores
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    try:
        _install(folder / "site")
        bench = make_bench(folder, MODELS)
        tally = Tally()
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(options.jobs, mp_context=spawn) as pool:
            running = {
                pool.submit(task)
                for name in options.subjects or SUBJECTS
                for task in SUBJECTS[name].tasks(bench, options.scale, options.seed)
            }
            for number, done in enumerate(as_completed(running), 1):
                if error := done.exception():
                    tally.check(WITHOUT_RESULT, False, repr(error))
                else:
                    tally.add(done.result())
                print(f"\r{number} of {len(running)}", end="", file=sys.stderr, flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    broken = {promise: score for promise, score in tally.items() if score.failures}
    for promise, score in broken.items():
        print(f"\n{promise.trial}:", *score.failures[:20], sep="\n  ", file=sys.stderr)
    print(table(tally, (time.monotonic() - began) / 60, options.seed))
    return 1 if broken else 0


def table(tally: Tally, minutes: float, seed: int) -> str:
    """The results in Markdown, with the conditions below."""
    rows = [
        f"| {promise.trial} | {promise.promise} | {score.trials:,} | {score.held:,} |"
        for promise, score in sorted(tally.items())
    ]
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    conditions = (
        f"`make torture`, {date.today()}: {minutes:.0f} minutes, seed {seed}, {os.cpu_count()} "
        f"cores, Python {platform.python_version()}, {platform.system()}, {versions}."
    )
    head = "| Trial | Promise | Trials | Held |\n| --- | --- | ---: | ---: |"
    return "\n".join(["", head, *rows, "", conditions])


def _install(site: Path) -> None:
    """Install the pipelines of this checkout for all processes to come."""
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", site, "--find-links", WHEELS, *MODELS], check=True)
    # Processes of a pool get the path of this one, others that of the environment.
    sys.path.insert(0, str(site))
    os.environ["PYTHONPATH"] = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])


if __name__ == "__main__":
    sys.exit(main())
