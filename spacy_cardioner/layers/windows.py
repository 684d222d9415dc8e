"""Windows of the transformer family: which tokens are encoded together.

A window has a centre, and context on both sides of it. Each token takes its vector from the window
where it is farthest from an edge (BIT.UA at MultiCardioNER, CLEF 2024). Entities are decoded from
the vectors of the whole note, so that the boundary of a window cannot cut one.

Windows depend only on the note. A sentence gate leaves out those whose centre is gated; the others,
and the vectors of their tokens, do not change.
"""

# No postponed annotations: spaCy checks configs against the types of registered functions.
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import numpy
from numpy.typing import NDArray
from spacy.tokens import Doc, Span
from thinc.types import Ragged

from spacy_cardioner.errors import CardionerError

# Key in Doc.spans of the sentences that are not encoded.
GATED = "gated"

Windows = list[list[Span]]
GetSpans = Callable[[list[Doc]], Windows]
Array = NDArray[Any]


def create_context_windows(window: int, context: int) -> GetSpans:
    """Registered function: windows of about the same length.

    window (int): Maximum number of tokens in a window.
    context (int): Number of these that are context, on each side unless the note ends there.
    RAISES (CardionerError): The window has no centre.
    """
    return partial(_get_windows, _centre(window, context), context, False)


def create_sentence_windows(window: int, context: int) -> GetSpans:
    """Registered function: a window for each sentence, for use with a sentence gate.

    The arguments are those of `create_context_windows`. A long sentence has several windows.
    """
    return partial(_get_windows, _centre(window, context), context, True)


def _centre(window: int, context: int) -> int:
    if context < 0 or window <= 2 * context:
        raise CardionerError(
            f"a window of {window} tokens with {context} tokens of context on each side has no "
            "centre; give a larger window or less context"
        )
    return window - 2 * context


def _get_windows(size: int, context: int, by_sentence: bool, docs: list[Doc]) -> Windows:
    """The windows of each document that are encoded: at least one, unless it is empty."""
    windows: Windows = []
    for doc in docs:
        gated = gated_tokens(doc)
        spans = [
            doc[max(start - context, 0) : min(end + context, len(doc))]
            for part in (doc.sents if by_sentence else [doc[:]])
            for start, end in _cut(part.start, part.end, size)
            if not gated[start:end].all()
        ]
        windows.append(spans or [doc[:1]] if len(doc) else [])
    return windows


def _cut(start: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    """Split a range into the smallest number of parts of at most `size`, as even as possible."""
    n_parts = -(-(end - start) // size)
    return pairwise(start + (end - start) * i // max(n_parts, 1) for i in range(n_parts + 1))


def gated_tokens(doc: Doc) -> Array:
    """Which tokens are in gated sentences, as an array of booleans."""
    gated = numpy.zeros(len(doc), dtype=bool)
    for span in doc.spans.get(GATED, ()):
        gated[span.start : span.end] = True
    return gated


def central_alignment(docs: list[Doc], windows: Windows, align: Ragged, row: int) -> Ragged:
    """Keep the wordpieces of each token in the window where it is farthest from an edge.

    The start and end of a note do not count as edges. Gated tokens keep no wordpieces.

    windows (Windows): The windows of each document. Empty documents have none.
    align (Ragged): The wordpieces of each token in all windows, numbered window by window.
    row (int): Number of wordpieces in each window, including padding.
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

    A window at the start or end of a note extends far beyond it.
    """
    beyond = sum(map(len, docs))
    offset, first, last = 0, [], []
    for doc, spans in zip(docs, windows, strict=True):
        for span in spans:
            first.append(offset + span.start if span.start else -beyond)
            last.append(offset + span.end - 1 if span.end < len(doc) else 2 * beyond)
        offset += len(doc)
    return numpy.array(first), numpy.array(last)
