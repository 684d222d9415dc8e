"""The pipelines in assets/pipelines, as they are installed and used."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PIPES, RERANKED
from tests.integration.conftest import WHEELS, RunPython

MAX_MEGABYTES = 12
# A sentence; what is found in it, with the code of each drug.
EXPECTED: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {
    "es": (
        "Paciente con fibrilación auricular en tratamiento con bisoprolol 2,5 mg y apixabán.",
        {
            "fibrilación auricular": ("ENFERMEDAD", ""),
            "bisoprolol": ("FARMACO", "C07AB07"),
            "apixabán": ("FARMACO", "B01AF02"),
        },
    ),
    "en": (
        "He was discharged on furosemide 40 mg and carvedilol.",
        {"furosemide": ("FARMACO", "C03CA01"), "carvedilol": ("FARMACO", "C07AG02")},
    ),
    "it": (
        "In terapia con ramipril 5 mg e warfarin.",
        {"ramipril": ("FARMACO", "C09AA05"), "warfarin": ("FARMACO", "B01AA03")},
    ),
}
EXPECTED["xx"] = EXPECTED["es"]


@pytest.mark.parametrize("lang", EXPECTED)
def test_a_wheel_is_small_and_says_what_it_is(lang: str, installed: Path) -> None:
    (wheel,) = WHEELS.glob(f"{lang}_cardioner-*.whl")
    assert wheel.stat().st_size <= MAX_MEGABYTES * 1_000_000
    meta: dict[str, Any] = json.loads((installed / f"{lang}_cardioner/meta.json").read_text())
    assert meta["pipeline"] == (RERANKED if "ENFERMEDAD" in meta["labels"]["ner"] else PIPES)
    assert meta["license"] == "CC BY-SA 4.0"
    assert any("10.5281/zenodo.10948354" in source.get("url", "") for source in meta["sources"])
    assert "Intended use" in meta["notes"]
    assert meta["performance"]["ents_per_type"]
    # The card that people read says the same.
    (readme,) = (installed / f"{lang}_cardioner").glob("*/README.md")
    card = readme.read_text()
    assert all(f"`{pipe}`" in card for pipe in meta["pipeline"])
    assert meta["notes"].strip() in card
    assert re.search(rf"`FARMACO_{'ES' if lang == 'xx' else lang.upper()}_F` \| 9\d\.\d+", card)
    assert not any("transformers" in need or "torch" in need for need in meta["requirements"])


@pytest.mark.parametrize("lang", EXPECTED)
def test_a_pipeline_finds_codes_and_probabilities(lang: str, run_python: RunPython) -> None:
    text, expected = EXPECTED[lang]
    code = (
        "import json, spacy\n"
        f"nlp = spacy.load({lang + '_cardioner'!r})\n"
        f"doc = nlp({text!r})\n"
        "print(json.dumps([[ent.text, ent.label_, ent.kb_id_, ent._.score] for ent in doc.ents]))\n"
    )
    found = json.loads(run_python(code))
    assert {text: (label, kb_id) for text, label, kb_id, _ in found} == expected
    assert all(0.5 <= score <= 1 for *_, score in found)
