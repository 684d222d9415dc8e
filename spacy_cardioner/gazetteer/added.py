"""Names that a user adds to a saved or installed pipeline.

A pipeline in a folder has them among its other names. An installed package is never modified,
because its next installation would undo that: its names lie in a folder of the user's, and are
added each time the pipeline is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.files import locked, write_texts
from spacy_cardioner.gazetteer.patterns import PATTERNS_FILE, Pattern, dump_patterns, read_patterns
from spacy_cardioner.loading import DATA, in_package, own_folder

# Seconds that a command waits for another one that adds names to the same pipeline.
PATIENCE = 30.0


class Added(NamedTuple):
    """The names of `new` that were added, and the file that holds them."""

    names: list[Pattern]
    path: Path


def add_names(folder: Path, new: Iterable[Pattern]) -> Added:
    """Add names to a gazetteer. Those that it has, with all that is said of them, are left out.

    folder (Path): The folder of the component `cardioner_gazetteer` in that of the pipeline.
    RAISES (CardionerError): A file cannot be read or written, or is not a patterns file.
    """
    listed = folder / PATTERNS_FILE
    if in_package(folder.parent):
        path = added_file(folder)
        if path is None:
            raise CardionerError(
                f"{folder.parent}: belongs to an installed package, and {DATA} is empty, which "
                f"switches off what is added to these; unset {DATA}, or set it to a folder"
            )
    else:
        path = listed
    with locked(path, wait=PATIENCE):
        present = _read(path)
        known = {*present, *(_read(listed) if path != listed else ())}
        added = [pattern for pattern in new if pattern not in known]
        if added:
            # The same names without "always" are replaced.
            replaced = set(added)
            kept = [one for one in present if one._replace(always=True) not in replaced]
            write_texts({path: dump_patterns([*kept, *added])})
            if list(read_patterns(path)) != [*kept, *added]:
                raise CardionerError(f"{path}: does not hold what was written to it; try again")
    return Added(added, path)


def added_names(folder: Path) -> list[Pattern]:
    """Read the names that the user added to a gazetteer of an installed pipeline.

    RAISES (CardionerError): The file cannot be read, or is not a patterns file.
    """
    path = added_file(folder)
    try:
        return _read(path) if path else []
    except CardionerError as error:
        raise CardionerError(
            *error.args,
            "The file has the names that were added to this pipeline. Correct it; or set the "
            f"environment variable {DATA} to nothing, to load the pipeline without them.",
        ) from error


def added_file(folder: Path) -> Path | None:
    """The file with the names that the user added to a gazetteer of an installed pipeline."""
    own = own_folder(folder.parent)
    return own / f"{folder.name}.jsonl" if own else None


def _read(path: Path) -> list[Pattern]:
    """Read a patterns file; a missing one is empty."""
    try:
        path.stat()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CardionerError(f"{path}: cannot be read ({error.strerror})") from error
    return list(read_patterns(path))
