"""Sections of a note, found by their titles: ``doc.spans["sections"]``.

A title is at the start of a line or sentence, before a colon or a dash, or alone there. It is
compared without case, accents, numbering or decoration. A section ends at the next title, or before
a sentence that starts as another section does ("En la exploración") or that, after others, presents
the patient ("Mujer de 76 años con"). A section of a category in
``one_paragraph`` also ends at an empty line, and with the line of its title if that holds more than
the title and no list follows.

medspaCy's sectionizer reads titles from the same kind of file, but it finds them anywhere in a
sentence or only at the start of a line, does not ignore accents, and stores an object for each
token.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple

from spacy.tokens import Doc, Span, SpanGroup

from spacy_cardioner.pipeline.context.checks import (
    ONE_PARAGRAPH,
    OPENERS,
    PATIENTS,
    SECTION_RULES,
)
from spacy_cardioner.pipeline.context.segments import LIST_MARK

SECTIONS_KEY = "sections"

TITLE = re.compile(
    r"[\W\d_]*(?P<title>[^\W\d_][^:\r\n]{0,78}?)[\s*_]*(?::|\s[-–—]\s|\.?[\s*_#=]*$)", re.MULTILINE
)
LINE_END = re.compile(r"[\r\n]")
EMPTY_LINE = re.compile(r"\n[ \t]*\r?\n")
# A line that continues the one before it: a list item, or text that a program wrapped.
CONTINUED = re.compile(rf"[ \t]*(?:{LIST_MARK}|[^\W\d_A-ZÀ-Þ])")
# What says that a section holds nothing.
NOTHING = re.compile(
    r"\W*(?:no|non|not|none|nil|sin|senza|niega|nega|denies|nkda|nka|ningun|nessun|unknown|desconoc)",
    re.IGNORECASE,
)
# An event of the past, in the form of `normalize`: "Ingresado en 2010 por IAM".
PAST = re.compile(
    r" (?:(?:en|in|nel|ano|anno) (?:19|20)\d\d|(?:years?|yrs?|months?|weeks?) ago|(?:anni|mesi) fa"
    r"|(?<!desde )hace \d+ (?:anos?|meses)) "
)
OPENING = 80  # characters of a sentence in which an opener is sought
EVERY = "*"


class Section(NamedTuple):
    """A section in tokens. body (int): The first token after its title."""

    start: int
    body: int
    end: int
    category: str


class SectionFinder:
    """Finds the sections of documents.

    rules (Iterable[Mapping[str, Any]]): Titles in medspaCy's format: "literal" and "category". Of
        several with the same literal, the first counts whose metadata "followed_by" (a regular
        expression of what follows the title) or "after" (the category of the section before) hold.
    one_paragraph (Iterable[str]): The categories that end with their paragraph.
    openers (Mapping[str, Iterable[str]]): For a category, or "*" for all that have some, how
        sentences start that end it.
    patients (Iterable[str]): Regular expressions of how sentences start that present a patient, in
        the form of `normalize`. They end the sections of the categories in `openers`, unless they
        are the first sentence of a section.
    """

    def __init__(
        self,
        rules: Iterable[Mapping[str, Any]],
        one_paragraph: Iterable[str] = (),
        openers: Mapping[str, Iterable[str]] = MappingProxyType({}),
        patients: Iterable[str] = (),
    ) -> None:
        self.titles: dict[str, list[tuple[Mapping[str, str], str]]] = {}
        for rule in rules:
            metadata = rule.get("metadata") or {}
            self.titles.setdefault(normalize(rule["literal"]), []).append(
                (metadata, rule["category"])
            )
        for named in self.titles.values():
            named.sort(key=lambda one: not one[0])
        self.one_paragraph = set(one_paragraph)
        shared = list(openers.get(EVERY, ()))
        self.openers = {
            category: tuple(f"{normalize(opener)} " for opener in (*shared, *own))
            for category, own in openers.items()
            if category != EVERY
        }
        self.patients = [re.compile(pattern) for pattern in patients]

    @classmethod
    def from_file(cls, content: Mapping[str, Any]) -> SectionFinder:
        """Make a finder from what `rules.read_sections` returned."""
        return cls(
            content[SECTION_RULES],
            content.get(ONE_PARAGRAPH, ()),
            content.get(OPENERS, {}),
            content.get(PATIENTS, ()),
        )

    def __call__(self, doc: Doc) -> SpanGroup:
        """RETURNS (SpanGroup): The sections, titles included, with their category as label."""
        return as_spans(doc, self.find(doc))

    def find(self, doc: Doc) -> list[Section]:
        """RETURNS (list[Section]): The sections in the order of the text."""
        found: list[Section] = []
        text = doc.text
        for sentence in doc.sents:
            last = found[-1] if found else None
            if title := self._title(sentence.text, text, sentence.start_char, last):
                if last and last.end < 0:
                    found[-1] = last._replace(end=sentence.start)
                length, category = title
                body = sentence.start
                while body < sentence.end and doc[body].idx < sentence.start_char + length:
                    body += 1
                found.append(Section(sentence.start, body, -1, category))
            elif last and last.end < 0 and self._ends(doc, text, last, sentence):
                found[-1] = last._replace(end=sentence.start)
        if found and found[-1].end < 0:
            found[-1] = found[-1]._replace(end=len(doc))
        return found

    def category(self, sentence: str) -> str | None:
        """The category of the title that a sentence starts with, or None."""
        title = self._title(sentence, sentence, 0, None)
        return title[1] if title else None

    def _title(
        self, sentence: str, text: str, start: int, last: Section | None
    ) -> tuple[int, str] | None:
        """The length and category of the title that a sentence starts with."""
        match = TITLE.match(sentence)
        named = self.titles.get(normalize(match["title"])) if match else None
        if match is None or named is None:
            return None
        title_end = start + match.end("title")
        for metadata, category in named:
            follows = metadata.get("followed_by")
            after = metadata.get("after")
            if (
                not metadata
                or (follows and re.compile(follows).match(text, title_end))
                or (after and last is not None and last.category == after)
            ):
                return match.end(), category
        return None

    def _ends(self, doc: Doc, text: str, section: Section, sentence: Span) -> bool:
        """Whether a section ends before a sentence that has no title."""
        openers = self.openers.get(section.category)
        if openers is not None:
            opening = f"{normalize(sentence.text[:OPENING])} "
            told = any(token.is_alpha for token in doc[section.body : sentence.start])
            presents = opening.startswith(openers) or (
                told and any(pattern.match(opening) for pattern in self.patients)
            )
            if presents and not PAST.search(opening):
                return True
        if section.category not in self.one_paragraph:
            return False
        title, body = doc[section.start].idx, doc[section.body].idx
        before = text[body : sentence.start_char]
        space = before[len(before.rstrip()) :]
        if NOTHING.match(before):
            return True
        if before.isspace() or not LINE_END.search(space):
            return False
        alone = LINE_END.search(text[title:body] + before[: -len(before.lstrip())])
        return bool(EMPTY_LINE.search(space)) or not (alone or CONTINUED.match(sentence.text))


def as_spans(doc: Doc, sections: Iterable[Section]) -> SpanGroup:
    """RETURNS (SpanGroup): Sections as spans, with their category as label."""
    spans = [Span(doc, one.start, one.end, label=one.category) for one in sections]
    return SpanGroup(doc, name=SECTIONS_KEY, spans=spans)


def normalize(title: str) -> str:
    """The form in which titles are compared."""
    bare = re.sub(r"\([^()]*\)", " ", title.casefold())
    if not bare.isascii():
        decomposed = unicodedata.normalize("NFKD", bare)
        bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return " ".join(re.findall(r"[^\W_]+", bare))


def get_section(span: Span) -> str | None:
    """The category of the section where a span starts, or None: ``span._.note_section``."""
    sections = span.doc.spans.get(SECTIONS_KEY, ())
    index = bisect_right(sections, span.start, key=attrgetter("start")) - 1
    if index >= 0 and span.start < sections[index].end:
        return sections[index].label_
    return None
