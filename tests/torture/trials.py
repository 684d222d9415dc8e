"""What the trials share: promises and how often they held, and notes to try."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

import spacy
from spacy.language import Language

SAMPLE = Path(__file__).resolve().parents[2] / "assets/sample"
LANGUAGES = {"es": "track1/distemist_train", "en": "track2/drugtemist_train/en",
             "it": "track2/drugtemist_train/it"}  # fmt: skip
# Stands in every note, id and header that may be at fault, and in no message.
SECRET = "Zxsecreto"
DRUG = "bisoprolol"


class Promise(NamedTuple):
    """A row of the table: what is done, and what must hold each time."""

    trial: str
    promise: str


@dataclass
class Score:
    """How often a promise was tried and held, and what failed."""

    trials: int = 0
    held: int = 0
    failures: list[str] = field(default_factory=list)


class Tally(defaultdict[Promise, Score]):
    """The scores of promises."""

    def __init__(self) -> None:
        super().__init__(Score)

    def __reduce__(self) -> tuple[type[Tally], tuple[()], None, None, object]:
        return Tally, (), None, None, iter(self.items())

    def check(self, promise: Promise, held: object, what: object = "") -> None:
        """Count a trial. `what` says which one it was and what came instead."""
        score = self[promise]
        score.trials += 1
        score.held += bool(held)
        if not held:
            score.failures.append(str(what))

    def add(self, other: Tally) -> None:
        """Add the scores of other trials."""
        for promise, score in other.items():
            mine = self[promise]
            mine.trials += score.trials
            mine.held += score.held
            mine.failures += score.failures


class Bench(NamedTuple):
    """Where trials leave their files, and the pipelines that they run.

    models (tuple[str, ...]): Names whose first letters are their language.
    finder (str): A pipeline that is loaded in a moment and finds one drug.
    """

    folder: Path
    models: tuple[str, ...]
    finder: str


def make_bench(folder: Path, models: Sequence[str] = ()) -> Bench:
    """Prepare a folder. Without models, all trials run the drug finder."""
    nlp = spacy.blank("es")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "FARMACO", "pattern": DRUG}])
    finder = folder / "finder"
    nlp.to_disk(finder)
    return Bench(folder, tuple(models) or (str(finder),), str(finder))


# A trial in a process of its own. It is repeatable, but for what depends on time.
Task = Callable[[], Tally]


@cache
def load(model: str) -> Language:
    """A pipeline that stays loaded."""
    return spacy.load(model)


@cache
def sample(language: str) -> list[str]:
    """The texts of the sample corpus."""
    folder = SAMPLE / LANGUAGES.get(language, LANGUAGES["es"]) / "brat"
    return [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.txt"))]


def noisy(rng: random.Random, language: str = "es") -> str:
    """A note of the sample with other sentences, and some characters doubled, lost or swapped."""
    lines = [line for text in rng.sample(sample(language), 2) for line in text.split(". ")]
    text = ". ".join(rng.sample(lines, min(len(lines), rng.randint(2, 9))))
    for _ in range(rng.randint(0, 6)):
        at = rng.randrange(len(text))
        text = (
            text[:at] + rng.choice(["", text[at] * 2, text[at].swapcase(), "\n"]) + text[at + 1 :]
        )
    return f"{text} {rng.randint(0, 9999)} mg de {DRUG}."
