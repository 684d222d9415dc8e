"""Windows for the encoder: each token is read with as much context as any window gives it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, SpanGroup
from thinc.types import Ragged

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.layers import transformer as layer
from spacy_cardioner.layers.windows import (
    GATED,
    central_alignment,
    create_context_windows,
    create_sentence_windows,
)
from spacy_cardioner.tokenizer import blank
from tests.tiny_encoder import MAX_WORDPIECES, encoded, encoder_config, save_tiny_encoder

VOCAB = spacy.blank("xx").vocab
TEXT = "Alérgico a penicilina. Tratamiento: bisoprolol 2,5 mg y apixabán 5 mg cada 12 h.\n"
NUMBERS = "1234567,8910 987654321 0,000123456 31415926535 "


def make_doc(sentences: list[tuple[int, bool]]) -> Doc:
    """A document with sentences of these lengths, of which some are gated."""
    starts = [i == 0 for length, _ in sentences for i in range(length)]
    doc = Doc(VOCAB, words=["x"] * len(starts), sent_starts=starts)
    gated, start = [], 0
    for length, is_gated in sentences:
        if is_gated:
            gated.append(doc[start : start + length])
        start += length
    doc.spans[GATED] = SpanGroup(doc, name=GATED, spans=gated)
    return doc


documents = st.lists(st.tuples(st.integers(1, 30), st.booleans()), max_size=12).map(make_doc)
getters = st.tuples(
    st.sampled_from([create_context_windows, create_sentence_windows]),
    st.integers(1, 20),
    st.integers(0, 8),
).map(lambda chosen: chosen[0](chosen[1] + 2 * chosen[2], chosen[2]))


def open_tokens(doc: Doc) -> set[int]:
    gated = {token.i for span in doc.spans[GATED] for token in span}
    return set(range(len(doc))) - gated


@given(documents, st.integers(1, 20), st.integers(0, 8), st.booleans())
def test_windows_hold_every_token_that_is_to_be_read(
    doc: Doc, centre: int, context: int, by_sentence: bool
) -> None:
    create = create_sentence_windows if by_sentence else create_context_windows

    [windows] = create(centre + 2 * context, context)([doc])

    held = {token.i for window in windows for token in window}
    assert held >= open_tokens(doc)
    assert all(0 < len(window) <= centre + 2 * context for window in windows)
    assert bool(windows) == bool(len(doc))
    if doc.spans[GATED] and not open_tokens(doc):
        assert [len(window) for window in windows] == [1]


@given(documents, st.integers(1, 20), st.integers(0, 8), st.booleans())
def test_gate_leaves_windows_out_and_moves_none(
    doc: Doc, centre: int, context: int, by_sentence: bool
) -> None:
    get = (create_sentence_windows if by_sentence else create_context_windows)(
        centre + 2 * context, context
    )
    to_read = open_tokens(doc)
    [gated] = get([doc])
    doc.spans[GATED] = []
    [whole] = get([doc])

    if to_read:
        assert {(w.start, w.end) for w in gated} <= {(w.start, w.end) for w in whole}
    assert len(to_read) < len(doc) or len(gated) == len(whole)


@given(st.lists(documents, min_size=1, max_size=3), getters)
def test_token_is_read_where_it_is_farthest_from_an_edge(docs: list[Doc], get: Any) -> None:
    windows = get(docs)
    row = max((len(window) for spans in windows for window in spans), default=1) + 2
    aligned: list[list[int]] = []
    places: list[list[tuple[float, int]]] = []
    number = 0
    for doc, spans in zip(docs, windows, strict=True):
        tokens: list[list[int]] = [[] for _ in doc]
        distances: list[list[tuple[float, int]]] = [[] for _ in doc]
        for window in spans:
            for position, token in enumerate(window):
                left = token.i - window.start if window.start else numpy.inf
                right = window.end - 1 - token.i if window.end < len(doc) else numpy.inf
                tokens[token.i].append(number * row + position + 1)
                distances[token.i].append((min(left, right), number))
            number += 1
        aligned += tokens
        places += distances
    flat = numpy.array([piece for pieces in aligned for piece in pieces], dtype="i")
    align = Ragged(flat, numpy.array([len(pieces) for pieces in aligned], dtype="i"))

    central = central_alignment(docs, windows, align, row)

    is_open = [token.i in open_tokens(doc) for doc in docs for token in doc]
    assert central.lengths.tolist() == [int(o) for o in is_open]
    chosen = iter((central.dataXd // row).tolist())
    for distance in (d for d, o in zip(places, is_open, strict=True) if o):
        best = max(place for place, _ in distance)
        assert next(chosen) == next(window for place, window in distance if place == best)


@pytest.mark.parametrize("create", [create_context_windows, create_sentence_windows])
@pytest.mark.parametrize(("window", "context"), [(32, 16), (0, 0), (8, -1)])
def test_window_without_centre(create: Any, window: int, context: int) -> None:
    with pytest.raises(CardionerError, match="centre"):
        create(window, context)


@pytest.fixture(scope="module")
def nlp(tmp_path_factory: pytest.TempPathFactory) -> Language:
    pytest.importorskip("spacy_transformers", reason="needs the extra trf")
    encoder = save_tiny_encoder(tmp_path_factory.mktemp("encoder"), [TEXT])
    nlp = blank("es")
    windows = {"@span_getters": "spacy_cardioner.context_windows.v1", "window": 24, "context": 6}
    nlp.add_pipe("transformer", config=encoder_config(encoder, windows))
    nlp.initialize()
    return nlp


def vectors(doc: Doc) -> Any:
    """The vector of each token, the mean of its wordpieces."""
    data = doc._.trf_data
    pieces = data.model_output.last_hidden_state.reshape(-1, data.width)
    starts = numpy.cumsum(data.align.lengths) - data.align.lengths
    chosen = pieces[data.align.dataXd]
    return numpy.stack(
        [
            chosen[start : start + length].mean(axis=0) if length else numpy.zeros(data.width)
            for start, length in zip(starts, data.align.lengths, strict=True)
        ]
    )


def test_vectors_are_those_of_the_central_window(
    nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    doc = nlp(TEXT * 5)
    whole = vectors(doc)
    attrs = nlp.get_pipe("transformer").model.attrs
    [windows] = attrs["get_spans"]([doc])
    second = windows[1]
    words = [token.text for token in second]
    spaces = [bool(token.whitespace_) for token in second]
    monkeypatch.setitem(attrs, "get_spans", lambda docs: [[doc[:]] for doc in docs])

    alone = vectors(nlp.get_pipe("transformer")(Doc(nlp.vocab, words=words, spaces=spaces)))

    same = numpy.isclose(alone, whole[second.start : second.end], atol=1e-4).all(axis=1)
    assert len(windows) > 3
    assert same.tolist() == [6 <= i < len(second) - 6 for i in range(len(second))]


@pytest.mark.parametrize("text", [TEXT * 170, NUMBERS * 750, "ñ" * 2000 + " " + TEXT * 170])
def test_memory_does_not_grow_with_the_note(nlp: Language, text: str) -> None:
    with encoded(nlp.get_pipe("transformer")) as masks:
        doc = nlp(text)

    assert len(doc) >= 3000
    assert len(masks) > 1
    assert max(mask.size for mask in masks) <= layer.MAX_PIECES
    assert max(mask.shape[1] for mask in masks) <= MAX_WORDPIECES
    assert len(vectors(doc)) == len(doc)


def test_parts_give_the_vectors_of_the_whole(
    nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [TEXT * 3, "", "ñ" * 400, NUMBERS * 5 + TEXT]
    at_once = [vectors(doc) if len(doc) else None for doc in nlp.pipe(texts)]

    monkeypatch.setattr(layer, "MAX_PIECES", 64)
    with encoded(nlp.get_pipe("transformer")) as masks:
        in_parts = [vectors(doc) if len(doc) else None for doc in nlp.pipe(texts)]

    assert len(masks) > len(texts)
    for one, other in zip(at_once, in_parts, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert numpy.allclose(one, other, atol=1e-4)


def test_windows_are_saved_by_name(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert numpy.allclose(vectors(loaded(TEXT * 4)), vectors(nlp(TEXT * 4)), atol=1e-5)
