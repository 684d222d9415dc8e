"""Sections of a note, found by their titles: ``doc.spans["sections"]`` and ``span._.section``.

A title stands at the start of a line or sentence, before a colon or a dash, or alone there. It is
matched without regard to case, accents, numbering or decoration. A section reaches to the next
title; one of the categories in ``one_paragraph`` also ends at an empty line.

medspaCy's own sectionizer takes titles from the same kind of file, but finds them anywhere in a
sentence or, asked for line starts, never in the middle of a line; it knows nothing of accents and
stores an object of its own for each token of the document.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from itertools import pairwise
from operator import attrgetter

from spacy.tokens import Doc, Span, SpanGroup, Token

SECTIONS_KEY = "sections"

TITLE = re.compile(
    r"[\W\d_]*(?P<title>[^\W\d_][^:\r\n]{0,78}?)[\s*_]*(?::|\s[-–—]\s|\.?[\s*_#=]*$)", re.MULTILINE
)
EMPTY_LINE = re.compile(r"\S[ \t]*\r?\n([ \t]*\r?\n)+")


class SectionFinder:
    """Finds the sections of documents by the titles of a language.

    rules (Iterable[Mapping[str, str]]): Titles as medspaCy has them: "literal" and "category".
    one_paragraph (Iterable[str]): The categories that end at an empty line.
    """

    def __init__(
        self, rules: Iterable[Mapping[str, str]], one_paragraph: Iterable[str] = ()
    ) -> None:
        self.titles = {normalize(rule["literal"]): rule["category"] for rule in rules}
        self.one_paragraph = set(one_paragraph)

    def __call__(self, doc: Doc) -> SpanGroup:
        """RETURNS (SpanGroup): The sections, titles included, labelled with their category."""
        starts: list[tuple[int, str]] = []
        for sentence in doc.sents:
            category = self.category(sentence.text)
            if category:
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
        text = section.text
        title = TITLE.match(text)
        assert title is not None  # it made the section
        body = text[title.end() :]
        start = len(text) - len(body.lstrip())
        empty = EMPTY_LINE.search(text, start)
        if empty is None:
            return section.end
        return int(section.char_span(0, empty.start() + 1, alignment_mode="expand").end)


def normalize(title: str) -> str:
    """Bring a title to the form in which titles are compared."""
    bare = re.sub(r"\([^()]*\)", " ", title.casefold())
    decomposed = unicodedata.normalize("NFKD", bare)
    letters = "".join(char for char in decomposed if not unicodedata.combining(char))
    return " ".join(re.findall(r"[^\W_]+", letters))


def get_section(span: Span) -> str | None:
    """The category of the section that a span starts in; what ``span._.section`` gives.

    Documents without our sections may have those of medspaCy's sectionizer, whose objects are
    given as they are.
    """
    doc = span.doc
    if SECTIONS_KEY not in doc.spans:
        return span[0]._.section if Token.has_extension("section") else None
    sections = doc.spans[SECTIONS_KEY]
    index = bisect_right(sections, span.start, key=attrgetter("start")) - 1
    if index >= 0 and span.start < sections[index].end:
        return sections[index].label_
    return None
