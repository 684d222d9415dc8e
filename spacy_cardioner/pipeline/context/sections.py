"""Sections of a note, found by their titles: ``doc.spans["sections"]``.

A title is at the start of a line or sentence, before a colon or a dash, or alone there. It is
compared without case, accents, numbering or decoration. A section ends at the next title; a section
of a category in ``one_paragraph`` also ends at an empty line.

medspaCy's sectionizer reads titles from the same kind of file, but it finds them anywhere in a
sentence or only at the start of a line, does not ignore accents, and stores an object for each
token.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from itertools import pairwise
from operator import attrgetter

from spacy.tokens import Doc, Span, SpanGroup

SECTIONS_KEY = "sections"

TITLE = re.compile(
    r"[\W\d_]*(?P<title>[^\W\d_][^:\r\n]{0,78}?)[\s*_]*(?::|\s[-–—]\s|\.?[\s*_#=]*$)", re.MULTILINE
)
EMPTY_LINE = re.compile(r"\S[ \t]*\r?\n([ \t]*\r?\n)+")


class SectionFinder:
    """Finds the sections of documents.

    rules (Iterable[Mapping[str, str]]): Titles in medspaCy's format: "literal" and "category".
    one_paragraph (Iterable[str]): The categories that end at an empty line.
    """

    def __init__(
        self, rules: Iterable[Mapping[str, str]], one_paragraph: Iterable[str] = ()
    ) -> None:
        self.titles = {normalize(rule["literal"]): rule["category"] for rule in rules}
        self.one_paragraph = set(one_paragraph)

    def __call__(self, doc: Doc) -> SpanGroup:
        """RETURNS (SpanGroup): The sections, titles included, with their category as label."""
        starts: list[tuple[int, str]] = []
        for sentence in doc.sents:
            if category := self.category(sentence.text):
                starts.append((sentence.start, category))
        spans = [
            Span(doc, start, self._end(doc[start:end], category), label=category)
            for (start, category), (end, _) in pairwise([*starts, (len(doc), "")])
        ]
        return SpanGroup(doc, name=SECTIONS_KEY, spans=spans)

    def category(self, sentence: str) -> str | None:
        """The category of the title that a sentence starts with, or None."""
        match = TITLE.match(sentence)
        return self.titles.get(normalize(match["title"])) if match else None

    def _end(self, section: Span, category: str) -> int:
        if category not in self.one_paragraph:
            return section.end
        title = TITLE.match(section.text)
        assert title is not None  # every section starts with one
        body = section.text[title.end() :].lstrip()
        empty = EMPTY_LINE.search(section.text, len(section.text) - len(body))
        if empty is None:
            return section.end
        return int(section.char_span(0, empty.start() + 1, alignment_mode="expand").end)


def normalize(title: str) -> str:
    """The form in which titles are compared."""
    bare = re.sub(r"\([^()]*\)", " ", title.casefold())
    decomposed = unicodedata.normalize("NFKD", bare)
    letters = "".join(char for char in decomposed if not unicodedata.combining(char))
    return " ".join(re.findall(r"[^\W_]+", letters))


def get_section(span: Span) -> str | None:
    """The category of the section where a span starts, or None: ``span._.note_section``."""
    sections = span.doc.spans.get(SECTIONS_KEY, ())
    index = bisect_right(sections, span.start, key=attrgetter("start")) - 1
    if index >= 0 and span.start < sections[index].end:
        return sections[index].label_
    return None
