"""Whether the transformer family can run here, told before an import of torch fails.

Everything is read from the metadata of the installed packages; none of them is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import Distribution
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from spacy_cardioner.errors import CardionerError

if TYPE_CHECKING:
    from spacy.language import Language

BRIDGE = "spacy-transformers"


def create_require_transformers() -> Callable[[type[Language]], type[Language]]:
    """Create the callback `spacy_cardioner.require_transformers.v1` for transformer configs.

    It stands under `[nlp.before_creation]`: creating the pipeline imports spacy-transformers,
    which fails without saying what to install.

    RETURNS (Callable): Takes the language class and gives it back unchanged.
    """

    def require_transformers(language: type[Language]) -> type[Language]:
        check_transformers()
        return language

    return require_transformers


def check_transformers(path: Sequence[str] | None = None) -> None:
    """Check that spacy-transformers is installed, with the versions that it can use.

    path (Sequence[str]): Folders with the installed packages, `sys.path` if not given.
    RAISES (CardionerError): If something is missing or of another version.
    """
    bridge = _installed(BRIDGE, path)
    if bridge is None:
        raise _cannot_run(f"{BRIDGE} is not installed", ["spacy_cardioner[trf]"])
    unmet = [
        (need, found.version if found else "none")
        for need, found in _requirements(bridge, path)
        if not (found and need.specifier.contains(found.version, prereleases=True))
    ]
    if unmet:
        needs = ", ".join(f"{need} (installed: {version})" for need, version in unmet)
        reason = f"{BRIDGE} {bridge.version} needs {needs}"
        raise _cannot_run(reason, [str(need) for need, _ in unmet])


def _installed(name: str, path: Sequence[str] | None) -> Distribution | None:
    folders = list(sys.path if path is None else path)
    return next(iter(Distribution.discover(name=name, path=folders)), None)


def _requirements(
    distribution: Distribution, path: Sequence[str] | None
) -> Iterator[tuple[Requirement, Distribution | None]]:
    for line in distribution.requires or ():
        need = Requirement(line)
        if need.marker is None or need.marker.evaluate({"extra": ""}):
            need.marker = None
            yield need, _installed(need.name, path)


def _cannot_run(reason: str, packages: Sequence[str]) -> CardionerError:
    arguments = " ".join(f"'{package}'" for package in packages)
    return CardionerError(
        f"the transformer pipelines cannot run here: {reason}.\n"
        f"Install what is needed with: python -m pip install {arguments}"
    )
