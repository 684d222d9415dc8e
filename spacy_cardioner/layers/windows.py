"""Windows for the transformer family: what the encoder reads at a time, and what of it counts.

A window has a centre, and context on both sides that only helps to read the centre: each token
takes its vector from the window in which it is farthest from an edge (BIT.UA at MultiCardioNER,
CLEF 2024). Entities are decoded from the vectors of the whole note, so that no border of a window
cuts one.

Where windows lie depends on the note alone. A sentence gate leaves out those whose centre has no
sentence to be read; the others stay as they are, and so do the vectors of their tokens.
"""

# No `from __future__ import annotations`: configs are checked against the types of the registered
# function, which must not be strings.
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy
from numpy.typing import NDArray
from spacy.tokens import Doc, Span
from thinc.types import Ragged

from spacy_cardioner.errors import CardionerError

# Key of the sentences in Doc.spans that are not to be read.
GATED = "gated"

Windows = list[list[Span]]
GetSpans = Callable[[list[Doc]], Windows]
Range = tuple[int, int]
Array = NDArray[Any]


def create_context_windows(window: int, context: int) -> GetSpans:
    """Registered function: windows of tokens over whole notes, all of about the same length.

    window (int): Most tokens in a window.
    context (int): Tokens of it that are context, on each side where the note goes on.
    RETURNS (Callable): Cuts documents into windows.
    RAISES (CardionerError): The context leaves nothing of the window.
    """
    return partial(_get_windows, partial(_even_parts, _centre(window, context)), context)


def create_sentence_windows(window: int, context: int) -> GetSpans:
    """Registered function: a window for each sentence. Made for a sentence gate.

    window (int): Most tokens in a window. A longer sentence has several.
    context (int): Tokens of context on each side where the note goes on.
    RETURNS (Callable): Cuts documents into windows.
    RAISES (CardionerError): The context leaves nothing of the window.
    """
    return partial(_get_windows, partial(_sentence_parts, _centre(window, context)), context)


def _centre(window: int, context: int) -> int:
    if context < 0 or window <= 2 * context:
        raise CardionerError(
            f"a window of {window} tokens with {context} tokens of context on each side has no "
            "centre; give a larger window or less context"
        )
    return window - 2 * context


def _get_windows(
    get_centres: Callable[[Doc], Iterable[Range]], context: int, docs: list[Doc]
) -> Windows:
    """The windows of each document that are to be read, at least one where there is any token."""
    windows: Windows = []
    for doc in docs:
        gated = gated_tokens(doc)
        spans = [
            doc[max(start - context, 0) : min(end + context, len(doc))]
            for start, end in get_centres(doc)
            if not gated[start:end].all()
        ]
        windows.append(spans or [doc[:1]] if len(doc) else [])
    return windows


def _even_parts(size: int, doc: Doc) -> Iterator[Range]:
    yield from _cut(0, len(doc), size)


def _sentence_parts(size: int, doc: Doc) -> Iterator[Range]:
    for sentence in doc.sents:
        yield from _cut(sentence.start, sentence.end, size)


def _cut(start: int, end: int, size: int) -> Iterator[Range]:
    """Cut a range into the fewest parts of at most `size`, as even as can be."""
    n_parts = -(-(end - start) // size)
    borders = [start + (end - start) * i // max(n_parts, 1) for i in range(n_parts + 1)]
    yield from zip(borders, borders[1:], strict=False)


def gated_tokens(doc: Doc) -> Array:
    """Mark the tokens in sentences that are not to be read.

    doc (Doc): A document, which a sentence gate may have gone over.
    RETURNS (Array): True for each of these tokens.
    """
    gated = numpy.zeros(len(doc), dtype=bool)
    for span in doc.spans.get(GATED, ()):
        gated[span.start : span.end] = True
    return gated


def central_alignment(docs: list[Doc], windows: Windows, align: Ragged, row: int) -> Ragged:
    """Keep, of each token's wordpieces, those in the window where it is farthest from an edge.

    The edge of the note is none: there is no context beyond it that a window would lack. Tokens
    that are not to be read keep no wordpieces.

    docs (list[Doc]): The documents, of which those without tokens have no windows.
    windows (Windows): The windows of each document.
    align (Ragged): The wordpieces of each token in all windows, numbered window by window.
    row (int): Wordpieces in each window, padding included.
    RETURNS (Ragged): The same for fewer wordpieces.
    """
    pieces: Any = align.dataXd
    n_pieces: Any = align.lengths
    n_tokens = len(n_pieces)
    token = numpy.repeat(numpy.arange(n_tokens), n_pieces)
    window = pieces // row
    first, last = _reach(docs, windows)
    distance = numpy.minimum(token - first[window], last[window] - token)
    best = numpy.full(n_tokens, -1)
    numpy.maximum.at(best, token, distance)
    central = distance == best[token]
    chosen = numpy.full(n_tokens, sum(map(len, windows)))
    numpy.minimum.at(chosen, token[central], window[central])
    gated = numpy.concatenate([gated_tokens(doc) for doc in docs])
    kept = (window == chosen[token]) & ~gated[token]
    lengths: Any = numpy.bincount(token[kept], minlength=n_tokens).astype(n_pieces.dtype)
    return Ragged(pieces[kept], lengths)


def _reach(docs: list[Doc], windows: Windows) -> tuple[Array, Array]:
    """The first and last token of each window, counted over all documents.

    A window at the start or end of a note reaches far beyond it.
    """
    beyond = sum(map(len, docs))
    offset, first, last = 0, [], []
    for doc, spans in zip(docs, windows, strict=True):
        for span in spans:
            first.append(offset + span.start if span.start else -beyond)
            last.append(offset + span.end - 1 if span.end < len(doc) else 2 * beyond)
        offset += len(doc)
    return numpy.array(first), numpy.array(last)
