"""The model card of a packaged pipeline: the meta data that `spacy package` puts into it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import srsly

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.files import versions

FIGURES = {"p": "precision", "r": "recall", "f": "f1"}


def make_card(
    template: Path, metrics: Iterable[tuple[str, Path]], lang: str | None = None
) -> dict[str, Any]:
    """Join what is said of the data with the scores that were measured.

    template (Path): JSON with description, author, licence and sources, as in spaCy's meta.json.
        A text may be given for each language, as `{"es": ..., "en": ...}`; a source with
        `"languages": ["es"]` is one of these languages' alone.
    metrics (Iterable[tuple[str, Path]]): Results of `cardioner evaluate -o`, each with the name of
        what it was measured on, such as the language of the notes.
    lang (Optional[str]): The pipeline's language, for what the template says of it alone.
    RETURNS (dict): The meta data; ``performance`` has strict figures from 0 to 1, for each label
        (``ents_per_type``) and one by one (``FARMACO_es_f``), as spaCy prints them.
    RAISES (CardionerError): A file is missing or is not of that kind.
    """
    card = {key: _in_language(value, lang, template) for key, value in _read(template).items()}
    card["sources"] = [
        {key: value for key, value in source.items() if key != "languages"}
        for source in card.get("sources", ())
        if lang in source.get("languages", (lang,))
    ]
    performance: dict[str, Any] = {}
    per_type: dict[str, dict[str, float]] = {}
    for name, path in metrics:
        report = _read(path)
        try:
            for label, scores in report["strict"]["labels"].items():
                key = label if label not in per_type else f"{label} ({name})"
                found = {short: scores[long] for short, long in FIGURES.items()}
                per_type[key] = found
                performance |= {f"{label}_{name}_{short}": f for short, f in found.items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise CardionerError(
                f"{path}: no result of `cardioner evaluate` (it lacks {error})"
            ) from error
    if per_type:
        performance["ents_per_type"] = per_type
    return {**card, "performance": performance, "trained_with": versions()}


def _in_language(value: Any, lang: str | None, template: Path) -> Any:
    """A setting that is given for each language, in this one."""
    if not isinstance(value, dict):
        return value
    if lang not in value:
        raise CardionerError(
            f"{template}: there is a text for {', '.join(value)}; give one of these as --lang"
        )
    return value[lang]


def _read(path: Path) -> dict[str, Any]:
    try:
        data: dict[str, Any] = srsly.read_json(path)
    except (OSError, ValueError) as error:
        raise CardionerError(f"{path}: cannot be read as JSON ({error})") from error
    return data
