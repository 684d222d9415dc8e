"""Abbreviations that a text defines, and the script that lists them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_cardioner.gazetteer.definitions import definitions, long_form
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("con insuficiencia cardíaca (IC) leve", [("IC", "insuficiencia cardíaca")]),
        ("Ácido acetilsalicílico (AAS)", [("AAS", "Ácido acetilsalicílico")]),
        ("low molecular weight heparin (LMWH)", [("LMWH", "low molecular weight heparin")]),
        ("Hipertensión. Diabetes mellitus (DM)", [("DM", "Diabetes mellitus")]),
        ("ecocardiograma (ayer)", []),
        ("normal (IC)", []),
        ("(IC)", []),
        ("valor (5,6)", []),
        ("", []),
    ],
)
def test_abbreviations_are_found_with_their_long_forms(
    text: str, pairs: list[tuple[str, str]]
) -> None:
    assert list(definitions(text)) == pairs


@given(st.text(), st.text())
def test_a_long_form_is_an_end_of_the_text(short: str, text: str) -> None:
    found = long_form(short, text)
    assert found is None or " ".join(text.split()).endswith(found)


def test_the_script_counts_documents_and_names_what_is_new(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(
        "Insuficiencia cardíaca (IC).\nOtra insuficiencia cardiaca (IC). Nervio cuyo (NC).", "utf-8"
    )
    rows = ["insuficiencia cardíaca (IC)", "nervio cuyo (NC)", "solo una vez (SUV)"]
    lines = "".join(json.dumps({"text": text}) + "\n" for text in rows)
    (tmp_path / "b.jsonl").write_text(lines, "utf-8")
    (tmp_path / "c.ann").write_text("no text", "utf-8")

    script = ROOT / "assets/gazetteer/pairs.py"
    command = [sys.executable, str(script), "es", str(tmp_path)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert [line.lower().split("\t") for line in printed.splitlines()[1:]] == [
        ["ic", "insuficiencia cardíaca", "2", "yes"],
        ["nc", "nervio cuyo", "2", "no"],
    ]
