"""What users of other tools reported on BRAT files: how their offsets and mentions are read."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from spacy_cardioner.brat import Change, entities, read_note, write_note
from spacy_cardioner.errors import CardionerError
from tests.conftest import ROOT

with (ROOT / "tests/data/reports/brat.tsv").open(encoding="utf-8", newline="") as stream:
    ROWS = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def unescaped(cell: str) -> str:
    text: str = json.loads(f'"{cell}"')
    return text


@pytest.mark.parametrize("row", ROWS, ids=[row["source"] for row in ROWS])
def test_files_of_other_tools(tmp_path: Path, row: dict[str, str]) -> None:
    txt, ann = (tmp_path / f"n.{ending}" for ending in ("txt", "ann"))
    for path in (txt, ann):
        path.write_bytes(unescaped(row[path.suffix[1:]]).encode())
    if row["message"]:
        with pytest.raises(CardionerError) as caught:
            read_note(txt)
        assert row["message"] in str(caught.value)
        assert "furosemid" not in str(caught.value)
        return
    changes: list[Change] = []
    note = read_note(txt, changes=changes)
    found = entities(note, changes=changes)
    assert "; ".join(f"{one.start} {one.end} {one.label}" for one in found) == row["found"]
    assert all(note.text[one.start : one.end] == one.text.strip() for one in found)
    counts = Counter(change.kind for change in changes)
    assert ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items())) == row["changes"]

    write_note(note, tmp_path / "again")
    for path in (txt, ann):
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()
