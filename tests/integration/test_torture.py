"""The trials of `make torture` run, and their table tells what did not hold."""

from __future__ import annotations

import pytest

from tests.torture import fuzz, kills, memory, threads
from tests.torture.__main__ import table
from tests.torture.trials import Bench, Promise, Tally, make_bench


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return make_bench(tmp_path_factory.mktemp("torture"))


def failures(tally: Tally) -> list[str]:
    assert tally
    return [failure for score in tally.values() for failure in score.failures]


@pytest.mark.parametrize("function, count", [("standoff", 20), ("tables", 20), ("hostile", 20),
                                             ("long", 1), ("command_line", 1)])  # fmt: skip
def test_fuzz(bench: Bench, function: str, count: int) -> None:
    tally = fuzz.several(getattr(fuzz, function), bench, range(count))
    assert failures(tally) == []


def test_kills(bench: Bench) -> None:
    assert failures(kills.resumed(bench, 0, ["group"])) == []
    assert failures(kills.full(bench, 5)) == []


def test_threads(bench: Bench) -> None:
    assert failures(threads.batches(bench, range(3))) == []


def test_memory(bench: Bench) -> None:
    assert failures(memory.cost(bench, memory.Case("short", ["a" * 1000]))) == []
    assert failures(memory.cost(bench, memory.Case("short", ["a" * 1000], megabytes=1))) != []


def test_all_trials_are_listed(bench: Bench) -> None:
    counts = [len(module.tasks(bench, 1, 0)) for module in (fuzz, kills, memory, threads)]
    assert min(counts) > 5


def test_table() -> None:
    promise, tally = Promise("a trial", "what holds"), Tally()
    for number in range(3):
        tally.check(promise, number < 2, number)
    more = Tally()
    more.add(tally)
    more.add(tally)
    assert "| a trial | what holds | 6 | 4 |" in table(more, 1, 0)
    assert more[promise].failures == ["2", "2"]
