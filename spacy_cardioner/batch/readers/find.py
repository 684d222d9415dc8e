"""Find the files of an input: those of a folder, or those that match a pattern."""

from __future__ import annotations

import glob
import os
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from spacy_cardioner.errors import CardionerError, masked, reason
from spacy_cardioner.texts import without_compression


def find(name: str, recursive: bool) -> tuple[Path, list[str]]:
    """Find files, in the order of the ids that text files have.

    name (str): A file, a folder or a pattern.
    recursive (bool): Read the subfolders of a folder, not only its partitions.
    RETURNS (tuple[Path, list[str]]): A folder, and the paths of the files in it.
    RAISES (CardionerError): There is nothing to read, or a folder cannot be read.
    """
    if os.path.isdir(name):
        folder, files = name, list(_files(name, recursive))
    elif os.path.exists(name):
        folder, files = os.path.split(name)[0], [os.path.split(name)[1]]
    elif not glob.has_magic(name):
        raise CardionerError(f"{masked(name)}: no such file or folder")
    else:
        folder = os.path.dirname(re.split(r"[*?\[]", name)[0]) or "."
        files = [os.path.relpath(file, folder) for file in _matching(name)]
        if not files:
            raise CardionerError(f"{masked(name)}: no file matches this pattern")
    return Path(folder), sorted(files, key=lambda file: (note_name(file), file))


def note_name(file: str) -> str:
    """The id of the note in a text file."""
    bare = without_compression(file)
    return bare[:-4] if bare.lower().endswith(".txt") else bare


def _files(root: str, recursive: bool) -> Iterator[str]:
    """The files of a folder and of its subfolders or partitions, without hidden files."""
    for within in _folders(root, recursive):
        for name in _listed(os.path.join(root, within)):
            if not name.startswith(".") and _is_file(os.path.join(root, within, name)):
                yield within + name


def _folders(root: str, recursive: bool) -> Iterator[str]:
    """A folder ("") and its subfolders ("a/"), without hidden ones.

    Each is visited once, whatever links lead to it: links are followed last, and never to a folder
    that holds `root`.
    """
    real = Path(os.path.realpath(root))
    seen = set(map(str, real.parents))
    waiting, links = deque([""]), deque[str]()
    while waiting or links:
        within = (waiting or links).popleft()
        folder = os.path.join(root, within)
        if (real_path := os.path.realpath(folder)) in seen:
            continue
        seen.add(real_path)
        yield within
        for name in sorted(_listed(folder)):
            path = os.path.join(folder, name)
            if not name.startswith(".") and (recursive or "=" in name) and os.path.isdir(path):
                (links if os.path.islink(path) else waiting).append(f"{within}{name}/")


def _matching(pattern: str) -> list[str]:
    """The files that match a pattern. Of the paths that links make the same, the first counts."""
    found: dict[tuple[str, str], str] = {}
    for path in sorted(set(_expanded(pattern))):
        if _is_file(path):
            folder, name = os.path.split(path)
            found.setdefault((os.path.realpath(folder), name), path)
    return list(found.values())


def _expanded(pattern: str) -> Iterator[str]:
    """What matches a pattern. glob itself would follow links in circles."""
    if pattern == "**" or pattern.endswith("/**"):
        pattern += "/*"
    before, several, after = f"/{pattern}".partition("/**/")
    if not several:
        yield from glob.iglob(pattern)
        return
    for root in glob.iglob(before[1:]) if before else [""]:
        for within in _folders(root or ".", recursive=True) if os.path.isdir(root or ".") else ():
            yield from _expanded(os.path.join(glob.escape(os.path.join(root, within)), after))


def _is_file(path: str) -> bool:
    """Whether a path is to be read: also a link that leads nowhere, which is then at fault."""
    return os.path.isfile(path) or (os.path.islink(path) and not os.path.exists(path))


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError as error:
        raise CardionerError(f"{folder}: cannot be read: {reason(error)}") from error
