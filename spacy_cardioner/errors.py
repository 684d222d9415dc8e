"""The one error that a person, not a developer, is meant to read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class CardionerError(Exception):
    """The input is at fault. The message says what was wrong, where, and what to do.

    The command line prints the message alone and exits with status 1. A message never holds
    the text of a note: notes are patients' data.
    """


@contextmanager
def needs(package: str, extra: str) -> Iterator[None]:
    """Turn a failed import into a CardionerError that names the extra that installs the package."""
    try:
        yield
    except ImportError as error:
        raise CardionerError(
            f'needs {package} ({error}): pip install "spacy_cardioner[{extra}]"'
        ) from error
