"""The model card of a pipeline, and its wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import srsly
from packaging.requirements import Requirement

from spacy_cardioner.errors import CardionerError, reason
from spacy_cardioner.files import checksum, versions, whole_file, write_texts
from spacy_cardioner.layout import languages_of
from spacy_cardioner.texts import read_json

FIGURES = {"p": "precision", "r": "recall", "f": "f1"}


def make_card(
    template: Path, metrics: Path | None, lang: str, name: str = "cardioner"
) -> dict[str, Any]:
    """Join the description of the data with measured scores.

    template (Path): JSON with description, author, license and sources, as in spaCy's meta.json.
        A text may be given per language, as ``{"es": ..., "en": ...}``. A source with
        ``"languages": ["es"]`` is left out for other languages.
    metrics (Path | None): Folder with ``LABEL_LANG.json`` files of `cardioner evaluate --corpus`.
    RETURNS (dict): The meta data. ``performance`` has strict scores from 0 to 1, per label
        (``ents_per_type``) and one by one (``FARMACO_es_f``), as spaCy prints them. The versions of
        spaCy are those of this package, not only the one that runs.
    RAISES (CardionerError): A file is missing or malformed.
    """
    card = read_json(template)
    for key, value in card.items():
        if isinstance(value, dict):
            if lang not in value:
                known = ", ".join(value)
                raise CardionerError(f"{template}: has texts for {known}, but not for '{lang}'")
            card[key] = value[lang]
    card["sources"] = [
        {key: value for key, value in source.items() if key != "languages"}
        for source in card.get("sources", ())
        if lang in source.get("languages", (lang,))
    ]
    scores = _scores(metrics, lang) if metrics else {}
    needs = map(Requirement, requires("spacy_cardioner") or ())
    spacy_version = next(str(need.specifier) for need in needs if need.name == "spacy")
    return {
        **card,
        "name": name,
        "spacy_version": spacy_version,
        "requirements": [f"spacy{spacy_version}"],
        "performance": scores,
        "trained_with": versions(),
    }


def package(
    model: Path, template: Path, metrics: Path | None, lang: str, version: str, output: Path
) -> Path:
    """Build the wheel of a pipeline with `spacy package`.

    template, metrics, lang: As for `make_card`.
    output (Path): Folder of the wheel, see `deliver`.
    RAISES (CardionerError): The pipeline or a file of the card is missing or malformed.
    """
    pipes = read_json(model / "meta.json").get("pipeline", ())
    name = "cardioner_trf" if any("transformer" in pipe for pipe in pipes) else "cardioner"
    with tempfile.TemporaryDirectory() as folder:
        meta_path = Path(folder) / "meta.json"
        srsly.write_json(meta_path, make_card(template, metrics, lang, name))
        command = [sys.executable, "-m", "spacy", "package", str(model), folder]
        command += ["--meta-path", str(meta_path), "--version", version, "--build", "wheel"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            lines = (done.stdout + done.stderr).splitlines()
            raise CardionerError(f"{model}: spacy package failed:", *lines)
        (built,) = Path(folder).glob("*/dist/*.whl")
        return deliver(built, output)


def deliver(wheel: Path, folder: Path) -> Path:
    """Copy a wheel to a folder, which is created, and list it in ``requirements.txt`` there.

    `pip install -r` then installs the listed wheels of this folder, if their checksums are right.

    RETURNS (Path): The copy.
    """
    path = folder / wheel.name
    with wheel.open("rb") as stream, whole_file(path) as copied:
        shutil.copyfileobj(stream, copied)
    name, version, *_ = wheel.name.split("-")
    listed = folder / "requirements.txt"
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.exists() else []
    others = [line for line in lines if "==" in line and not line.startswith(f"{name}==")]
    wheels = sorted([*others, f"{name}=={version} --hash=sha256:{checksum(path)}"])
    write_texts({listed: "\n".join(["--no-index", "--find-links .", *wheels, ""])})
    return path


def _scores(metrics: Path, lang: str) -> dict[str, Any]:
    scores: dict[str, Any] = {}
    per_type: dict[str, dict[str, float]] = {}
    for source in languages_of(lang):
        for path in sorted(metrics.glob(f"*_{source}.json")):
            try:
                found = {
                    label: {short: figures[long] for short, long in FIGURES.items()}
                    for label, figures in read_json(path)["strict"]["labels"].items()
                }
            except (KeyError, TypeError, AttributeError) as error:
                raise CardionerError(
                    f"{path}: not a result of `cardioner evaluate` ({reason(error)})"
                ) from error
            for label, figures in found.items():
                per_type[label if label not in per_type else f"{label} ({source})"] = figures
                scores |= {f"{label}_{source}_{short}": f for short, f in figures.items()}
    return {**scores, "ents_per_type": per_type} if per_type else {}
