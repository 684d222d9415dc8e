"""Words find their translations: learned from texts, and from vectors."""

from __future__ import annotations

import numpy as np
import pytest

from spacy_cardioner.projection.encoder import pooled
from spacy_cardioner.projection.links import similar
from spacy_cardioner.projection.statistical import align_words

CORPUS = [
    (
        "el paciente refiere dolor torácico desde ayer",
        "the patient reports chest pain since yesterday",
    ),
    ("el paciente niega dolor abdominal hoy", "the patient denies abdominal pain today"),
    ("ayer refiere fiebre sin dolor lumbar", "yesterday reports fever without lower back pain"),
    ("cirugía torácica sin fiebre desde hoy", "chest surgery without fever since today"),
    ("el dolor cede con enoxaparina 60", "the pain subsides with 60 enoxaparin"),
]


def aligned(corpus: list[tuple[str, str]]) -> list[set[tuple[str, str]]]:
    """The most likely source word of each target word."""
    pairs = [(ours.split(), theirs.split()) for ours, theirs in corpus]
    return [
        {(ours[links[:, j].argmax()], word) for j, word in enumerate(theirs)}
        for (ours, theirs), links in zip(pairs, align_words(pairs), strict=True)
    ]


def test_translations_are_learned_from_the_texts() -> None:
    found = aligned(CORPUS)
    assert {("torácico", "chest"), ("dolor", "pain"), ("desde", "since")} <= found[0]
    assert {("fiebre", "fever"), ("sin", "without")} <= found[2]


def test_what_looks_the_same_is_linked_though_it_changed_places() -> None:
    assert {("enoxaparina", "enoxaparin"), ("60", "60")} <= aligned(CORPUS)[4]


def test_links_are_probabilities_and_the_same_each_time() -> None:
    pairs = [(ours.split(), theirs.split()) for ours, theirs in CORPUS]
    pairs += [([], ["word"]), (["word"], []), ([], [])]
    first, second = align_words(pairs), align_words(pairs)
    for (ours, theirs), one, other in zip(pairs, first, second, strict=True):
        assert one.shape == (len(ours), len(theirs))
        assert (one == other).all() and (one >= 0).all() and (one <= 1).all()
    assert align_words([]) == []


def test_vectors_that_are_the_nearest_to_each_other_are_linked() -> None:
    ours = np.eye(3, 4, dtype=np.float32)
    theirs = ours[[2, 0]]
    links = similar(ours, theirs)
    assert links.shape == (3, 2)
    assert links[2, 0] > 0.9 and links[0, 1] > 0.9
    assert np.delete(links.ravel(), [1, 4]).max() < 0.1
    assert similar(ours[:0], theirs).shape == (0, 2)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([(0, 2), (3, 5)], [0.5, 2.0]),  # two wordpieces of the first word
        ([(0, 1), (1, 2)], [0.0, 1.0]),
        ([(3, 4), (4, 5)], [2.0, 2.0]),  # a wordpiece of two words
        ([(0, 2), (6, 9)], [0.5, 0.0]),  # beyond the end of the encoder
    ],
)
def test_a_word_has_the_mean_of_its_wordpieces(
    words: list[tuple[int, int]], expected: list[float]
) -> None:
    """The wordpieces are "a", "b" and " cd", between the special ones."""
    pieces = np.array([[9.0], [0.0], [1.0], [2.0], [9.0]], np.float32)
    offsets = [(0, 0), (0, 1), (1, 2), (2, 5), (0, 0)]
    assert pooled(pieces, offsets, words).ravel().tolist() == expected
