"""The manifest that lies beside every model and figure: what it was made from, and with what."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

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
