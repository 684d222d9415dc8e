"""Names that are misspelled by one letter."""

from __future__ import annotations

from collections.abc import Container, Iterator

# Shorter names have too many others one letter away.
MIN_LETTERS = 7
_LETTERS = "abcdefghijklmnopqrstuvwxyz "


def misspelled(word: str, names: Container[str]) -> list[str]:
    """The names that a word may be meant to be, sorted: one letter more, less, other, or swapped.

    word (str): Folded, as the names are.
    source: Norvig, How to Write a Spelling Corrector, 2007, for listing all edits
    """
    if len(word) < MIN_LETTERS - 1:
        return []
    found = {edit for edit in _edits(word) if edit in names}
    return sorted(name for name in found if len(name) >= MIN_LETTERS and name != word)


def _edits(word: str) -> Iterator[str]:
    for at in range(len(word) + 1):
        head, tail = word[:at], word[at:]
        yield head + tail[1:]
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
        for letter in _LETTERS:
            yield head + letter + tail
            yield head + letter + tail[1:]
