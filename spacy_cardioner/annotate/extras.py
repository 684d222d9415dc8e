"""Packages that only some formats and engines need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from spacy_cardioner.errors import CardionerError


@contextmanager
def needs(package: str, extra: str) -> Iterator[None]:
    """Say how to install what an import misses.

    package (str): The package, for the message.
    extra (str): The extra of spacy_cardioner that brings it.
    RAISES (CardionerError): What is imported within is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise CardionerError(
            f'needs {package} ({error}): pip install "spacy_cardioner[{extra}]"'
        ) from error
