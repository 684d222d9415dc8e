"""The files of registries as they are published, one module per registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spacy_cardioner.gazetteer.names import Name
from spacy_cardioner.gazetteer.readers import aifa, atc, cima, drugbank, fda, own, rxnorm
from spacy_cardioner.gazetteer.tables import RegistryError, TableRegistry, read_head

REGISTRIES: dict[str, TableRegistry | cima.Cima] = {
    "aifa": aifa.AIFA,
    "atc": atc.ATC_INDEX,
    "cima": cima.Cima(),
    "drugbank": drugbank.DRUGBANK,
    "fda": fda.FDA,
    "own": own.OWN,
    "rxnorm": rxnorm.RXNORM,
}


def recognise(path: Path) -> str | None:
    """Detect the registry of a file from its first lines.

    RETURNS (str | None): The key in `REGISTRIES`, or None for an unknown file.
    RAISES (RegistryError): The file cannot be read, is empty, or is not text.
    """
    head = read_head(path)
    return next((name for name, known in REGISTRIES.items() if known.recognises(head)), None)


def read(path: Path, registry: str | None = None) -> Iterator[Name]:
    """Read the names of a file, in its order.

    path (Path): The file.
    registry (str | None): A key of `REGISTRIES`. None detects it.
    YIELDS (Name): The names.
    RAISES (RegistryError): The file is unknown, of another registry, or invalid.
    """
    found = recognise(path)
    wanted = registry or found
    if wanted is None:
        known = "; ".join(f"{name} ({each.title})" for name, each in REGISTRIES.items())
        raise RegistryError(
            f"{path}: not a file of a known registry. Known are: {known}. Give the registry to see "
            f"what is missing: KIND={path.name}"
        )
    if found is not None and found != wanted:
        raise RegistryError(
            f"{path}: not {REGISTRIES[wanted].title}; it looks like {REGISTRIES[found].title} "
            f"({found})"
        )
    yield from REGISTRIES[wanted].read(path)
