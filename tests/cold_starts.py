"""Cold starts: threads share a pipeline that has not seen a text yet.

Usage: python -m tests.cold_starts [STARTS]

The pipeline is loaded once. Each start runs in a fork of this process, so that its caches and its
vocabulary are as they are after loading. Eight threads annotate a text at the same time; then one
thread annotates it again. Prints as JSON how many answers there were, and those that differ from
the answer of a start with one thread.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from threading import Barrier
from typing import Any

# Before numpy is imported. A fork of a process with threads could block.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import numpy
import spacy
from spacy.language import Language
from spacy.tokens import Span
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_cardioner.gazetteer.laboratory import laboratory
from spacy_cardioner.layers.windows import GATED
from spacy_cardioner.spans import read_entities
from tests.racing import THREADS, quick_switches
from tests.shipped import shipped

TEXT = "Niega angina. Alérgico a penicilina; toma bisoprolol 2,5 mg por fibrilación auricular."


def make_pipeline() -> Language:
    """The Spanish pipeline with all components, which have not seen the text."""
    nlp = spacy.load(shipped("es"))
    fix_random_seed(0)
    gate: Any = nlp.add_pipe("cardioner_gate", config={"threshold": 0.999})
    example = Example(nlp.make_doc("."), nlp.make_doc("."))
    gate.initialize(lambda: [example], labels=["FARMACO"])
    scores = gate.model.layers[1].layers[0]
    weights = numpy.random.default_rng(1).normal(size=scores.get_param("W").shape)
    scores.set_param("W", weights.astype("f"))
    if find_spec("medspacy"):
        nlp.add_pipe("cardioner_context")
    # Takes half of the time of a start, and `lru_cache` is made for threads.
    laboratory("es")
    return nlp


def answer(nlp: Language) -> str:
    """All that the components find in the text, or the error."""
    try:
        doc = nlp(TEXT)
        names = ("is_negated", "is_historical", "candidates")
        known = [name for name in names if Span.has_extension(name)]
        ents = [(ent.text, ent.kb_id_, *map(ent._.get, known)) for ent in doc.ents]
        gated = [(span.start, span.end) for span in doc.spans[GATED]]
        return repr((read_entities(doc), ents, gated))
    except Exception as error:
        return repr(error)


def start(threads: int) -> list[str]:
    """The answers of all threads, and that of one thread afterwards."""
    barrier = Barrier(threads)

    def answer_together(_: int) -> str:
        barrier.wait()
        return answer(NLP)

    with quick_switches(1e-4), ThreadPoolExecutor(threads) as pool:
        found = [*pool.map(answer_together, range(threads))]
    return [*found, answer(NLP)]


if __name__ == "__main__":
    NLP = make_pipeline()
    starts = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    # A fork for each start.
    with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1) as pool:
        [expected, again] = pool.apply(start, [1])
        assert expected == again
        found = [each for all_ in pool.map(start, [THREADS] * starts, 1) for each in all_]
    wrong = sorted({each for each in found if each != expected})
    print(json.dumps({"expected": expected, "answers": len(found), "wrong": wrong}))
