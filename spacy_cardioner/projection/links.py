"""The links between the words of parallel texts: statistical, and with an encoder contextual."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spacy_cardioner.projection.encoder import Encoder, Vectors
from spacy_cardioner.projection.spans import Range
from spacy_cardioner.projection.statistical import Matrix, align_words
from spacy_cardioner.projection.texts import Parallel, Text

# Divides the cosines before the softmax.
TEMPERATURE = 0.05
# Texts that are encoded together; their mean vector is what words of a language share.
GROUP = 50


def statistical(texts: Sequence[Parallel]) -> list[list[Matrix]]:
    """The links of each pair of sentences of each text, learned from all of them."""
    found = iter(align_words([text.spelled(pair) for text in texts for pair in text.pairs]))
    return [[next(found) for _ in text.pairs] for text in texts]


def add_contextual(
    links: list[list[Matrix]],
    texts: Sequence[Parallel],
    wanted: Sequence[set[int]],
    encoder: Encoder,
) -> None:
    """Take the mean of the links and those that an encoder finds.

    wanted (Sequence[set[int]]): The numbers of the pairs of each text to do so for.
    """
    for first in range(0, len(texts), GROUP):
        group = range(first, min(first + GROUP, len(texts)))
        chosen = [(i, k) for i in group for k in sorted(wanted[i])]
        ours = _encoded([(texts[i].source, texts[i].pairs[k].source) for i, k in chosen], encoder)
        theirs = _encoded([(texts[i].target, texts[i].pairs[k].target) for i, k in chosen], encoder)
        for (i, k), our, their in zip(chosen, ours, theirs, strict=True):
            links[i][k] = (links[i][k] + similar(our, their)) / 2


def similar(ours: Vectors, theirs: Vectors) -> Matrix:
    """How far two words are the most similar to each other, from their vectors of length 1.

    The geometric mean of the softmax over each side, 0 to 1: a soft mutual argmax (SimAlign,
    https://aclanthology.org/2020.findings-emnlp.147).
    """
    if not (len(ours) and len(theirs)):
        return np.zeros((len(ours), len(theirs)), np.float32)
    closeness = np.exp((ours @ theirs.T - 1) / TEMPERATURE)
    both = closeness.sum(1, keepdims=True) * closeness.sum(0, keepdims=True)
    return np.asarray(closeness / np.sqrt(both), np.float32)


def _encoded(places: Sequence[tuple[Text, Range]], encoder: Encoder) -> list[Vectors]:
    """The vectors of the words of some sentences of texts: without their mean, of length 1."""
    sentences = []
    for text, numbers in places:
        for words in text.sentences[slice(*numbers)]:
            start, end = words[0][0], words[-1][1]
            sentences.append((text.text[start:end], [(a - start, b - start) for a, b in words]))
    if not sentences:
        return [np.zeros((0, 0), np.float32) for _ in places]
    every = np.concatenate(encoder.vectors(sentences))
    every -= every.mean(0)
    every /= np.maximum(np.linalg.norm(every, axis=1, keepdims=True), 1e-6)
    sizes = [len(text.words(numbers)) for text, numbers in places]
    return np.split(every, np.cumsum(sizes)[:-1])
