"""The manifest that lies beside every model and figure: what it was made from, and with what."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import srsly

from spacy_cardioner.errors import CardionerError

PACKAGES = ("spacy-cardioner", "spacy", "thinc", "numpy", "spacy-transformers", "torch")


def checksum(path: Path) -> str:
    """SHA-256 of a file, or of a folder's files in the order of their names."""
    digest = hashlib.sha256()
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        if file is not path:
            digest.update(str(file.relative_to(path)).encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a result depends on, where installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def manifest(files: Iterable[Path], settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a result was made from.

    files (Iterable[Path]): Inputs: configs, corpora, models. Named by their own name, not by where
        they lie, so that the manifest of the same inputs is the same anywhere.
    settings (Mapping[str, Any]): Everything else that was chosen.
    RETURNS (dict): Serialisable as JSON.
    """
    return {
        "inputs": [{"name": path.name, "sha256": checksum(path)} for path in files],
        "settings": dict(settings),
        "versions": versions(),
    }


def claim(output: Path, claimed: dict[str, Any]) -> None:
    """Make sure that a folder holds the results of this manifest or nothing, and write it there.

    output (Path): The folder, which is made if need be.
    claimed (dict): The manifest.
    RAISES (CardionerError): The folder holds a manifest that says something else.
    """
    path = output / "manifest.json"
    output.mkdir(parents=True, exist_ok=True)
    if path.exists() and srsly.read_json(path) != claimed:
        raise CardionerError(
            f"{output}: holds results of other data, settings or versions (see its manifest.json); "
            "give another output folder or delete this one"
        )
    srsly.write_json(path, claimed)
