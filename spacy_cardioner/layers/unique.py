"""Words that are embedded once per batch, in their usual spelling."""

# No postponed annotations: spaCy checks configs against the types of registered functions.
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy
from spacy.attrs import NORM, ORTH
from spacy.tokens import Doc
from thinc.api import Model

from spacy_cardioner.characters import ODD, seen
from spacy_cardioner.layers import Backprop, Tok2Vec, Vectors
from spacy_cardioner.spelling import usual_spelling

# 2^64 divided by the golden ratio. It is odd, so that no bit of a hash is lost.
_MIX = numpy.uint64(0x9E3779B97F4A7C15)


class Batch(list[Doc]):
    """The documents of a batch, for several layers that embed its words."""

    @cached_property
    def unique_words(self) -> tuple[Doc, Any]:
        """The distinct words in their usual spelling, see `unique_words`."""
        return unique_words(list(map(usual_spelling, self)))


def create_unique_words(tok2vec: Tok2Vec) -> Tok2Vec:
    """Registered function: embed each distinct word of a batch once, in its usual spelling.

    Notes in capitals, in lower case or without accents are embedded as they are usually written,
    see `spelling.usual_spelling`. For others, the results are those of `tok2vec` except for
    rounding. In training, every word is embedded.

    tok2vec (Tok2Vec): An embedding that depends only on the text and norm of a word, such as
        `spacy.MultiHashEmbed.v2` with NORM, PREFIX, SUFFIX and SHAPE.
    """
    model: Tok2Vec = Model(
        "unique_words",
        _forward,
        init=_init,
        layers=[tok2vec],
        dims={"nO": tok2vec.maybe_get_dim("nO")},
    )
    model.set_ref("tok2vec", tok2vec)
    return model


def _init(model: Tok2Vec, X: list[Doc] | None = None, Y: Vectors | None = None) -> None:
    tok2vec = model.layers[0]
    tok2vec.initialize(X=X, Y=Y)
    if tok2vec.has_dim("nO"):
        model.set_dim("nO", tok2vec.get_dim("nO"))


def _forward(model: Tok2Vec, docs: list[Doc], is_train: bool) -> tuple[Vectors, Backprop]:
    tok2vec = model.layers[0]
    if is_train or not any(map(len, docs)):
        return tok2vec(list(map(usual_spelling, docs)), is_train)
    batch = docs if isinstance(docs, Batch) else Batch(docs)
    words, places = batch.unique_words
    [vectors] = tok2vec.predict([words])
    lengths = model.ops.asarray1i([len(doc) for doc in docs])
    rows: Any = vectors[model.ops.asarray1i(places)]
    return model.ops.unflatten(rows, lengths), lambda gradient: gradient


def unique_words(docs: Sequence[Doc]) -> tuple[Doc, Any]:
    """The distinct words of documents that are not all empty, as they look.

    RETURNS (Tuple[Doc, Ints1d]): A document of the words, and the index of each token's word in it.
    """
    keys = numpy.concatenate([doc.to_array([ORTH, NORM]) for doc in docs])
    mixed = keys[:, 0] * _MIX ^ keys[:, 1]
    _, first, places = numpy.unique(mixed, return_index=True, return_inverse=True)
    vocab = docs[0].vocab
    texts = [vocab.strings[orth] for orth in keys[first, 0].tolist()]
    # Faster than a search of each word.
    if ODD.search("".join(texts)):
        texts = [seen(text) or " " for text in texts]
    words = Doc(vocab, words=texts)
    norms: Any = keys[first, 1:]
    words.from_array([NORM], norms)
    return words, places
