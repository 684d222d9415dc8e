"""What `configs/experiments.yml` tries and no pipeline has: layers, augmenters, doubts.

`cardioner experiments` loads this file for the experiments (`code` in the campaign's file), so that
their figures in `docs/experiments.md` can be made again. Nothing of it is part of the package.
"""

# No `from __future__ import annotations`: configs are checked against the types of the registered
# functions, which must not be strings.
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import srsly
from spacy.attrs import ORTH
from spacy.language import Language
from spacy.strings import hash_string
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry
from thinc.api import (
    HashEmbed,
    Linear,
    Maxout,
    Model,
    chain,
    concatenate,
    expand_window,
    reduce_max,
    with_array,
    zero_init,
)
from thinc.types import Floats2d, Ragged

from spacy_cardioner.corpus import NOTE_ID, SPANS_KEY
from spacy_cardioner.tokenizer import blank
from spacy_cardioner.training.augment import Augmenter, Edit, rewrite

Encoder = Model[list[Doc], list[Floats2d]]

# Letters of a word that the character CNN sees; of longer ones the first and the last half of them.
LETTERS = 20


@registry.architectures("tried.Characters.v1")
def create_characters(tok2vec: Encoder, width: int) -> Encoder:
    """A character CNN (Ma and Hovy 2016) beside an embedding: windows of five letters, the maximum
    over the word.
    """
    cnn: Model[Any, Any] = chain(
        Model("letters", lambda model, words, is_train: (_letters(words), lambda d: [])),
        with_array(HashEmbed(32, 1000, column=0)),
        expand_window(2),
        with_array(Maxout(width, 5 * 32, nP=2, normalize=True)),
        reduce_max(),
    )
    return _beside(tok2vec, cnn, width)


@registry.architectures("tried.Affixes.v1")
def create_affixes(tok2vec: Encoder, width: int) -> Encoder:
    """The first and last two to five letters of each word, beside an embedding."""
    columns = range(2 * len(AFFIXES))
    affixes: Model[Any, Any] = chain(
        Model("affixes", lambda model, words, is_train: (_affixes(words), lambda d: [])),
        concatenate(*(HashEmbed(width, 2000, column=i, seed=i) for i in columns)),
        Maxout(width, width * len(columns), nP=3, normalize=True),
    )
    return _beside(tok2vec, affixes, width)


AFFIXES = (2, 3, 4, 5)


def _letters(words: list[str]) -> Ragged:
    half = LETTERS // 2
    seen = [word if len(word) <= LETTERS else word[:half] + word[-half:] for word in words]
    codes = numpy.array([[ord(letter)] for word in seen for letter in word], dtype="uint64")
    return Ragged(codes, numpy.array([len(word) for word in seen], dtype="i"))


def _affixes(words: list[str]) -> Any:
    rows = []
    for word in map(str.lower, words):
        parts = [f"<{word[:n]}" for n in AFFIXES] + [f"{word[-n:]}>" for n in AFFIXES]
        rows.append([hash_string(part) for part in parts])
    return numpy.array(rows, dtype="uint64")


def _beside(tok2vec: Encoder, spelling: Model[list[str], Floats2d], width: int) -> Encoder:
    """Add to each token's vector what a model of spellings makes of its word."""
    return Model(
        "beside", _beside_forward, init=_beside_init, layers=[tok2vec, spelling], dims={"nO": width}
    )


def _beside_init(model: Encoder, X: Any = None, Y: Any = None) -> None:
    tok2vec, spelling = model.layers
    tok2vec.initialize(X=X)
    spelling.initialize(X=["word"])


def _beside_forward(
    model: Encoder, docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], Any]]:
    tok2vec, spelling = model.layers
    vectors, backprop_tok2vec = tok2vec(docs, is_train)
    keys = numpy.concatenate([doc.to_array([ORTH]).reshape(-1) for doc in docs])
    if not len(keys):
        return vectors, backprop_tok2vec
    unique, places = numpy.unique(keys, return_inverse=True)
    rows, backprop_spelling = spelling([docs[0].vocab.strings[key] for key in unique], is_train)
    lengths = model.ops.asarray1i([len(doc) for doc in docs])
    added = model.ops.unflatten(rows[places], lengths)

    def backprop(gradients: list[Floats2d]) -> Any:
        d_rows = model.ops.alloc2f(*rows.shape)
        model.ops.scatter_add(d_rows, places, model.ops.flatten(gradients))
        backprop_spelling(d_rows)
        return backprop_tok2vec(gradients)

    return [vector + more for vector, more in zip(vectors, added, strict=True)], backprop


@registry.architectures("tried.Sentences.v1")
def create_sentences(embed: Encoder, encode: Model[list[Floats2d], list[Floats2d]]) -> Encoder:
    """An encoder that sees each sentence on its own; `spacy.Tok2Vec.v2` sees whole notes."""
    return Model(
        "sentences",
        _sentences_forward,
        init=_sentences_init,
        layers=[embed, encode],
        dims={"nO": encode.get_dim("nO")},
    )


def _sentences_init(model: Encoder, X: Any = None, Y: Any = None) -> None:
    embed, encode = model.layers
    embed.initialize(X=X)
    encode.initialize()


def _sentences_forward(
    model: Encoder, docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], Any]]:
    embed, encode = model.layers
    ops = model.ops
    notes = ops.asarray1i([len(doc) for doc in docs])
    sentences = ops.asarray1i([len(sentence) for doc in docs for sentence in doc.sents])
    vectors, backprop_embed = embed(docs, is_train)
    cut = ops.unflatten(ops.flatten(vectors), sentences)
    encoded, backprop_encode = encode(cut, is_train)

    def backprop(gradients: list[Floats2d]) -> Any:
        d_cut = backprop_encode(ops.unflatten(ops.flatten(gradients), sentences))
        return backprop_embed(ops.unflatten(ops.flatten(d_cut), notes))

    return ops.unflatten(ops.flatten(encoded), notes), backprop


@registry.architectures("tried.NoteContext.v1")
def create_note_context(
    encode: Model[list[Floats2d], list[Floats2d]], width: int
) -> Model[list[Floats2d], list[Floats2d]]:
    """An encoder whose tokens also see the mean of their note's vectors."""
    summary: Model[Any, Any] = Linear(width, width, init_W=zero_init)
    return Model(
        "note_context",
        _context_forward,
        init=_context_init,
        layers=[encode, summary],
        dims={"nO": width, "nI": width},
    )


def _context_init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
    for layer in model.layers:
        layer.initialize()


def _context_forward(
    model: Model[Any, Any], notes: list[Floats2d], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], Any]]:
    encode, summary = model.layers
    xp = model.ops.xp
    full = [i for i, note in enumerate(notes) if len(note)]
    means = model.ops.asarray2f(xp.stack([notes[i].mean(axis=0) for i in full]))
    added, backprop_summary = summary(means, is_train)
    seen = list(notes)
    for row, i in zip(added, full, strict=True):
        seen[i] = notes[i] + row
    encoded, backprop_encode = encode(seen, is_train)

    def backprop(gradients: list[Floats2d]) -> list[Floats2d]:
        d_seen = backprop_encode(gradients)
        d_means = backprop_summary(
            model.ops.asarray2f(xp.stack([d_seen[i].sum(axis=0) for i in full]))
        )
        for row, i in zip(d_means, full, strict=True):
            d_seen[i] = d_seen[i] + row / len(d_seen[i])
        return d_seen

    return encoded, backprop


@registry.augmenters("tried.listed_mentions.v1")
def create_listed_mentions(path: str, level: float) -> Augmenter:
    """Replace drugs by names of a patterns file, of the same number of words, with probability
    `level`.
    """
    names: dict[int, list[list[str]]] = {}
    for entry in srsly.read_jsonl(path):
        pattern = entry["pattern"]
        words = pattern.split() if isinstance(pattern, str) else []
        names.setdefault(len(words), []).append(words)

    def augment(nlp: Language, example: Example) -> Iterator[Example]:
        spans = [s for s in example.reference.spans.get(SPANS_KEY, ()) if s.label_ == "FARMACO"]
        diseases = [s for s in example.reference.spans.get(SPANS_KEY, ()) if s not in spans]
        edits = []
        for span in spans:
            inside = any(d.start < span.end and span.start < d.end for d in diseases)
            if not inside and names.get(len(span)) and random.random() < level:
                words = random.choice(names[len(span)])
                edits.append(Edit(span.start, span.end, words, [True] * (len(words) - 1)))
        yield rewrite(nlp, example, edits)

    return augment


@registry.augmenters("tried.trimmed_doses.v1")
def create_trimmed_doses(lang: str) -> Augmenter:
    """Cut doses off the edges of drugs ("dextrosa 1,5 %"), as CardioCCC is annotated."""
    off: dict[str, list[str]] = {"join": [], "abbreviations": [], "repeat": []}
    trim = blank(lang).create_pipe("postprocess", config={**off, "trim_doses": ["FARMACO"]})

    def augment(nlp: Language, example: Example) -> Iterator[Example]:
        layers = example.reference.spans[SPANS_KEY].attrs["layers"]
        trim(example.reference)
        example.reference.spans[SPANS_KEY].attrs["layers"] = layers
        yield example

    return augment


@registry.callbacks("tried.doubts.v1")
def create_doubts(path: str, weight: float) -> Callable[[Language], None]:
    """Let the tokens of doubtful mentions count less in the loss of their label.

    path (str): What `benchmarks/disagreements.py` has written.
    weight (float): How much they count; 1 as others do, 0 not at all.
    """
    doubts: dict[str, list[tuple[str, int, int]]] = {}
    for row in srsly.read_jsonl(path):
        doubts[row["id"]] = [(d["label"], d["start"], d["end"]) for d in row["doubts"]]

    def after_init(nlp: Language) -> None:
        ner: Any = nlp.get_pipe("ner")
        get_targets = ner._get_targets

        def weighted(examples: Any) -> Any:
            examples = list(examples)
            tags, known = get_targets(examples)
            offset = 0
            for eg in examples:
                for label, start, end in doubts.get(eg.reference.user_data.get(NOTE_ID), ()):
                    span = eg.predicted.char_span(start, end, alignment_mode="expand")
                    known[ner.labels.index(label), offset + span.start : offset + span.end] *= (
                        weight
                    )
                offset += len(eg.predicted)
            return tags, known

        ner._get_targets = weighted

    return after_init
