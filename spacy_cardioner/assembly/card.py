"""The model card of a pipeline, and its wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import srsly

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.files import versions
from spacy_cardioner.layout import languages_of

FIGURES = {"p": "precision", "r": "recall", "f": "f1"}
REQUIREMENTS = "requirements.txt"


def make_card(
    template: Path, metrics: Path | None, lang: str, name: str = "cardioner"
) -> dict[str, Any]:
    """Join the description of the data with measured scores.

    template (Path): JSON with description, author, license and sources, as in spaCy's meta.json.
        A text may be given per language, as ``{"es": ..., "en": ...}``. A source with
        ``"languages": ["es"]`` is left out for other languages.
    metrics (Path | None): Folder with ``LABEL_LANG.json`` files, as `cardioner evaluate --corpus`
        writes them. Those of the pipeline's languages are used.
    lang (str): Language of the pipeline.
    name (str): Name of the package, without the language.
    RETURNS (dict): The meta data. ``performance`` has strict scores from 0 to 1, per label
        (``ents_per_type``) and one by one (``FARMACO_es_f``), as spaCy prints them.
    RAISES (CardionerError): A file is missing or malformed.
    """
    card = {key: _in_language(value, lang, template) for key, value in _read(template).items()}
    card["sources"] = [
        {key: value for key, value in source.items() if key != "languages"}
        for source in card.get("sources", ())
        if lang in source.get("languages", (lang,))
    ]
    scores = _scores(metrics, lang) if metrics else {}
    return {**card, "name": name, "performance": scores, "trained_with": versions()}


def package(
    model: Path, template: Path, metrics: Path | None, lang: str, version: str, output: Path
) -> Path:
    """Build the wheel of a pipeline with `spacy package`.

    model (Path): Folder of the pipeline.
    template, metrics, lang: As for `make_card`.
    version (str): Version of the package.
    output (Path): Folder of the wheel. ``requirements.txt`` in it names the wheel.
    RETURNS (Path): The wheel.
    RAISES (CardionerError): The pipeline or a file of the card is missing or malformed.
    """
    meta = _read(model / "meta.json")
    transformer = any("transformer" in pipe for pipe in meta.get("pipeline", ()))
    card = make_card(template, metrics, lang, "cardioner_trf" if transformer else "cardioner")
    with tempfile.TemporaryDirectory() as folder:
        meta_path = Path(folder) / "meta.json"
        srsly.write_json(meta_path, card)
        _run_spacy_package(model, Path(folder), meta_path, version)
        (built,) = Path(folder).glob("*/dist/*.whl")
        output.mkdir(parents=True, exist_ok=True)
        wheel = Path(shutil.copy(built, output))
    (output / REQUIREMENTS).write_text(f"{wheel.as_posix()}\n", encoding="utf-8")
    return wheel


def _run_spacy_package(model: Path, folder: Path, meta_path: Path, version: str) -> None:
    """Run `spacy package`, without the output of the tools that it calls."""
    command = [sys.executable, "-m", "spacy", "package", str(model), str(folder)]
    command += ["--meta-path", str(meta_path), "--version", version, "--build", "wheel"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise CardionerError(f"{model}: spacy package failed:\n{done.stdout}{done.stderr}")


def _scores(metrics: Path, lang: str) -> dict[str, Any]:
    scores: dict[str, Any] = {}
    per_type: dict[str, dict[str, float]] = {}
    for source in languages_of(lang):
        for path in sorted(metrics.glob(f"*_{source}.json")):
            try:
                labels = _read(path)["strict"]["labels"].items()
                found = {
                    label: {short: figures[long] for short, long in FIGURES.items()}
                    for label, figures in labels
                }
            except (KeyError, TypeError, AttributeError) as error:
                raise CardionerError(
                    f"{path}: not a result of `cardioner evaluate` (it lacks {error})"
                ) from error
            for label, figures in found.items():
                per_type[label if label not in per_type else f"{label} ({source})"] = figures
                scores |= {f"{label}_{source}_{short}": f for short, f in figures.items()}
    return {**scores, "ents_per_type": per_type} if per_type else {}


def _in_language(value: Any, lang: str, template: Path) -> Any:
    if not isinstance(value, dict):
        return value
    if lang not in value:
        raise CardionerError(f"{template}: has texts for {', '.join(value)}, but not for '{lang}'")
    return value[lang]


def _read(path: Path) -> dict[str, Any]:
    try:
        data: dict[str, Any] = srsly.read_json(path)
    except (OSError, ValueError) as error:
        raise CardionerError(f"{path}: cannot be read as JSON ({error})") from error
    return data
