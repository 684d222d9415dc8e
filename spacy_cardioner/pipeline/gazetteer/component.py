"""The component `cardioner_gazetteer`: marks the names of a list wherever a document has them."""

# No postponed annotations: spaCy checks configs against the types of registered functions.
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example

from spacy_cardioner.characters import PAGE_BREAK
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.gazetteer.added import added_names
from spacy_cardioner.gazetteer.lexicon import Lexicon
from spacy_cardioner.gazetteer.names import TERM
from spacy_cardioner.gazetteer.normalise import pieces
from spacy_cardioner.gazetteer.patterns import PATTERNS_FILE, Pattern, to_pattern
from spacy_cardioner.gazetteer.terms import Terms
from spacy_cardioner.pipeline.gazetteer.marks import (
    Mark,
    Text,
    mark_abbreviations,
    mark_misspelled,
    mark_names,
)
from spacy_cardioner.pipeline.stored import StoredPipe
from spacy_cardioner.tokenizer import LINE_ENDS

# Default name of the component in a pipeline, and of its span group.
GAZETTEER = "gazetteer"
# No name contains a line end among its pieces.
_NEW_LINE = ("\n",)
_NEW_PAGE = ("\n", "\n")
_HYPHEN = ("-",)
_MAX_CACHE = 200_000


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
    try:
        # Faster than a search of `nlp.components`, which is a new list on each access.
        component = nlp.get_pipe(name)
    except KeyError:
        component = None
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

    Terms, which are the patterns of kind "term", are not marked: they are for the linker.
    """

    files = (PATTERNS_FILE,)

    def __init__(self, nlp: Language, name: str = GAZETTEER, spans_key: str = GAZETTEER) -> None:
        self.vocab = nlp.vocab
        self.name = name
        self.spans_key = spans_key
        self.lexicon = Lexicon()
        self.terms = Terms()
        self._cache: dict[int, tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self.lexicon) + len(self.terms)

    def __contains__(self, name: str) -> bool:
        return name in self.lexicon

    @property
    def labels(self) -> tuple[str, ...]:
        """RETURNS (Tuple[str]): The labels of the names that are marked."""
        return self.lexicon.labels

    @property
    def patterns(self) -> list[dict[str, Any]]:
        """RETURNS (List[dict]): All patterns, as `add_patterns` takes them."""
        return [pattern.to_dict() for pattern in (*self.lexicon, *self.terms)]

    def add_patterns(self, patterns: Iterable[Mapping[str, Any]]) -> None:
        """Add names.

        patterns (Iterable[Mapping]): String patterns as spaCy's rulers take them, for example
            ``{"label": "FARMACO", "pattern": "bisoprolol", "id": "C07AB07"}``. They may also have
            the keys "kind", "also" and "always", see `gazetteer.patterns.Pattern`.
        RAISES (CardionerError): A pattern is malformed.
        """
        self._add(
            to_pattern(pattern, f"{self.name}: pattern {number}")
            for number, pattern in enumerate(patterns, 1)
        )

    def _add(self, patterns: Iterable[Pattern]) -> None:
        patterns = list(patterns)
        self.lexicon.add(pattern for pattern in patterns if pattern.kind != TERM)
        self.terms.add(pattern for pattern in patterns if pattern.kind == TERM)

    def clear(self) -> None:
        """Remove all names."""
        self.lexicon, self.terms = Lexicon(), Terms()

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
        self._add(added_names(Path(path)))
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
        text = Text(doc, *self._pieces(doc))
        mark_names(text, self.lexicon)
        mark_abbreviations(text, self.lexicon)
        mark_misspelled(text, self.lexicon)
        yield from text.sorted()

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
        found = _NEW_LINE if text in LINE_ENDS else pieces(text)
        if text == PAGE_BREAK:
            found = _NEW_PAGE
        self._cache[orth] = found
        return found
