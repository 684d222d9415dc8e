"""A service in a process of its own, and a pipeline that does what a text says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import ROOT

# A component as another package brings it.
OBEDIENT = """
import os, signal, time
from spacy.language import Language

@Language.factory("obedient")
def make(nlp, name):
    def obey(doc):
        words = doc.text.split()
        if "sleep" in words:
            time.sleep(float(words[words.index("sleep") + 1]))
        if "die" in words:
            os.kill(os.getpid(), signal.SIGKILL)
        if "raise" in words:
            raise ValueError(doc.text)
        return doc
    return obey
"""


def obedient_pipeline(folder: Path) -> Path:
    """Save a pipeline that finds "fiebre", in a folder beside one for PYTHONPATH."""
    info = folder / "site/obedient-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "site/obedient.py").write_text(OBEDIENT)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: obedient\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[spacy_factories]\nobedient = obedient:make\n")
    script = (
        "import spacy, sys; nlp = spacy.blank('es', meta={'name': 'obedient'});"
        "ruler = nlp.add_pipe('entity_ruler');"
        "ruler.add_patterns([{'label': 'X', 'pattern': 'fiebre'}]); nlp.add_pipe('obedient');"
        "nlp.to_disk(sys.argv[1])"
    )
    environment = with_site(folder)
    subprocess.run([sys.executable, "-c", script, folder / "model"], check=True, env=environment)
    return folder / "model"


def with_site(folder: Path) -> dict[str, str]:
    """The environment of a process that can load the pipeline."""
    path = [str(folder / "site"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}


class Served:
    """A service that runs. `log` is all that it printed."""

    def __init__(self, process: subprocess.Popen[bytes], printed: Path) -> None:
        self.process = process
        self.printed = printed
        self.url = ""

    @property
    def log(self) -> str:
        return self.printed.read_text(errors="replace")

    def wait(self) -> None:
        """Wait until it is ready."""
        while "ready: " not in self.log:
            assert self.process.poll() is None, self.log
            time.sleep(0.05)
        self.url = self.log.partition("ready: ")[2].split()[0]

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60, **options)

    def annotate(self, **body: Any) -> httpx.Response:
        with self.client() as client:
            return client.post("annotate", json=body)

    def metric(self, name: str) -> float:
        with self.client() as client:
            lines = client.get("metrics").text.splitlines()
        return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))

    def workers(self) -> list[int]:
        pid = self.process.pid
        tasks = Path(f"/proc/{pid}/task").glob("*/children")  # each thread has its own
        found = [int(child) for task in tasks for child in task.read_text().split()]
        return [
            child for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
        ]


@contextmanager
def served(
    folder: Path, models: Sequence[Path | str], *options: str, env: dict[str, str] | None = None
) -> Iterator[Served]:
    """Run `cardioner serve` on a free port."""
    printed = folder / f"log{time.monotonic_ns()}"
    command = [sys.executable, "-m", "spacy_cardioner", "serve", "--port", "0", *options]
    for model in models:
        command += ["--model", str(model)]
    with printed.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, env=env, cwd=folder)
    service = Served(process, printed)
    try:
        service.wait()
        yield service
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
        process.kill()
        process.wait()
