"""Runs a pipeline over notes: one way for every note, whatever it came from or goes to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from operator import length_hint
from typing import NamedTuple

import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from tqdm import tqdm

from spacy_cardioner.annotate.readers import SourceNote
from spacy_cardioner.compat import check_transformers
from spacy_cardioner.corpus import SPANS_KEY
from spacy_cardioner.errors import CardionerError

BATCH_SIZE = 64

# Where a text that is too long is cut, best first: after a line, a sentence, a word.
BORDERS = tuple(re.compile(border) for border in (r"\r\n?|\n", r"[.!?…]\s+", r"\s+"))


class Mention(NamedTuple):
    """An entity that a pipeline found; offsets in code points of the note.

    start, end (int): Its first character, and the one after its last.
    label (str): Its label.
    text (str): Its characters, exactly those of the note from start to end.
    score (float | None): How sure the pipeline is, where it says so.
    kb_id (str): The code that the pipeline linked it to, for a drug its ATC code; or "".
    """

    start: int
    end: int
    label: str
    text: str
    score: float | None = None
    kb_id: str = ""


class _Piece(NamedTuple):
    """Where a text given to the pipeline lies in its note."""

    note: SourceNote
    start: int
    end: int


def load_pipeline(model: str) -> Language:
    """Load an installed pipeline by its name, or a saved one by its path.

    RAISES (CardionerError): There is none, or it cannot be loaded here.
    """
    try:
        return spacy.load(model)
    except ImportError as error:
        if (error.name or "").startswith(("transformers", "spacy_transformers")):
            check_transformers()
        raise CardionerError(f"{model}: a package that it needs is missing: {error}") from error
    except OSError as error:
        raise CardionerError(
            f"{model}: neither an installed pipeline nor the folder of a saved one; "
            f"install its wheel with pip, or give the folder ({error})"
        ) from error
    except (AttributeError, TypeError, ValueError) as error:
        raise CardionerError(f"{model}: cannot be loaded as a pipeline: {error}") from error


def annotate_texts(
    nlp: Language,
    notes: Iterable[SourceNote],
    *,
    batch_size: int = BATCH_SIZE,
    progress: bool = False,
) -> Iterator[tuple[SourceNote, list[Mention]]]:
    """Find the entities of each note, in the order of the notes and without holding them all.

    A note longer than `nlp.max_length` goes through the pipeline in pieces that end where a line,
    a sentence or a word ends.

    nlp (Language): The pipeline.
    notes (Iterable[SourceNote]): The notes.
    batch_size (int): How many texts the pipeline gets at a time.
    progress (bool): Show a progress bar on standard error, if that is a terminal and it takes
        over two seconds.
    YIELDS (tuple[SourceNote, list[Mention]]): Each note with its entities, sorted by start, end
        and label.
    RAISES (CardionerError): The pipeline's tokenizer does not keep the characters of a text.
    """
    pieces = (piece for note in notes for piece in _pieces(note, nlp.max_length))
    texts = ((piece.note.text[piece.start : piece.end], piece) for piece in pieces)
    found: list[Mention] = []
    hidden = None if progress else True  # None: where standard error is no terminal
    with tqdm(total=length_hint(notes) or None, unit="note", delay=2, disable=hidden) as bar:
        for doc, piece in nlp.pipe(texts, as_tuples=True, batch_size=batch_size):
            note, start, end = piece
            if doc.text != note.text[start:end]:
                raise CardionerError(
                    f"{note.id}: the pipeline's tokenizer changes the text, so that no offset "
                    "would hold; use a pipeline with spaCy's own tokenizer"
                )
            found += (_moved(mention, start) for mention in doc_entities(doc))
            if end == len(note.text):
                yield note, found
                found = []
                bar.update()


def doc_entities(doc: Doc) -> list[Mention]:
    """The entities of a document: all of `doc.spans["cardioner"]` where the pipeline writes that
    group, which may overlap; else `doc.ents`.

    RETURNS (list[Mention]): Sorted by start, end and label.
    """
    spans = doc.spans.get(SPANS_KEY, doc.ents)
    return sorted(map(_mention, spans), key=lambda mention: mention[:3])


def cut(text: str, limit: int) -> Iterator[tuple[int, int]]:
    """Cut a text into pieces of at most `limit` characters, each as long as its end allows: after a
    line, else a sentence, else a word. A text within the limit, an empty one too, is one piece.

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


def _mention(span: Span) -> Mention:
    score = span._.score if Span.has_extension("score") else None
    return Mention(
        span.start_char,
        span.end_char,
        span.label_,
        span.text,
        None if score is None else float(score),
        span.kb_id_,
    )


def _moved(mention: Mention, by: int) -> Mention:
    return mention._replace(start=mention.start + by, end=mention.end + by)


def _pieces(note: SourceNote, limit: int) -> Iterator[_Piece]:
    return (_Piece(note, start, end) for start, end in cut(note.text, limit))
