"""The component `gazetteer`: marks the names of a list wherever a document has them."""

# No `from __future__ import annotations`: configs are checked against the types of the registered
# functions, which must not be strings.
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import srsly
from spacy.language import Language
from spacy.pipeline import Pipe
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_cardioner.gazetteer.laboratory import laboratory
from spacy_cardioner.gazetteer.lexicon import Lexicon, in_case
from spacy_cardioner.gazetteer.names import KINDS
from spacy_cardioner.gazetteer.normalise import pieces
from spacy_cardioner.gazetteer.patterns import (
    Pattern,
    dump_patterns,
    read_patterns,
    to_pattern,
)

SPANS_KEY = "gazetteer"
PATTERNS_FILE = "patterns.jsonl"
# No name has a line end among its pieces.
_NEW_LINE = ("\n",)
_HYPHEN = ("-",)
_MAX_CACHE = 200_000


class Mark(NamedTuple):
    """A name that a document has.

    start (int): Its first token.
    end (int): The token after its last.
    label (str): The label of its pattern.
    kind (str): "ingredient", "combination", "group", "abbreviation" or "brand".
    candidates (list[str]): Its ids, the likeliest first; more than one for an ambiguous name.
    analyte (bool): Whether laboratories measure what it names, such as sodium or iron.
    laboratory (bool): Whether it stands in a laboratory context, analyte or not.
    """

    start: int
    end: int
    label: str
    kind: str
    candidates: list[str]
    analyte: bool = False
    laboratory: bool = False


def get_marks(doc: Doc, spans_key: str = SPANS_KEY) -> Iterator[Mark]:
    """Read back what the gazetteer found, to make features of it.

    doc (Doc): A document that the gazetteer has seen.
    spans_key (str): Where it wrote its spans.
    RETURNS (Iterator[Mark]): The marks, in the order of the text. None of them overlap.
    """
    group = doc.spans.get(spans_key, [])
    if len(group):
        attrs = group.attrs
        columns = (attrs[key] for key in ("kinds", "candidates", "analytes", "laboratory"))
        for span, kind, found, analyte, laboratory in zip(group, *columns, strict=True):
            yield Mark(span.start, span.end, span.label_, kind, list(found), analyte, laboratory)


@Language.factory(
    "cardioner_gazetteer",
    assigns=["doc.spans"],
    default_config={"spans_key": SPANS_KEY},
)
def make_gazetteer(nlp: Language, name: str, spans_key: str) -> "Gazetteer":
    """Create a Gazetteer component. It stands first in the pipeline and needs nothing before it.

    The names come from a patterns file, see `initialize`; later ones are added with
    `add_patterns`. Each name found is a span in ``doc.spans[spans_key]`` with the label and the id
    (ATC code) of its pattern; `get_marks` gives its kind and all ids as well, and whether it is
    an analyte or stands in a laboratory context, by our rules for the pipeline's language.

    name (str): The component instance name.
    spans_key (str): Key of the Doc.spans dict to save the spans under.
    """
    return Gazetteer(nlp.vocab, name, spans_key=spans_key)


class NamePipe(Pipe):
    """A component that has a list of names, saved with the pipeline."""

    def __init__(self, vocab: Vocab, name: str) -> None:
        """Initialize the component with no names."""
        self.vocab = vocab
        self.name = name
        self.lexicon = Lexicon()

    def __len__(self) -> int:
        """The number of patterns."""
        return len(self.lexicon)

    def __contains__(self, name: str) -> bool:
        """Whether a name is in the list, in any case and spelling of its accents."""
        return name in self.lexicon

    @property
    def labels(self) -> tuple[str, ...]:
        """RETURNS (Tuple[str]): The labels of the patterns."""
        return tuple(sorted({pattern.label for pattern in self.lexicon}))

    @property
    def patterns(self) -> list[dict[str, Any]]:
        """RETURNS (List[dict]): All patterns, as `add_patterns` takes them."""
        return [pattern.to_dict() for pattern in self.lexicon]

    def add_patterns(self, patterns: Iterable[dict[str, Any]]) -> None:
        """Add names to the list.

        patterns (Iterable[dict]): String patterns as spaCy's rulers take them, for example
            ``{"label": "FARMACO", "pattern": "bisoprolol", "id": "C07AB07"}``; also with "kind"
            and "also", see `gazetteer.patterns.Pattern`.
        RAISES (CardionerError): A pattern is not of that form.
        """
        self._add(to_pattern(pattern) for pattern in patterns)

    def _add(self, patterns: Iterable[Pattern]) -> None:
        self.lexicon.add(patterns)

    def clear(self) -> None:
        """Forget all names."""
        self.lexicon = Lexicon()

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        patterns: Sequence[dict[str, Any]] | None = None,
    ) -> None:
        """Take the names from a patterns file, which the config gives as for spaCy's rulers.

        get_examples (Callable[[], Iterable[Example]]): Not used.
        nlp (Language): Not used.
        patterns (Optional[Sequence[dict]]): The patterns. In a config, under
            ``[initialize.components.gazetteer.patterns]``: ``@readers = "srsly.read_jsonl.v1"``
            and ``path``.
        """
        if patterns is not None:
            self.clear()
            self.add_patterns(patterns)

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Serialize the names."""
        return bytes(srsly.msgpack_dumps(self.patterns))

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "NamePipe":
        """Load the names from bytes."""
        self.clear()
        self.add_patterns(srsly.msgpack_loads(bytes_data))
        return self

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the names to a folder."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PATTERNS_FILE).write_text(dump_patterns(self.lexicon), encoding="utf-8")

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "NamePipe":
        """Load the names from a folder."""
        self.clear()
        self._add(read_patterns(Path(path) / PATTERNS_FILE))
        return self


class Gazetteer(NamePipe):
    """Pipeline component that marks names in ``doc.spans``."""

    def __init__(self, vocab: Vocab, name: str = "gazetteer", *, spans_key: str = SPANS_KEY):
        """Initialize the component. `make_gazetteer` describes the arguments."""
        super().__init__(vocab, name)
        self.spans_key = spans_key
        self._cache: dict[int, tuple[str, ...]] = {}

    def __call__(self, doc: Doc) -> Doc:
        """Mark the names of one document.

        doc (Doc): The document.
        RETURNS (Doc): The same document.
        """
        marks = list(self.find(doc))
        spans = [
            Span(doc, mark.start, mark.end, mark.label, span_id=mark.candidates[0])
            if mark.candidates
            else Span(doc, mark.start, mark.end, mark.label)
            for mark in marks
        ]
        attrs = {
            "kinds": [mark.kind for mark in marks],
            "candidates": [mark.candidates for mark in marks],
            "analytes": [mark.analyte for mark in marks],
            "laboratory": [mark.laboratory for mark in marks],
        }
        doc.spans[self.spans_key] = SpanGroup(doc, name=self.spans_key, spans=spans, attrs=attrs)
        return doc

    def find(self, doc: Doc) -> Iterator[Mark]:
        """Find the names of a document, the longest from each place on.

        doc (Doc): The document.
        RETURNS (Iterator[Mark]): The names, in the order of the text. None of them overlap.
        """
        folded, owners = self._pieces(doc)
        rules = laboratory(doc.vocab.lang)
        end_of_last = 0
        for first, last, patterns in self.lexicon.find(folded):
            start, end = owners[first], owners[last - 1] + 1
            # A name starts and ends with a token, not within one.
            whole = (first == 0 or owners[first - 1] < start) and owners[last] >= end
            if start < end_of_last or not whole:
                continue
            # doc.text would put the whole note together again for each name.
            text = doc[start:end].text
            if spelled := [pattern for pattern in patterns if in_case(pattern, text)]:
                analyte = rules.is_analyte(folded[first:last])
                measured = rules.is_context(folded, first, last)
                yield _mark(start, end, spelled, analyte, measured)
                end_of_last = end

    def _pieces(self, doc: Doc) -> tuple[list[str], list[int]]:
        """The pieces of all tokens; and for each piece, and for the end, the token's index."""
        folded: list[str] = []
        owners: list[int] = []
        new_line = False
        for index, orth in enumerate(doc.to_array("ORTH").tolist()):
            found = self._cache.get(orth) or self._remember(orth, doc[index].text)
            if found is _NEW_LINE:
                # Names go on in the next line, but not in the next paragraph.
                found, new_line = found if new_line else (), True
            elif found:
                new_line = False
                if found == _HYPHEN and _is_glued(doc, index):
                    found = ()
            folded += found
            owners += [index] * len(found)
        return folded, [*owners, len(doc)]

    def _remember(self, orth: int, text: str) -> tuple[str, ...]:
        if len(self._cache) > _MAX_CACHE:
            self._cache.clear()
        self._cache[orth] = _NEW_LINE if text in ("\n", "\r\n", "\r") else pieces(text)
        return self._cache[orth]


def _is_glued(doc: Doc, index: int) -> bool:
    """Whether no space parts a token from those on both sides."""
    return 0 < index < len(doc) - 1 and not (doc[index].whitespace_ or doc[index - 1].whitespace_)


def _mark(start: int, end: int, patterns: list[Pattern], analyte: bool, measured: bool) -> Mark:
    """One mark for all patterns of a name; of several labels that of the latest pattern."""
    candidates = [code for pattern in patterns for code in pattern.candidates[:1]]
    candidates += [code for pattern in patterns for code in pattern.candidates[1:]]
    kind = min((pattern.kind for pattern in patterns), key=list[str](KINDS).index)
    codes = list(dict.fromkeys(candidates))
    return Mark(start, end, patterns[0].label, kind, codes, analyte, measured)
