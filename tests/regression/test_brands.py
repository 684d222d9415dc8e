"""The script that adds brands of registries to the drug list, and the count of those it knows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from spacy_cardioner.gazetteer.build import build
from spacy_cardioner.gazetteer.patterns import dump_patterns
from tests.conftest import ROOT

DATA = ROOT / "tests/data/gazetteer"
GAZETTEER = ROOT / "assets/gazetteer"
AIFA = [f"aifa={DATA / 'aifa_class_a.csv'}", f"aifa={DATA / 'aifa_equivalents.csv'}"]


def run(script: Path, *arguments: object) -> list[str]:
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the list, which the script has extended."""
    found = tmp_path_factory.mktemp("gazetteer")
    for name in ("extend.py", "drugs.tsv"):
        (found / name).write_bytes((GAZETTEER / name).read_bytes())
    added = run(found / "extend.py", "it", *AIFA)
    assert sorted(added) == ["A10AE04 insulfinta", "C07AB07 cardinventa", "C09DA03 valfinto"]
    return found


def test_new_brands_are_added_to_their_column(folder: Path) -> None:
    before = (GAZETTEER / "drugs.tsv").read_text("utf-8").splitlines()
    after = (folder / "drugs.tsv").read_text("utf-8").splitlines()

    assert after[1:] == sorted(after[1:])
    changed = [line.split("\t") for line in after if line not in before]
    assert [row[:2] for row in changed] == [
        ["A10AE04", "brand"],
        ["C07AB07", "brand"],
        ["C09DA03", "brand"],
    ]
    for row, name in zip(changed, ("Insulfinta", "Cardinventa", "Valfinto"), strict=True):
        assert row[4].endswith(f"|{name}")
        assert name not in row[2] + row[3]


def test_a_brand_is_added_once(folder: Path) -> None:
    assert run(folder / "extend.py", "it", *AIFA) == []


def test_the_benchmark_counts_brands_with_the_right_code(folder: Path) -> None:
    shares = []
    for table in (GAZETTEER / "drugs.tsv", folder / "drugs.tsv"):
        patterns = folder / "it.jsonl"
        patterns.write_text(dump_patterns(build([("own", table)], langs=["it"])), "utf-8")
        script = ROOT / "benchmarks/gazetteer_brands.py"
        shares.append(run(script, "--patterns", patterns, *AIFA)[-1])

    assert shares == [
        "| all | 3 | 0.0% | 100.0% | 0.0% |",
        "| all | 3 | 100.0% | 0.0% | 0.0% |",
    ]
