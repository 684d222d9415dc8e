"""Pipelines by name or path: loaded, identified, and put on a GPU.

Nothing heavy is imported before it is needed. Whether the transformer family can run is read from
the metadata of the installed packages, without importing them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from importlib.metadata import Distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement

from spacy_cardioner.errors import CardionerError, reason
from spacy_cardioner.files import checksum, locked, make_folder, remove, temporary

if TYPE_CHECKING:
    from spacy.language import Language

META = "meta.json"
# Environment variable: the folder of what a user added to installed pipelines. Empty: nothing.
DATA = "CARDIONER_DATA"


def load_pipeline(model: str | Path) -> Language:
    """Load an installed pipeline by name, or a saved one by path.

    RAISES (CardionerError): There is no such pipeline, or it cannot be loaded here.
    """
    import spacy

    try:
        return spacy.load(model)
    except ImportError as error:
        if (error.name or "").startswith(("transformers", "spacy_transformers")):
            check_transformers()
        raise CardionerError(f"{model}: a required package is missing: {error}") from error
    except OSError as error:
        raise CardionerError(
            f"{model}: neither an installed pipeline nor the folder of a saved one; "
            f"install its wheel with pip, or give the folder ({reason(error)})"
        ) from error
    except (AttributeError, TypeError, ValueError) as error:
        raise CardionerError(f"{model}: cannot be loaded as a pipeline: {reason(error)}") from error


def save_pipeline(nlp: Language, folder: Path) -> None:
    """Save a pipeline to a folder, and create the folders above it.

    Other files of an existing folder are kept. If saving fails, the old pipeline is left; or, at
    the very end, a folder without the meta data of a pipeline, which spaCy does not load.

    RAISES (CardionerError): Another process saves to the folder.
    """
    folder = folder.resolve()
    with locked(folder):
        partial = temporary(folder)
        try:
            nlp.to_disk(partial)
            (folder / META).unlink(missing_ok=True)
            make_folder(folder)
            for path in sorted(partial.iterdir(), key=lambda path: path.name == META):
                if os.path.lexists(folder / path.name):
                    remove(folder / path.name)
                path.rename(folder / path.name)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def use_gpu(number: int) -> None:
    """Run the pipelines that are loaded from now on on a GPU.

    RAISES (CardionerError): There is no such GPU, or no driver for it.
    """
    from thinc.api import require_gpu

    try:
        require_gpu(number)
    except Exception as error:  # CuPy and torch have errors of their own
        raise CardionerError(f"GPU {number}: {reason(error)}") from error


def identity(nlp: Language) -> dict[str, Any]:
    """Identify a pipeline by name, version and a checksum of all that it was loaded from.

    The checksum covers the files of its folder (weights, names, rules, config, meta data) and the
    names that the user added to it, wherever they lie. Changes after loading are not covered, but
    for a pipeline that was not loaded from a folder.
    """
    if nlp.path and nlp.path.is_dir():
        files = _files(nlp.path)
        if own := own_folder(nlp.path):
            files |= {f"../{name}": sha256 for name, sha256 in _files(own).items()}
        described = json.dumps(files, sort_keys=True).encode()
    else:
        # Without the strings, which grow with every new word.
        described = nlp.to_bytes(exclude=["vocab"]) + nlp.vocab.to_bytes(exclude=["strings"])
    return {
        "name": f"{nlp.meta['lang']}_{nlp.meta['name']}",
        "version": nlp.meta["version"],
        "sha256": hashlib.sha256(described).hexdigest(),
    }


def _files(folder: Path) -> dict[str, str]:
    """The checksums of the files that belong to a folder: no locks, caches or partial files."""
    files = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {
        name.as_posix(): checksum(path)
        for name, path in files.items()
        if not any(part.startswith((".", "__")) for part in name.parts)
    }


def own_folder(folder: Path) -> Path | None:
    """The folder of what the user added to an installed pipeline, which may not exist.

    It lies outside the package, so that a new installation keeps it. A pipeline in any other
    folder has what was added to it in that folder.

    folder (Path): The folder of the pipeline, with its config.cfg.
    RETURNS (Optional[Path]): The folder; None if no installed package has the pipeline, or if the
        environment variable CARDIONER_DATA is empty.
    """
    data = os.environ.get(DATA)
    if data is None:
        from typer import get_app_dir

        data = get_app_dir("spacy_cardioner")
    return Path(data) / folder.resolve().parent.name if data and in_package(folder) else None


def in_package(folder: Path) -> bool:
    """Whether the folder of a pipeline lies in the installed package of its name."""
    package = folder.resolve().parent
    found = _installed(package.name)
    return found is not None and Path(str(found.locate_file(package.name))).resolve() == package


def create_require_transformers(
    required: bool = True,
) -> Callable[[type[Language]], type[Language]]:
    """Create the callback `spacy_cardioner.require_transformers.v1` for `[nlp.before_creation]`.

    It says what to install where creating a transformer pipeline would fail on import.

    required (bool): Whether to check at all, for configs of both families.
    """

    def require_transformers(language: type[Language]) -> type[Language]:
        if required:
            check_transformers()
        return language

    return require_transformers


def check_transformers() -> None:
    """Check that spacy-transformers is installed with compatible dependencies.

    RAISES (CardionerError): A package is missing or has an incompatible version.
    """
    unmet: dict[str, str] = {}
    bridge = _installed("spacy-transformers")
    for need in map(Requirement, (bridge and bridge.requires) or ()):
        if need.marker is None or need.marker.evaluate({"extra": ""}):
            need.marker = None
            found = _installed(need.name)
            if not (found and need.specifier.contains(found.version, prereleases=True)):
                unmet[str(need)] = found.version if found else "none"
    if bridge is None:
        why, packages = "spacy-transformers is not installed", ["spacy_cardioner[trf]"]
    elif unmet:
        needs = ", ".join(f"{need} (installed: {version})" for need, version in unmet.items())
        why, packages = f"spacy-transformers {bridge.version} needs {needs}", [*unmet]
    else:
        return
    arguments = " ".join(f"'{package}'" for package in packages)
    raise CardionerError(
        f"the transformer pipelines cannot run here: {why}.",
        f"Install what is needed with: python -m pip install {arguments}",
    )


def _installed(name: str) -> Distribution | None:
    return next(iter(Distribution.discover(name=name)), None)
