"""The most frequent errors of each kind, with their text: only for those who may see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from spacy_cardioner.evaluation.mistakes import KINDS, SPURIOUS, Judged, Judgement
from spacy_cardioner.evaluation.unseen import Name, words_of

# Names of a kind, places of a name, and characters before and after.
MOST, PLACES, AROUND = 10, 2, 60


def examples(
    judged: Judgement, texts: Mapping[str, str], called: Mapping[str, str]
) -> dict[str, list[dict[str, Any]]]:
    """The most frequent names of each kind of error, and where they stand.

    RETURNS (dict[str, list[dict[str, Any]]]): By kind. A place is a list of pieces of text: whether
        each is annotated, whether it is predicted, and the text.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for kind in KINDS:
        ones = [
            one for one in (judged.pred if kind == SPURIOUS else judged.gold) if one.kind == kind
        ]
        names: dict[Name, list[Judged]] = {}
        for one in ones:
            names.setdefault(words_of(one.entity.text), []).append(one)
        ordered = sorted(names.items(), key=lambda item: (-len(item[1]), item[0]))[:MOST]
        if ordered:
            found[kind] = [
                {
                    "mention": of_name[0].entity.text,
                    "number": len(of_name),
                    "places": [
                        {
                            "document": called[one.document],
                            "pieces": _pieces(one, texts[one.document], kind == SPURIOUS),
                        }
                        for one in of_name[:PLACES]
                        if one.document in texts
                    ],
                }
                for _, of_name in ordered
            ]
    return found


def _pieces(one: Judged, text: str, predicted: bool) -> list[tuple[bool, bool, str]]:
    """The text around an entity, cut where it or an entity of the other side starts or ends."""
    ours: Sequence[Any] = [one.entity]
    gold, pred = (one.others, ours) if predicted else (ours, one.others)
    places = [place for each in (*gold, *pred) for place in each[:2]]
    start, end = max(0, min(places) - AROUND), min(len(text), max(places) + AROUND)
    return [
        (_covers(gold, first), _covers(pred, first), text[first:last])
        for first, last in pairwise(sorted({start, *places, end}))
    ]


def _covers(entities: Sequence[Any], place: int) -> bool:
    return any(entity.start <= place < entity.end for entity in entities)
