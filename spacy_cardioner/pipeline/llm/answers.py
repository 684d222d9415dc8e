"""What a language model answers: mentions, one in a line, and where they stand in the text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from spacy.tokens import Doc, Span

from spacy_cardioner.gazetteer.normalise import fold
from spacy_cardioner.spans import Entity, non_overlapping

# A mention with a capital after its first letter is found in the same spelling only, if it is short
# and there is one: NO is not "no".
ABBREVIATION = re.compile(r"(?=.{2,5}$).\S*[^\W\d_a-zß-ÿ]")

_THOUGHTS = re.compile(r".*</think>", re.DOTALL)
_NOTHING = re.compile(r"\W*|```\w*")
_QUOTES = " \t\"'`*“”«»|"
_STOPS = ".,;: "
_BRACKETS = "()[]"


class Answer(str):
    """An answer, with what it cost.

    counts (Mapping[str, float]): Numbers by name, such as tokens.
    """

    counts: Mapping[str, float]

    def __new__(cls, text: str, counts: Mapping[str, float]) -> Answer:
        """Make an answer."""
        answer = super().__new__(cls, text)
        answer.counts = counts
        return answer


def read_answer(answer: str, labels: Iterable[str]) -> tuple[list[tuple[str, str]], int]:
    """Read the lines "LABEL | mention" of an answer.

    The marks of lists, tables and quotations that models add are taken off. What a model thinks
    before it answers (up to ``</think>``) is left out.

    RETURNS (tuple): Labels and mentions, each pair once, and the number of lines that are neither
        these nor empty.
    """
    names = {label.casefold(): label for label in labels}
    line = re.compile(rf"[\W\d]*({'|'.join(map(re.escape, names.values()))})[\s*`]*[|:](.*)", re.I)
    found: dict[tuple[str, str], None] = {}
    unclear = 0
    for text in map(str.strip, _THOUGHTS.sub("", answer).splitlines()):
        match = line.fullmatch(text)
        mention = match[2].strip(_QUOTES) if match else ""
        if match and mention:
            found[names[match[1].casefold()], mention] = None
        elif not _NOTHING.fullmatch(text):
            unclear += 1
    return [*found], unclear


class Piece:
    """A piece of a document that is searched for mentions.

    start, end (int): Its first character, and the one after its last.
    """

    def __init__(self, doc: Doc, start: int, end: int) -> None:
        self.doc = doc
        self.text = doc.text[start:end]
        self.folded, places = _folded(self.text)
        self._places = [place + start for place in places]

    def find(self, mentions: Sequence[tuple[str, str]]) -> tuple[list[Entity], int]:
        """Find all occurrences of mentions, by label. Those inside longer ones are left out.

        RETURNS (tuple): Entities with token boundaries, and the number of mentions that do not
            occur.
        """
        found: dict[str, list[Span]] = {}
        missing = 0
        for label, mention in mentions:
            # Models add punctuation, but "A.S." has its own.
            tried = (mention.strip(_STOPS), mention, mention.strip(_STOPS + _BRACKETS))
            spans = next(filter(None, map(self.occurrences, tried)), [])
            found.setdefault(label, []).extend(spans)
            missing += not spans
        return [
            Entity(span.start, span.end, label)
            for label, spans in found.items()
            for span in non_overlapping(spans)
        ], missing

    def occurrences(self, mention: str) -> list[Span]:
        """Where a mention stands as whole tokens. Case, accents and white space may differ."""
        sought = _folded(mention)[0].strip()
        matches = re.finditer(re.escape(sought), self.folded) if sought else ()
        aligned = (self._span(match.start(), match.end()) for match in matches)
        spans = [span for span in aligned if span is not None]
        if ABBREVIATION.match(mention):
            return [span for span in spans if span.text == mention] or spans
        return spans

    def _span(self, start: int, end: int) -> Span | None:
        """The tokens of some folded characters, with or without signs that folding removes."""
        first = self._places[start]
        for last in (self._places[end - 1] + 1, self._places[end]):
            if (span := self.doc.char_span(first, last)) is not None:
                return span
        return None


def _folded(text: str) -> tuple[str, list[int]]:
    """A text without case and accents, with single spaces; and where its characters come from.

    RETURNS (tuple): The folded text, and the place of each of its characters in the text, and of
        the end.
    """
    folded: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        for plain in _fold_character(char):
            if plain != " " or (folded and folded[-1] != " "):
                folded.append(plain)
                places.append(place)
    return "".join(folded), [*places, len(text)]


@lru_cache(maxsize=1 << 12)
def _fold_character(char: str) -> str:
    if char.isspace():
        return " "
    folded = fold(char)
    return char if " " in folded else folded  # an accent without a letter folds into a space
