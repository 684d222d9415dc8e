"""Folds by document: seeded, and the same for all languages of a parallel corpus."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import srsly

from spacy_cardioner.errors import CardionerError, reason
from spacy_cardioner.files import write_texts
from spacy_cardioner.folders import original


def make_folds(names: Iterable[str], folds: int = 5, seed: int = 13) -> list[list[str]]:
    """Split document names into folds of nearly equal size.

    The result depends only on the set of names and the seed: documents with the same name in
    several languages are in the same fold, and so are those of one note ("note", "note~2").

    RAISES (CardionerError): There are less than two folds, or fewer documents than folds.
    """
    groups: dict[str, set[str]] = {}
    for name in names:
        groups.setdefault(original(name), set()).add(name)
    shuffled = sorted(groups)
    if folds < 2 or len(shuffled) < folds:
        raise CardionerError(
            f"{len(shuffled)} documents cannot be split into {folds} folds: "
            "give at least two folds and a document for each"
        )
    random.Random(seed).shuffle(shuffled)
    parts = (shuffled[part::folds] for part in range(folds))
    return [sorted(name for group in part for name in groups[group]) for part in parts]


def write_folds(path: Path, folds: list[list[str]], seed: int) -> None:
    """Write folds as JSON: ``{"seed": 13, "folds": [[name, ...], ...]}``."""
    write_texts({path: srsly.json_dumps({"seed": seed, "folds": folds}, indent=2)})


def read_folds(path: Path) -> list[list[str]]:
    """Read folds written by `write_folds`.

    RAISES (CardionerError): The file is missing or invalid.
    """
    try:
        return [[str(name) for name in fold] for fold in srsly.read_json(path)["folds"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CardionerError(
            f"{path}: not a file of folds ({reason(error)}); make one with `cardioner split`"
        ) from error
