"""Registries' files as they are published, one module each.

Every module has

- ``TITLE``: what the file is called in messages;
- ``recognises(head)``: whether a file with these first lines is of this kind;
- ``read(path)``: the names in it, read line by line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from spacy_cardioner.gazetteer.names import Name
from spacy_cardioner.gazetteer.readers import aifa, atc, cima, drugbank, fda, own, rxnorm
from spacy_cardioner.gazetteer.tables import RegistryError, read_head


class Registry(Protocol):
    """What a reader's module has."""

    TITLE: str

    def recognises(self, head: list[str]) -> bool:
        """Whether a file with these first lines is of this kind."""

    def read(self, path: Path) -> Iterator[Name]:
        """The names of a file."""


REGISTRIES: dict[str, Registry] = {
    module.__name__.rpartition(".")[2]: module
    for module in (aifa, atc, cima, drugbank, fda, own, rxnorm)
}


def recognise(path: Path) -> str | None:
    """Find out by its first lines which registry a file is from.

    path (Path): The file.
    RETURNS (Optional[str]): The registry's name in `REGISTRIES`, or None.
    RAISES (RegistryError): The file cannot be read, is empty, or is no text.
    """
    head = read_head(path)
    return next((name for name, module in REGISTRIES.items() if module.recognises(head)), None)


def read(path: Path, registry: str | None = None) -> Iterator[Name]:
    """Read the names of a registry's file.

    path (Path): The file.
    registry (Optional[str]): The registry's name; None finds out.
    RETURNS (Iterator[Name]): The names, in the order of the file.
    RAISES (RegistryError): No registry's file, another registry's than named, or a fault in it.
    """
    found = recognise(path)
    wanted = registry or found
    if wanted is None:
        known = "; ".join(f"{name} ({module.TITLE})" for name, module in REGISTRIES.items())
        raise RegistryError(
            f"{path}: this is no file of a known kind. Known are {known}. Name the kind to learn "
            f"what is missing, as in KIND={path.name}"
        )
    if found is not None and found != wanted:
        raise RegistryError(
            f"{path}: this is not {REGISTRIES[wanted].TITLE}; it looks like "
            f"{REGISTRIES[found].TITLE} ({found})"
        )
    yield from REGISTRIES[wanted].read(path)
