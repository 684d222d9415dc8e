"""``cardioner project`` on notes and their translations."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from spacy_cardioner import brat
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.spans import Entity
from tests.integration.test_cli_corpus import cardioner
from tests.tiny_encoder import save_tiny_encoder

# Mentions in brackets; | separates notes.
SPANISH = """El paciente refiere [dolor torácico] desde ayer. Toma {bisoprolol} 5 mg.
Se inicia {enoxaparina} 60 mg cada 12 horas.|Niega [fiebre] y niega [dolor torácico].
Toma {enoxaparina} 40 mg desde hoy.|Sin [fiebre]. Refiere [dolor abdominal] desde hoy."""
ENGLISH = """The patient reports [chest pain] since yesterday.
He takes {bisoprolol} 5 mg. {Enoxaparin} 60 mg every 12 hours is started.|Denies [fever] and denies
[chest pain]. He takes {enoxaparin} 40 mg since today.|No [fever]. He reports [abdominal pain] since
today."""
LABELS = {"[": "SINTOMA", "{": "FARMACO"}


def save(folder: Path, marked: str, annotated: bool = True) -> dict[str, list[Entity]]:
    """Write notes, and return their mentions."""
    saved = {}
    for number, note in enumerate(marked.split("|")):
        text, found = "", []
        for char in note:
            if char in LABELS:
                found.append((len(text), LABELS[char]))
            elif char in "]}":
                start, label = found.pop()
                found.append(Entity(start, len(text), label, text[start:]))  # type: ignore[arg-type]
            else:
                text += char
        made = brat.note_from_entities(f"case{number}", text, found)  # type: ignore[arg-type]
        made.annotated = annotated
        brat.write_note(made, folder)
        saved[made.name] = found
    return saved  # type: ignore[return-value]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    source, target = tmp_path / "es", tmp_path / "en"
    save(source, SPANISH)
    save(target, ENGLISH, annotated=False)
    return source, target, tmp_path / "out"


LANGS = ("--source-lang", "es", "--target-lang", "en")


def test_mentions_are_carried_and_scored(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    source, target, output = folders
    done = cardioner("project", source, target, "-o", output, *LANGS)
    assert done.exit_code == 0, done.output
    gold = save(tmp_path / "gold", ENGLISH)
    found = {note.name: brat.entities(note) for note in brat.read_folder(output)}
    total = sum(map(len, gold.values()))
    right = sum(len({*found[name]} & {*gold[name]}) for name in gold)
    assert right >= total - 1
    for txt in target.glob("*.txt"):
        assert (output / txt.name).read_bytes() == txt.read_bytes()
    scores = [
        float(line.split()[-1])
        for ann in output.glob("*.ann")
        for line in ann.read_text().splitlines()
        if line.startswith("A") and "\tScore " in line
    ]
    assert len(scores) == sum(map(len, found.values())) and all(0 < one <= 1 for one in scores)
    result = json.loads((output / "result.json").read_text())
    assert result["labels"]["SINTOMA"]["mentions"] == 5
    again = {path: path.read_bytes() for path in output.iterdir()}
    assert cardioner("project", source, target, "-o", output, *LANGS).output == done.output
    assert again == {path: path.read_bytes() for path in output.iterdir()}
    other = cardioner("project", source, target, "-o", output)
    assert isinstance(other.exception, CardionerError), "other settings"


def test_each_mention_that_is_not_carried_is_named_with_its_reason(
    folders: tuple[Path, Path, Path],
) -> None:
    source, target, output = folders
    (target / "case2.txt").unlink()
    (target / "case1.txt").write_text("")
    done = cardioner("project", source, target, "-o", output, *LANGS)
    assert done.exit_code == 0, done.output
    result = json.loads((output / "result.json").read_text())
    named = {(Path(one["file"]).name, one["reason"]) for one in result["not_carried"]}
    assert ("case2.ann", "no note of this name in the target") in named
    assert ("case1.ann", "its sentence has no translation") in named
    counts = result["labels"].values()
    assert sum(one["mentions"] - one["carried"] for one in counts) == len(result["not_carried"])
    assert not (output / "case2.txt").exists()
    for mention in ("dolor", "enoxaparina", "pain"):
        assert mention not in done.output + (output / "result.json").read_text()


def test_unsure_mentions_are_left_out_on_request(folders: tuple[Path, Path, Path]) -> None:
    source, target, output = folders
    done = cardioner("project", source, target, "-o", output, *LANGS, "--min-score", 1)
    assert done.exit_code == 0, done.output
    result = json.loads((output / "result.json").read_text())
    assert result["reasons"]["its score is too low"] > 0


def test_folders_without_a_common_name_are_an_error(folders: tuple[Path, Path, Path]) -> None:
    source, target, output = folders
    for number, txt in enumerate(target.glob("*.txt")):
        txt.rename(target / f"other{number}.txt")
    done = cardioner("project", source, target, "-o", output)
    assert isinstance(done.exception, CardionerError)
    assert "same file name" in str(done.exception)
    assert not output.exists() or not list(output.iterdir())


def test_an_encoder_adds_its_links(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    if not all(map(importlib.util.find_spec, ("torch", "transformers"))):
        pytest.skip("needs the extra trf")
    source, target, output = folders
    folder = tmp_path / "encoder"
    folder.mkdir()
    save_tiny_encoder(folder, [SPANISH, ENGLISH])
    words = ("project", source, target, "-o", output, *LANGS, "--encoder", folder)
    assert isinstance(cardioner(*words, "--layer", 3).exception, CardionerError)
    assert cardioner(*words, "--layer", 1).exit_code == 0
    plain = tmp_path / "plain"
    assert cardioner("project", source, target, "-o", plain, *LANGS).exit_code == 0
    scores = [
        json.loads((one / "result.json").read_text())["labels"]["SINTOMA"]["mean_score"]
        for one in (output, plain)
    ]
    assert scores[0] != scores[1]


def test_an_encoder_that_is_none_is_an_error(
    folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    if not all(map(importlib.util.find_spec, ("torch", "transformers"))):
        pytest.skip("needs the extra trf")
    source, target, output = folders
    (tmp_path / "empty").mkdir()
    done = cardioner("project", source, target, "-o", output, "--encoder", tmp_path / "empty")
    assert isinstance(done.exception, CardionerError)
    assert "cannot be loaded" in str(done.exception)
