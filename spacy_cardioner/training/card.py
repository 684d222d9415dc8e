"""The model card of a packaged pipeline: the meta data that `spacy package` puts into it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import srsly

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.training.manifest import versions


def make_card(template: Path, metrics: Iterable[Path]) -> dict[str, Any]:
    """Join what is said of the data with the scores that were measured.

    template (Path): JSON with description, author, licence and sources, as in spaCy's meta.json.
    metrics (Iterable[Path]): Results of `cardioner evaluate -o`, one for each label or language.
    RETURNS (dict): The meta data; ``performance`` has strict figures from 0 to 1.
    RAISES (CardionerError): A file is missing or is not of that kind.
    """
    card = _read(template)
    performance: dict[str, Any] = {}
    per_type: dict[str, dict[str, float]] = {}
    for path in metrics:
        report = _read(path)
        try:
            for label, scores in report["strict"]["labels"].items():
                key = label if label not in per_type else f"{label} ({path.stem})"
                per_type[key] = {
                    "p": scores["precision"],
                    "r": scores["recall"],
                    "f": scores["f1"],
                }
        except (KeyError, TypeError, AttributeError) as error:
            raise CardionerError(
                f"{path}: no result of `cardioner evaluate` (it lacks {error})"
            ) from error
    if per_type:
        performance["ents_per_type"] = per_type
    return {**card, "performance": performance, "trained_with": versions()}


def _read(path: Path) -> dict[str, Any]:
    try:
        data: dict[str, Any] = srsly.read_json(path)
    except (OSError, ValueError) as error:
        raise CardionerError(f"{path}: cannot be read as JSON ({error})") from error
    return data
