"""The sections of notes in which entities stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spacy_cardioner.evaluation.systems import Part
from spacy_cardioner.layout import LANGUAGES

# Before the first title, and in texts without titles.
NO_SECTION = "no section"


class Sections:
    """Where the sections of documents are. None are known without texts or a language."""

    def __init__(self, part: Part) -> None:
        """Find the sections by their titles in the language of the part."""
        self._starts = _find(part.texts, part.lang) if part.lang in LANGUAGES else {}

    @property
    def categories(self) -> list[str]:
        """The categories that occur, by how often."""
        found: dict[str, int] = {NO_SECTION: 0} if self._starts else {}
        for starts in self._starts.values():
            for _, _, category in starts:
                found[category] = found.get(category, 0) + 1
        return sorted(found, key=lambda category: (-found[category], category))

    def within(
        self, category: str, annotations: Mapping[str, Sequence[Any]]
    ) -> dict[str, list[Any]]:
        """The entities that start in a section of a category."""
        return {
            name: [one for one in entities if self._category(name, one.start) == category]
            for name, entities in annotations.items()
        }

    def _category(self, name: str, place: int) -> str:
        found = (c for start, end, c in self._starts.get(name, ()) if start <= place < end)
        return next(found, NO_SECTION)


def _find(texts: Mapping[str, str], lang: str) -> dict[str, list[tuple[int, int, str]]]:
    """The start, end and category of each section of each text."""
    from spacy_cardioner.pipeline.context.rules import read_sections
    from spacy_cardioner.pipeline.context.sections import SectionFinder
    from spacy_cardioner.pipeline.stored import DEFAULT
    from spacy_cardioner.tokenizer import blank  # spaCy is slow to import

    nlp, finder = blank(lang), SectionFinder.from_file(read_sections(DEFAULT, lang))
    found = {}
    for name, text in texts.items():
        doc = nlp(text)
        found[name] = [(one.start_char, one.end_char, one.label_) for one in finder(doc)]
    return found
