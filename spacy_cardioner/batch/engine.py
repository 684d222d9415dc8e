"""Runs a pipeline over notes: one way for every note, whatever it came from or goes to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training.batchers import minibatch_by_padded_size

from spacy_cardioner.batch.mentions import Mention, doc_entities, known_attributes
from spacy_cardioner.batch.readers.base import SourceNote
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.spans import NOTE_ID

BATCH_SIZE = 64
# The characters of the notes that are held at a time, and of the texts, each counted as long as the
# longest, that go through the pipeline together.
BATCH_CHARACTERS = 2_000_000
PADDED_CHARACTERS = 400_000

# Where a text that is too long is cut, best first: after a line that ends a sentence (others may be
# wrapped), a line, a sentence, a word.
BORDERS = tuple(
    re.compile(border)
    for border in (r"[.:!?…][^\S\r\n]*(?:\r\n?|\n)", r"\r\n?|\n", r"[.!?…]\s+", r"\s+")
)
# spaCy keeps every word that it has met: about 100 MB for so many.
MAX_NEW_WORDS = 200_000
SPACY_CODE = re.compile(r"\[[EW]\d+\]")


class Annotated(NamedTuple):
    """A note with what was found in it: nothing, where the note has a fault.

    note (SourceNote): The note.
    mentions (list[Mention]): Sorted by start, end and label.
    doc (bytes | None): A DocBin with the note's document, where it was asked for.
    """

    note: SourceNote
    mentions: list[Mention]
    doc: bytes | None = None


class _Piece(NamedTuple):
    """A text given to the pipeline, and where it lies: in which note, from where on."""

    note: int
    start: int
    text: str


def batches(notes: Iterable[SourceNote], size: int = BATCH_SIZE) -> Iterator[list[SourceNote]]:
    """Put notes together, at most `size` and without holding more than a few long ones."""
    batch: list[SourceNote] = []
    characters = 0
    for note in notes:
        batch.append(note)
        characters += len(note.text)
        if len(batch) == size or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


class Annotator:
    """Finds the entities of batches of notes: what every engine calls.

    A note longer than `nlp.max_length` goes through the pipeline in pieces that end where a
    sentence, a line or a word ends. Texts of like length go through it together.

    nlp (Language): The pipeline.
    with_docs (bool): Keep the documents too.
    tick (Callable[[], None]): Called whenever something has been done.
    reload (Callable[[], Language] | None): Loads the pipeline anew. It is called whenever many new
        words have been met, which spaCy would keep for good, so that memory does not grow with the
        number of notes.
    """

    def __init__(
        self,
        nlp: Language,
        *,
        with_docs: bool = False,
        tick: Callable[[], None] = lambda: None,
        reload: Callable[[], Language] | None = None,
    ) -> None:
        self.nlp = nlp
        self.reload = reload
        self.max_words = len(nlp.vocab.strings) + MAX_NEW_WORDS
        self.with_docs = with_docs
        self.tick = tick
        self.attributes = known_attributes(nlp)

    def __call__(self, notes: Sequence[SourceNote]) -> list[Annotated]:
        """RETURNS (list[Annotated]): Each note in its order. One that the pipeline fails on
        has that for a fault, and does not keep the others from being annotated.
        RAISES (CardionerError): The pipeline's tokenizer does not keep the characters of a text.
        """
        if self.reload and len(self.nlp.vocab.strings) > self.max_words:
            self.nlp = self.reload()
        try:
            return self._annotate(notes)
        except CardionerError:
            raise
        except Exception as error:
            if len(notes) > 1:
                return [annotated for note in notes for annotated in self([note])]
            code = SPACY_CODE.search(str(error))
            what = " ".join([type(error).__name__, *([code[0]] if code else [])])
            fault = f"the pipeline failed on it ({what})"
            return [Annotated(note._replace(fault=fault), []) for note in notes]

    def _annotate(self, notes: Sequence[SourceNote]) -> list[Annotated]:
        found: list[list[Mention]] = [[] for _ in notes]
        docs: list[tuple[int, int, Doc]] = []
        for piece, doc in self._pipe(notes):
            if doc.text != piece.text:
                raise CardionerError(
                    f"{notes[piece.note].id}: the pipeline's tokenizer changes the text, so that "
                    "no offset would hold; use a pipeline with spaCy's own tokenizer"
                )
            mentions = doc_entities(doc, self.attributes)
            found[piece.note] += (_moved(mention, piece.start) for mention in mentions)
            if self.with_docs:
                docs.append((piece.note, piece.start, doc))
        joined = self._join(notes, docs)
        return [
            Annotated(note, sorted(mentions, key=itemgetter(0, 1, 2)), joined.get(index))
            for index, (note, mentions) in enumerate(zip(notes, found, strict=True))
        ]

    def _pipe(self, notes: Sequence[SourceNote]) -> Iterator[tuple[_Piece, Doc]]:
        pieces = [
            _Piece(index, start, note.text[start:end])
            for index, note in enumerate(notes)
            if not note.fault
            for start, end in cut(note.text, self.nlp.max_length)
        ]
        for batch in minibatch_by_padded_size(
            pieces,
            PADDED_CHARACTERS,
            buffer=len(pieces) or 1,
            get_length=lambda piece: len(piece.text),
        ):
            texts = ((piece.text, piece) for piece in batch)
            for doc, piece in self.nlp.pipe(texts, as_tuples=True, batch_size=len(batch)):
                yield piece, doc
            self.tick()

    def _join(
        self, notes: Sequence[SourceNote], docs: list[tuple[int, int, Doc]]
    ) -> dict[int, bytes]:
        """The document of each note, its pieces together, as bytes that need no vocabulary."""
        joined = {}
        for index, pieces in groupby(sorted(docs, key=itemgetter(0, 1)), key=itemgetter(0)):
            parts = [doc for _, _, doc in pieces]
            doc = parts[0] if len(parts) == 1 else Doc.from_docs(parts, ensure_whitespace=False)
            assert doc is not None  # it is for no documents only
            doc.user_data[NOTE_ID] = notes[index].id
            joined[index] = DocBin(docs=[doc], store_user_data=True).to_bytes()
        return joined


def cut(text: str, limit: int) -> Iterator[tuple[int, int]]:
    """Cut a text into pieces of at most `limit` characters, each as long as its end allows: after a
    line that ends a sentence, else a line, a sentence, a word. A text within the limit, an empty
    one too, is one piece.

    YIELDS (tuple[int, int]): Start and end of each piece; together they are the whole text.
    """
    start = 0
    while len(text) - start > limit:
        end = _border(text, start, start + limit)
        yield start, end
        start = end
    yield start, len(text)


def _border(text: str, start: int, end: int) -> int:
    for border in BORDERS:
        ends = [match.end() for match in border.finditer(text, start, end)]
        if ends:
            return ends[-1]
    return end


def _moved(mention: Mention, by: int) -> Mention:
    return mention._replace(start=mention.start + by, end=mention.end + by) if by else mention
