"""The pipelines in assets/pipelines, as they are installed and used."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PIPES, RERANKED, ROOT

WHEELS = ROOT / "assets/pipelines"
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


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all wheels installed, apart from the environment."""
    folder = tmp_path_factory.mktemp("installed")
    names = [f"{lang}_cardioner" for lang in EXPECTED]
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", folder, "--find-links", WHEELS, *names], check=True)
    return folder


def run(code: str, installed: Path, folder: Path) -> str:
    """Run Python code that can import the installed pipelines, in another process."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(installed)!r})\n{code}"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


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
def test_a_pipeline_finds_codes_and_probabilities(
    lang: str, installed: Path, tmp_path: Path
) -> None:
    text, expected = EXPECTED[lang]
    code = (
        "import json, spacy\n"
        f"nlp = spacy.load({lang + '_cardioner'!r})\n"
        f"doc = nlp({text!r})\n"
        "print(json.dumps([[ent.text, ent.label_, ent.kb_id_, ent._.score] for ent in doc.ents]))\n"
    )
    found = json.loads(run(code, installed, tmp_path))
    assert {text: (label, kb_id) for text, label, kb_id, _ in found} == expected
    assert all(0.5 <= score <= 1 for *_, score in found)


SNIPPETS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_the_readme_runs_and_prints_what_it_says(
    snippet: str, installed: Path, tmp_path: Path
) -> None:
    """Comment lines that end a snippet are its output."""
    if "medspacy" in snippet or "cardioner_context" in snippet:
        pytest.importorskip("medspacy", reason="medspaCy cannot be installed on this Python")
    said = [line[2:] for line in snippet.splitlines() if line.startswith("# ")]
    printed = run(snippet, installed, tmp_path).splitlines()
    assert [" ".join(line.split()) for line in printed] == [" ".join(line.split()) for line in said]
