"""The answers that a lexicon remembers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from spacy_cardioner.gazetteer import lexicon
from spacy_cardioner.gazetteer.lexicon import Answer, Lexicon
from spacy_cardioner.gazetteer.patterns import Pattern
from tests.racing import THREADS, quick_switches

NAMES = [f"farmaco {letter}{other}" for letter in "bcdfg" for other in "lmnpr"]


def test_threads_get_their_answers_while_the_memory_is_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lexicon, "_MAX_CACHE", 2)
    names = Lexicon(Pattern(name, id=f"C{number}") for number, name in enumerate(NAMES))
    want = [Answer("exact", [f"C{number}"]) for number in range(len(NAMES))]

    def look_up(first: int) -> bool:
        order = [*range(first, len(NAMES)), *range(first)]
        return [names.look_up(NAMES[i]) for i in order] == [want[i] for i in order]

    with quick_switches(), ThreadPoolExecutor(THREADS) as threads:
        for _ in range(100):
            assert all(threads.map(look_up, range(THREADS)))


def test_an_answer_is_not_older_than_the_names() -> None:
    names = Lexicon([Pattern("bisoprolol", id="C07AB07")])
    real = names._look_up

    def slow(name: str) -> Answer | None:
        """Meanwhile, another thread adds a name."""
        found = real(name)
        names.add([Pattern("bisoprolol", id="NEW")])
        return found

    names._look_up = slow  # type: ignore[method-assign]
    names.look_up("bisoprolol")
    names._look_up = real  # type: ignore[method-assign]
    answer = names.look_up("bisoprolol")
    assert answer is not None
    assert answer.candidates[0] == "NEW"
