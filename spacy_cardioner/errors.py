"""The one error that a person, not a developer, is meant to read."""

from __future__ import annotations


class CardionerError(Exception):
    """The input is at fault. The message says what was wrong, where, and what to do.

    The command line prints the message alone and exits with status 1. A message never holds
    the text of a note: notes are patients' data.
    """
