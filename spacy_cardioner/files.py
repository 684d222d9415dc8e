"""Files that are complete or absent, checksums, and the manifest of a result."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

import srsly

from spacy_cardioner.errors import CardionerError

# Name prefix of a file or folder that is being written.
PARTIAL = ".partial-"
PACKAGES = ("spacy-cardioner", "spacy", "thinc", "numpy", "spacy-transformers", "torch")
BLOCK = 1 << 20


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Write a file that replaces the old one only when it is complete."""
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(PARTIAL + path.name)
    try:
        with partial.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Fill a folder that appears under its name only when it is complete."""
    partial = path.with_name(PARTIAL + path.name)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        # Inside the block, because Ctrl-C may come right after the folder is created.
        partial.mkdir(parents=True)
        yield partial
        if path.exists():
            shutil.rmtree(path)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_texts(files: Mapping[Path, str]) -> None:
    """Write all text files or none of them. RAISES (CardionerError): A file cannot be written."""
    with ExitStack() as stack:
        for path, text in files.items():
            try:
                stack.enter_context(whole_file(path)).write(text.encode("utf-8"))
            except (OSError, ValueError) as error:
                raise CardionerError(f"{path}: cannot be written ({error})") from error


def checksum(path: Path) -> str:
    """SHA-256 of a file, or of the files of a folder in the order of their names."""
    digest = hashlib.sha256()
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        if file is not path:
            digest.update(str(file.relative_to(path)).encode())
        with file.open("rb") as stream:
            while block := stream.read(BLOCK):
                digest.update(block)
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Versions of Python and of the installed packages that a result depends on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def manifest(files: Iterable[Path], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Describe what a result was made from.

    files (Iterable[Path]): Inputs: configs, corpora, models. They are listed by name without their
        folder, so that the same inputs give the same manifest anywhere.
    """
    return {
        "inputs": [{"name": path.name, "sha256": checksum(path)} for path in files],
        "settings": dict(settings),
        "versions": versions(),
    }


def claim(output: Path, claimed: dict[str, Any]) -> None:
    """Reserve a folder for the results of a manifest, and write the manifest there.

    RAISES (CardionerError): The folder holds results of another manifest.
    """
    path = output / "manifest.json"
    output.mkdir(parents=True, exist_ok=True)
    if path.exists() and srsly.read_json(path) != claimed:
        raise CardionerError(
            f"{output}: holds results of other data, settings or versions (see its manifest.json); "
            "give another output folder or delete this one"
        )
    srsly.write_json(path, claimed)
