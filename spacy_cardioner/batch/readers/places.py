"""Where an input lies, so that no output is written there."""

from __future__ import annotations

import os
import re
from pathlib import Path

# A database in a file: the address is a path, perhaps as a URI of SQLite.
IN_FILE = re.compile(r"(?:sqlite|duckdb)[^:/]*:///(?:file:)?([^?#]+)")
MAGIC = re.compile(r"[*?\[{]")  # what makes a pattern here or in Spark


def places(name: str) -> list[Path]:
    """The files and folders that the name of an input stands for.

    A pattern stands for the folder before its first wildcard, unless it is just a file name, and
    the address of a database in a file for this file.
    """
    if in_file := IN_FILE.match(name):
        return [Path(in_file[1])]
    if name == "-" or (MAGIC.search(name) and "/" not in name and not os.path.exists(name)):
        return []
    if MAGIC.search(name) and not os.path.exists(name):
        return [Path(os.path.dirname(MAGIC.split(name)[0]) or ".")]
    return [Path(name)]
