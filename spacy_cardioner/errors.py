"""The one error that a person, not a developer, is meant to read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

# Environment variable that `cardioner --show-text` sets, so that worker processes see it too.
SHOW_TEXT = "CARDIONER_SHOW_TEXT"
# Most characters of an untrusted string in a message.
LONGEST = 200


class CardionerError(Exception):
    """The input is at fault. The message says what was wrong, where, and what to do.

    The command line prints the message alone and exits with status 1. A message never holds
    the text of a note: notes are patients' data. `shown` is the one way to name what a user's data
    hold.
    """


def shown(value: object) -> str:
    """Name untrusted data in a message: a text, an id, a column, a library's error that quotes one.

    RETURNS (str): Its length and the start of its SHA-256, which finds it again without telling it.
        If the environment variable CARDIONER_SHOW_TEXT is 1: the start of it, with all but
        printable ASCII escaped, so that a terminal does not obey it.
    """
    text = value if isinstance(value, str) else str(value)
    if os.environ.get(SHOW_TEXT) == "1":
        return ascii(text[:LONGEST]) + ("..." if len(text) > LONGEST else "")
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"<{len(text)} characters, sha256 {digest[:8]}>"


@contextmanager
def needs(package: str, extra: str) -> Iterator[None]:
    """Turn a failed import into a CardionerError that names the extra that installs the package."""
    try:
        yield
    except ImportError as error:
        raise CardionerError(
            f'needs {package} ({error}): pip install "spacy_cardioner[{extra}]"'
        ) from error
