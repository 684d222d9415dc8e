"""Threads that share a pipeline, and notes that share a batch."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc

from spacy_cardioner.batch.mentions import Mention, doc_entities, known_attributes
from tests.racing import THREADS, quick_switches
from tests.torture.trials import Bench, Promise, Tally, Task, load, noisy

COLD = Promise(
    "8 threads call a pipeline that was just loaded, with all components and context",
    "the mentions of a single thread, in each thread and afterwards",
)
BATCH = Promise(
    "Random batches of 2 to 64 notes",
    "the same mentions as alone, scores within 1e-5",
)
NOTES = 4
PER_TASK = 5
TOLERANCE = 1e-5


def tasks(bench: Bench, scale: float, seed: int) -> list[Task]:
    """At full scale: 100 cold starts, 200 batches."""
    return [
        partial(function, bench, range(seed + first, seed + min(first + PER_TASK, count)))
        for function, full in ((cold, 100), (batches, 200))
        for count in [max(1, round(full * scale))]
        for first in range(0, count, PER_TASK)
    ]


def cold(bench: Bench, seeds: Sequence[int]) -> Tally:
    """Load pipelines and call each from all threads at once."""
    tally = Tally()
    for seed in seeds:
        model = bench.models[seed % len(bench.models)]
        texts, expected = _expected(model)
        nlp = _complete(spacy.load(model))
        gate = threading.Barrier(THREADS)
        with quick_switches(1e-4), ThreadPoolExecutor(THREADS) as pool:
            work = partial(_wrong, nlp, texts, expected, gate)
            during = [problem for found in pool.map(work, range(THREADS)) for problem in found]
        after = _wrong(nlp, texts, expected)
        what = f"cold {seed} {model}: {len(during)}, then {len(after)} wrong: {during[:1]}"
        tally.check(COLD, not during and not after, what)
    return tally


def _wrong(
    nlp: Language,
    texts: list[str],
    expected: list[list[Mention]],
    gate: threading.Barrier | None = None,
    number: int = 0,
) -> list[str]:
    """Process all notes, in an order of this thread. RETURNS (list[str]): What differs."""
    wrong = []
    if gate is not None:
        gate.wait()
    for index in random.Random(number).sample(range(len(texts)), len(texts)):
        try:
            if not _same(_mentions(nlp, nlp(texts[index])), expected[index]):
                wrong.append(f"note {index}")
        except Exception as error:
            wrong.append(f"{type(error).__name__}: {error}")
    return wrong


def batches(bench: Bench, seeds: Sequence[int]) -> Tally:
    """Process notes together and alone."""
    tally = Tally()
    for seed in seeds:
        rng = random.Random(f"batch {seed}")
        model = rng.choice(bench.models)
        nlp = load(model)
        texts = [noisy(rng, model[:2]) for _ in range(rng.choice([2, 3, 8, 20, 64]))]
        # Short notes, of which some have nothing that the gazetteer or the model knows.
        texts = [text[: rng.choice([20, 60, 200, 2000])] for text in texts]
        together = [_mentions(nlp, doc) for doc in nlp.pipe(texts, batch_size=len(texts))]
        alone = [_mentions(nlp, nlp(text)) for text in texts]
        wrong = sum(not _same(*pair) for pair in zip(together, alone, strict=True))
        tally.check(BATCH, not wrong, f"batch {seed} {model}: {wrong} of {len(texts)} differ")
    return tally


@cache
def _expected(model: str) -> tuple[list[str], list[list[Mention]]]:
    """Notes, and what one thread finds in them."""
    rng = random.Random(model)
    texts = [noisy(rng, model[:2]) for _ in range(NOTES)]
    nlp = _complete(spacy.load(model))
    return texts, [_mentions(nlp, nlp(text)) for text in texts]


def _complete(nlp: Language) -> Language:
    """Add the context, which no packaged pipeline has."""
    config: dict[str, Any] = {} if nlp.lang in ("es", "en", "it") else {"language": "es"}
    nlp.add_pipe("cardioner_context", config=config)
    return nlp


def _mentions(nlp: Language, doc: Doc) -> list[Mention]:
    return doc_entities(doc, known_attributes(nlp))


def _same(some: list[Mention], others: list[Mention]) -> bool:
    """Whether mentions are equal, and their scores nearly."""
    return len(some) == len(others) and all(
        one._replace(score=None) == two._replace(score=None)
        and abs((one.score or 0) - (two.score or 0)) <= TOLERANCE
        for one, two in zip(some, others, strict=True)
    )
