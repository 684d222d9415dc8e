"""Learning rate schedules for trainings whose length is given in epochs."""

# No `from __future__ import annotations`: spaCy validates configs with the types of the function.
import random
from collections.abc import Iterator
from pathlib import Path

from spacy.tokens import DocBin
from spacy.training.batchers import minibatch_by_words
from spacy.training.corpus import FILE_TYPE, walk_corpus
from thinc.schedules import warmup_linear

from spacy_cardioner.errors import CardionerError


def warmup_linear_epochs(
    initial_rate: float,
    warmup: float,
    epochs: int | str,
    train: Path | None,
    batch_words: int | str,
) -> Iterator[float]:
    """Registered function: thinc's ``warmup_linear.v1``, which ends with the last epoch.

    warmup (float): Share of the training in which the rate increases, before it decreases.
    train (Path | None): The training corpus, a DocBin or a folder of them: ``paths.train``.
    batch_words (int): The size for the batcher ``spacy.batch_by_words.v1``.
    YIELDS (float): The rate of each step.
    RAISES (CardionerError): There is no corpus, or `epochs` is less than 1; after the first rate, a
        variable has no value: ``nlp.initialize()`` creates an optimizer without resolving them,
        which `spacy debug data` never uses.
    """
    if isinstance(epochs, str) or isinstance(batch_words, str):
        yield 0.0
        raise CardionerError(
            "spacy_cardioner.warmup_linear_epochs.v1: the variables of the config have no values "
            "here; give the optimizer of the interpolated config to nlp.initialize as sgd"
        )
    if train is None or epochs < 1:
        raise CardionerError(
            "spacy_cardioner.warmup_linear_epochs.v1: needs the training corpus, paths.train, and "
            "training.max_epochs of at least 1"
        )
    lengths = [
        len(tokens)
        for path in walk_corpus(train, FILE_TYPE)
        for tokens in DocBin().from_disk(path).tokens
    ]
    # The number of batches depends on the order of the documents: estimate it from one epoch.
    random.Random(0).shuffle(lengths)
    batches = minibatch_by_words(lengths, size=batch_words, get_length=int)
    steps = epochs * sum(1 for _ in batches)
    yield from warmup_linear(initial_rate, round(warmup * steps), steps)
