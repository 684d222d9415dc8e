"""A registry's file of a gigabyte: read as it comes, and refused as clearly as a small one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

DATA = ROOT / "tests/data" / "gazetteer" / "cima"
SIZE = 1 << 30
# Runs the command line and says what memory it took at most, in MB.
MEASURED = """
import resource, sys
from spacy_cardioner.cli import main
try:
    main()
finally:
    unit = 2**20 if sys.platform == "darwin" else 2**10
    print("MB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit)
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CIMA's nomenclator, whose entries are padded by what real ones hold and nobody reads."""
    folder = tmp_path_factory.mktemp("registry")
    shutil.copytree(DATA, folder, dirs_exist_ok=True)
    path = folder / "Prescripcion.xml"
    whole = path.read_bytes()
    start, end = whole.index(b"<prescription>"), whole.index(b"</prescription>")
    padding = b"".join(
        b"<url%d>https://example.org/documentos/ficha/%060d.html</url%d>" % (number, number, number)
        for number in range(45)
    )
    count = 0
    with path.open("wb") as stream:
        stream.write(whole[:start])
        while stream.tell() < SIZE:
            entry = whole[start:end].replace(b"900001", b"%09d" % count)
            stream.write(entry + padding + b"</prescription>\n")
            count += 1
        stream.write(b"</aemps_prescripcion>")
    return path


def build(registry: Path, output: Path) -> tuple[int, str, int]:
    """RETURNS (tuple): Exit status, standard error, and the memory in MB."""
    command = [sys.executable, "-c", MEASURED, "gazetteer", "build", str(registry), "-o"]
    done = subprocess.run([*command, str(output)], capture_output=True, text=True)
    return done.returncode, done.stderr, int(done.stdout.split("MB")[-1])


def test_it_is_streamed(registry: Path, tmp_path: Path) -> None:
    status, _, megabytes = build(registry, tmp_path / "es.jsonl")
    assert status == 0
    assert (tmp_path / "es.jsonl").stat().st_size
    assert megabytes < 500


def test_a_truncated_one_is_named_and_nothing_is_written(registry: Path, tmp_path: Path) -> None:
    with registry.open("r+b") as stream:
        stream.truncate(SIZE - 1000)
    status, error, megabytes = build(registry, tmp_path / "es.jsonl")
    assert status == 1
    assert "Prescripcion.xml" in error
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())
    assert megabytes < 500
