"""The component `cardioner_gazetteer`: marks the names of a list wherever a document has them."""

# No postponed annotations: spaCy checks configs against the types of registered functions.
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.gazetteer.abbreviations import Found, abbreviations, choose
from spacy_cardioner.gazetteer.added import added_names
from spacy_cardioner.gazetteer.laboratory import laboratory
from spacy_cardioner.gazetteer.lexicon import Lexicon, in_case
from spacy_cardioner.gazetteer.names import KINDS
from spacy_cardioner.gazetteer.normalise import pieces
from spacy_cardioner.gazetteer.patterns import LABEL, PATTERNS_FILE, Pattern, to_pattern
from spacy_cardioner.gazetteer.prescribed import is_prescribed
from spacy_cardioner.gazetteer.typos import MIN_LETTERS
from spacy_cardioner.pipeline.stored import StoredPipe

# Default name of the component in a pipeline, and of its span group.
GAZETTEER = "gazetteer"
# No name contains a line end among its pieces.
_NEW_LINE = ("\n",)
_HYPHEN = ("-",)
_HYPHENS = {"-", "‐", "‑", "–"}
# The kind of abbreviations that are no drugs. The features of the model do not know it.
CONDITION = "condition"
_MAX_CACHE = 200_000


class Mark(NamedTuple):
    """A name in a document, with token boundaries and the label of its pattern.

    kind (str): "ingredient", "combination", "group", "abbreviation" or "brand"; "condition" for an
        abbreviation of another label.
    candidates (list[str]): Its ids, the likeliest first. An ambiguous name has more than one.
    analyte (bool): Whether laboratories measure what it names, such as sodium or iron.
    laboratory (bool): Whether it is in a laboratory context, analyte or not.
    """

    start: int
    end: int
    label: str
    kind: str
    candidates: list[str]
    always: bool = False
    analyte: bool = False
    laboratory: bool = False


# The fields of a mark that the attributes of the span group hold, as one list each.
_ATTRS = {
    "kinds": "kind",
    "candidates": "candidates",
    "always": "always",
    "analytes": "analyte",
    "laboratory": "laboratory",
}


def get_marks(doc: Doc, spans_key: str = GAZETTEER) -> Iterator[Mark]:
    """Read the names that the gazetteer marked in a document.

    YIELDS (Mark): The marks, in the order of the text. They do not overlap.
    """
    group = doc.spans.get(spans_key, ())
    if len(group):
        columns = (group.attrs[key] for key in _ATTRS)
        for span, *values in zip(group, *columns, strict=True):
            yield Mark(span.start, span.end, span.label_, *values)


def find_gazetteer(nlp: Language, name: str, used_by: str) -> "Gazetteer":
    """Find the gazetteer of a pipeline, which may be disabled, for a component that needs it.

    RAISES (CardionerError): The pipeline has no such component.
    """
    component = dict(nlp.components).get(name)
    if not isinstance(component, Gazetteer):
        raise CardionerError(
            f"{used_by}: the pipeline has no component cardioner_gazetteer named {name!r}; add one "
            f'with nlp.add_pipe("cardioner_gazetteer", name="{name}", first=True), or change the '
            f"setting gazetteer of {used_by}"
        )
    return component


@Language.factory("cardioner_gazetteer", assigns=["doc.spans"])
class Gazetteer(StoredPipe):
    """Pipeline component that marks names in ``doc.spans``. It holds the names of a pipeline.

    It comes first and needs no other component. The names come from a patterns file (see
    `initialize`) or from `add_patterns`. Each name that is found becomes a span with the label and
    the id (ATC code, as ``kb_id``) of its pattern. `get_marks` returns all that is known of it.
    """

    files = (PATTERNS_FILE,)

    def __init__(self, nlp: Language, name: str = GAZETTEER, spans_key: str = GAZETTEER) -> None:
        self.vocab = nlp.vocab
        self.name = name
        self.spans_key = spans_key
        self.lexicon = Lexicon()
        self._cache: dict[int, tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self.lexicon)

    def __contains__(self, name: str) -> bool:
        return name in self.lexicon

    @property
    def labels(self) -> tuple[str, ...]:
        """RETURNS (Tuple[str]): The labels of the patterns."""
        return self.lexicon.labels

    @property
    def patterns(self) -> list[dict[str, Any]]:
        """RETURNS (List[dict]): All patterns, as `add_patterns` takes them."""
        return [pattern.to_dict() for pattern in self.lexicon]

    def add_patterns(self, patterns: Iterable[Mapping[str, Any]]) -> None:
        """Add names.

        patterns (Iterable[Mapping]): String patterns as spaCy's rulers take them, for example
            ``{"label": "FARMACO", "pattern": "bisoprolol", "id": "C07AB07"}``. They may also have
            the keys "kind", "also" and "always", see `gazetteer.patterns.Pattern`.
        RAISES (CardionerError): A pattern is malformed.
        """
        self.lexicon.add(
            to_pattern(pattern, f"{self.name}: pattern {number}")
            for number, pattern in enumerate(patterns, 1)
        )

    def clear(self) -> None:
        """Remove all names."""
        self.lexicon = Lexicon()

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        # spaCy 3.7 can only validate the generator of srsly.read_jsonl as a sequence, 3.8 cannot.
        patterns: Sequence[dict[str, Any]] | Iterable[dict[str, Any]] | None = None,
    ) -> None:
        """Replace the names by those of a patterns file.

        patterns (Optional[Iterable[dict]]): The patterns, read as for spaCy's rulers.
        """
        if patterns is not None:
            self.clear()
            self.add_patterns(patterns)

    def get_data(self) -> Mapping[str, Any]:
        """RETURNS (Mapping[str, Any]): The patterns."""
        return {PATTERNS_FILE: self.patterns}

    def set_data(self, data: Mapping[str, Any]) -> None:
        """Replace the patterns."""
        self.clear()
        self.add_patterns(data[PATTERNS_FILE])

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "Gazetteer":
        """Load the names from a folder, and those that the user added to an installed pipeline."""
        super().from_disk(path, exclude=exclude)
        self.lexicon.add(added_names(Path(path)))
        return self

    def __call__(self, doc: Doc) -> Doc:
        """Mark the names of a document."""
        marks = list(self.find(doc))
        spans = [
            Span(doc, mark.start, mark.end, mark.label, kb_id=next(iter(mark.candidates), ""))
            for mark in marks
        ]
        attrs = {key: [getattr(mark, field) for mark in marks] for key, field in _ATTRS.items()}
        doc.spans[self.spans_key] = SpanGroup(doc, name=self.spans_key, spans=spans, attrs=attrs)
        return doc

    def find(self, doc: Doc) -> Iterator[Mark]:
        """Find the names of a document, without modifying it: at each token the longest.

        Usual abbreviations are added, and long names with one letter wrong where drugs stand.

        YIELDS (Mark): The names, in the order of the text. They do not overlap.
        """
        text = _Text(doc, *self._pieces(doc))
        for first, last, mark in self._find_names(text):
            text.add(first, last, mark)
        short = [found for found in abbreviations(doc.vocab.lang).find(text.folded)
                 if text.is_whole(found.first, found.last) and text.spells(found)]
        for found in short:
            if any(meaning.label == LABEL for meaning in found.meanings):
                text.add_drug(found.first, found.last)
        for found in short:
            self._mark_short(text, found)
        self._mark_misspelled(text)
        for _, _, mark in sorted(text.marks.values()):
            yield mark

    def _find_names(self, text: "_Text") -> Iterator[tuple[int, int, Mark]]:
        """The names of the list, with their pieces."""
        rules = laboratory(text.doc.vocab.lang)
        end_of_last = 0
        for first, last, patterns in self.lexicon.find(text.folded):
            start, end = text.tokens(first, last)
            if start < end_of_last or not text.is_whole(first, last):
                continue
            # Slower with doc.text, which is built anew on each access.
            given = text.doc[start:end].text
            if spelled := [pattern for pattern in patterns if in_case(pattern, given)]:
                analyte = rules.is_analyte(text.folded[first:last])
                measured = rules.is_context(text.folded, first, last)
                yield first, last, Mark(start, end, *_joined(spelled), analyte, measured)
                end_of_last = end

    def _mark_short(self, text: "_Text", found: Found) -> None:
        """Mark an abbreviation as what it means in its place, or unmark it if it is no entity."""
        first, last = place = found[:2]
        if place not in text.marks and not text.is_free(first, last):
            return
        meanings = choose(found, text.folded, lambda: text.is_prescribed(first, last))
        if not meanings:
            return
        label = meanings[0].label
        codes = self._codes(meaning.expansion for meaning in meanings) if label == LABEL else []
        known = text.remove(first, last)
        if label and label != LABEL:
            text.add(first, last, Mark(*text.tokens(first, last), label, CONDITION, [], True))
        elif label and (known or codes):
            mark = known[2] if known else Mark(*text.tokens(first, last), label, "abbreviation", codes)
            text.add(first, last, mark._replace(always=True))

    def _codes(self, names: Iterable[str]) -> list[str]:
        """The codes of drugs, the likeliest first; none in a list of other labels."""
        if LABEL not in self.lexicon.labels:
            return []
        answers = filter(None, map(self.lexicon.look_up, names))
        return list(dict.fromkeys(code for answer in answers for code in answer.candidates))

    def _mark_misspelled(self, text: "_Text") -> None:
        """Mark long words that are nearly a name, where drugs stand."""
        if LABEL not in self.lexicon.labels:
            return
        for first, piece in enumerate(text.folded):
            place = first, first + 1
            # In the order of the costs.
            if len(piece) < MIN_LETTERS - 1 or not piece.isalpha() or not text.is_free(*place):
                continue
            if text.is_prescribed(*place) and text.is_whole(*place):
                if answer := self.lexicon.substance_like(piece):
                    codes = answer.candidates
                    text.add(*place, Mark(*text.tokens(*place), LABEL, "ingredient", codes, True))

    def _pieces(self, doc: Doc) -> tuple[list[str], list[int]]:
        """The pieces of all tokens; and for each piece, and for the end, the token's index."""
        folded: list[str] = []
        owners: list[int] = []
        new_line = False
        for index, orth in enumerate(doc.to_array("ORTH").tolist()):
            found = self._cache.get(orth) or self._remember(orth, doc[index].text)
            if found is _NEW_LINE:
                # A name may continue in the next line, but not in the next paragraph.
                found, new_line = found if new_line else (), True
            elif found:
                new_line = False
                # A hyphen inside a word separates nothing.
                inner = 0 < index < len(doc) - 1 and found == _HYPHEN
                if inner and not (doc[index].whitespace_ or doc[index - 1].whitespace_):
                    found = ()
            folded += found
            owners += [index] * len(found)
        return folded, [*owners, len(doc)]

    def _remember(self, orth: int, text: str) -> tuple[str, ...]:
        if len(self._cache) > _MAX_CACHE:
            self._cache = {}
        found = _NEW_LINE if text in ("\n", "\r\n", "\r") else pieces(text)
        self._cache[orth] = found
        return found


class _Text:
    """The pieces of a document, and what was marked in it.

    marks (dict[tuple[int, int], tuple[int, int, Mark]]): By the first piece and that after the last.
    starts, ends (set[int]): The places of drugs, and of abbreviations that may be drugs.
    taken (set[int]): The pieces of the marks.
    """

    def __init__(self, doc: Doc, folded: list[str], owners: list[int]) -> None:
        self.doc = doc
        self.folded = folded
        self.owners = owners
        self.marks: dict[tuple[int, int], tuple[int, int, Mark]] = {}
        self.starts: set[int] = set()
        self.ends: set[int] = set()
        self.taken: set[int] = set()

    def add(self, first: int, last: int, mark: Mark) -> None:
        self.marks[first, last] = first, last, mark
        self.taken.update(range(first, last))
        if mark.label == LABEL and not mark.analyte:
            self.add_drug(first, last)

    def add_drug(self, first: int, last: int) -> None:
        self.starts.add(first)
        self.ends.add(last)

    def remove(self, first: int, last: int) -> tuple[int, int, Mark] | None:
        """Remove the mark of these pieces, if there is one."""
        self.taken.difference_update(range(first, last))
        self.starts.discard(first)
        self.ends.discard(last)
        return self.marks.pop((first, last), None)

    def tokens(self, first: int, last: int) -> tuple[int, int]:
        """The tokens of pieces: the first, and the one after the last."""
        return self.owners[first], self.owners[last - 1] + 1

    def is_whole(self, first: int, last: int) -> bool:
        """Whether pieces start and end at token boundaries."""
        start, end = self.tokens(first, last)
        return (first == 0 or self.owners[first - 1] < start) and self.owners[last] >= end

    def is_free(self, first: int, last: int) -> bool:
        """Whether nothing is marked at the pieces."""
        return self.taken.isdisjoint(range(first, last))

    def is_prescribed(self, first: int, last: int) -> bool:
        """Whether pieces are where drugs stand."""
        return is_prescribed(self.folded, first, last, self.starts, self.ends)

    def spells(self, found: Found) -> bool:
        """Whether an abbreviation is in its own case, and no hyphen makes it part of a word."""
        start, end = self.tokens(found.first, found.last)
        doc = self.doc
        if start and not doc[start - 1].whitespace_ and doc[start - 1].text in _HYPHENS:
            return False
        if end < len(doc) and not doc[end - 1].whitespace_ and doc[end].text in _HYPHENS:
            return False
        return in_case(found.pattern, doc[start:end].text)


def _joined(patterns: Sequence[Pattern]) -> tuple[str, str, list[str], bool]:
    """Label, kind, ids and `always` of a name with several patterns; the latest pattern's label."""
    candidates = [code for pattern in patterns for code in pattern.candidates[:1]]
    candidates += [code for pattern in patterns for code in pattern.candidates[1:]]
    kind = min((pattern.kind for pattern in patterns), key=list[str](KINDS).index)
    always = any(pattern.always for pattern in patterns)
    return patterns[0].label, kind, list(dict.fromkeys(candidates)), always
