"""Inputs that people reported, of this and other tools: what `annotate` makes of each.

Each line of `inputs.tsv` is a file, what is given with it, the exit status and a part of what is
printed. "fails" is a known fault that remains.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import spacy
from click.testing import CliRunner
from typer.main import get_command

from spacy_cardioner.cli import app
from spacy_cardioner.errors import CardionerError
from tests.conftest import ROOT

with (ROOT / "tests/data/reports/inputs.tsv").open(encoding="utf-8", newline="") as stream:
    ROWS = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    nlp = spacy.blank("es")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "FARMACO", "pattern": "bisoprolol"}])
    path = tmp_path_factory.mktemp("pipelines") / "es_test"
    nlp.to_disk(path)
    return str(path)


def read(value: str) -> str:
    return value.encode("latin-1").decode("unicode_escape")


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=f"{n}-{row['source']}") for n, row in enumerate(ROWS, 2)]
)
def test_inputs(
    row: dict[str, str], model: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if row["status"] == "fails":
        request.applymarker(pytest.mark.xfail(strict=True))
    content = read(row["content"]).encode("latin-1")
    source = "-"
    if row["file"] != "-":
        (tmp_path / row["file"]).write_bytes(content)
        source = str(tmp_path / row["file"])
    arguments = ["annotate", source, "-m", model, *map(read, row["options"].split())]
    result = CliRunner().invoke(get_command(app), arguments, input=content)
    assert result.exception is None or isinstance(result.exception, (CardionerError, SystemExit))
    printed = f"{result.stdout}\n{result.stderr}\n{result.exception}"
    assert read(row["expected"]) in printed
    assert result.exit_code == int(row["exit"]), printed
