"""The borders of a mention in the translation."""

from __future__ import annotations

import numpy as np
import pytest

from spacy_cardioner.projection.spans import Side, agreement, carry
from spacy_cardioner.projection.translations import Translations

SPANISH = frozenset({"de", "del", "la", "el", "un", "con", "sin", "y", "a"})
ENGLISH = frozenset({"of", "the", "a", "with", "without", "and", "in"})

# Source with the mention in brackets, target with what translates it, and the links.
CASES = {
    "heads change places": (
        "tiene [estenosis aórtica grave] .",
        "has [severe aortic stenosis] .",
        "0-0 1-3 2-2 3-1 4-4",
    ),
    "an article of the translation": (
        "por [rotura de cadera]",
        "by the [fracture of the hip]",
        "0-0 1-1:0.4 1-2 2-3 3-4 3-5",
    ),
    "an article of the mention": ("[la cadera]", "[the hip]", "0-0 1-1"),
    "a preposition of the mention": (
        "cava [sin colapso] .",
        "cava [without collapse] .",
        "0-0 1-1 2-2 3-3",
    ),
    "a head that the source leaves out": ("en la [TC] se ve", "on [CT scan] is", "0-0 2-1 4-3"),
    "a comma after it": ("[fiebre] , tos", "[fever] , cough", "0-0 0-1 2-2"),
    "brackets inside": ("[diabetes ( DM )] y", "[diabetes ( DM )] and", "0-0 1-1 2-2 3-3 4-4"),
    "a bracket that closes none of its own": ("( [fiebre] )", "( [fever] )", "1-1 1-2"),
    "an article that is a letter": ("[vitamina A] oral", "[vitamin A] oral", "0-0 1-1 2-2"),
    "a word between": (
        "[lesión hepática] focal",
        "[lesion small hepatic] focal",
        "0-0 1-2 2-3",
    ),
    "a wrong link far away": (
        "[dolor torácico] sin fiebre y sin disnea",
        "[chest pain] without fever and without dyspnoea",
        "0-1 1-0 1-5 2-2 3-3 4-4 5-5 6-6",
    ),
}


def parsed(text: str) -> tuple[list[str], tuple[int, int]]:
    """The words, and which of them are in brackets."""
    words = text.split()
    start = next(i for i, word in enumerate(words) if word.startswith("["))
    end = next(i for i, word in enumerate(words) if word.endswith("]"))
    return [word.strip("[]") for word in words], (start, end + 1)


@pytest.mark.parametrize("name", CASES)
def test_borders(name: str) -> None:
    source, target, linked = CASES[name]
    ours, mention = parsed(source)
    theirs, expected = parsed(target)
    links = np.zeros((len(ours), len(theirs)), np.float32)
    for link in linked.split():
        place, _, weight = link.partition(":")
        i, j = map(int, place.split("-"))
        links[i, j] = float(weight or 1)
    found = carry(links, mention, Side(ours, SPANISH), Side(theirs, ENGLISH))
    assert found is not None
    assert found[0] == expected
    assert 0 < found[1] <= 1


def test_without_a_link_nothing_is_found() -> None:
    side = Side(["fiebre", "y", "tos"], SPANISH)
    assert carry(np.zeros((3, 2), np.float32), (0, 1), side, Side(["fever", "cough"])) is None
    assert carry(np.zeros((3, 0), np.float32), (0, 1), side, Side([])) is None
    # The only link is to a comma.
    links = np.array([[0, 1], [0, 0], [0, 0]], np.float32)
    assert carry(links, (0, 1), side, Side(["fever", ","])) is None


def test_agreement_counts_the_links_that_leave_on_both_sides() -> None:
    links = np.array([[1, 0, 0], [0, 1, 1]], np.float32)
    assert agreement(links, (0, 1), (0, 1)) == 1
    assert agreement(links, (1, 2), (1, 2)) == pytest.approx(2 / 3)
    assert agreement(links, (0, 1), (2, 3)) == 0
    assert agreement(links * 0, (0, 1), (0, 1)) == 0


def test_a_usual_translation_is_found_where_it_stands() -> None:
    known = Translations()
    for _ in range(3):
        known.learn(["tc"], ["ct", "scan"], 0.9)
    known.learn(["tc"], ["ct"], 0.9)
    known.learn(["tc"], ["the"], 0.2)
    known.learn(["rx"], ["x", "ray"], 0.9)
    assert known.share(["tc"], ["ct", "scan"]) == 0.75
    assert known.share(["tc"], ["the"]) == 0
    assert sorted(known.find(["tc"], "the ct scan of the ct".split())) == [(1, 2), (1, 3), (5, 6)]
    assert not list(known.find(["rx"], ["x", "ray"])), "seen once"
    assert not list(known.find(["tac"], ["ct"]))
