"""Conditions of prescriptions: "paracetamol 1 g si dolor", "si dolor, paracetamol 1 g", "PRN: GTN".

A condition belongs to the drug before it in the same item, with a dose between, or else to the drug
that follows it. The other items of the list are taken without condition.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from medspacy.context import ConTextModifier, ConTextRule
from spacy.tokens import Span

from spacy_cardioner.gazetteer.patterns import LABEL as DRUG
from spacy_cardioner.pipeline.context.items import DENIALS, JOINS, Items, Region

LONGEST_DOSE = 25  # tokens between a drug and its condition
LONGEST_CONDITION = 3  # tokens of a condition after a comma: "fiebre o dolor"
HEADING = 2  # words before a condition in a heading: "Medicación a demanda:"
NEAR = 6  # tokens between "as needed:" and the drug
ALTERNATIVES = frozenset({"o", "u", "or", "oppure", "/", "+"})
PERIODS = frozenset(
    "noche tarde cena medio media night evening half sera notte mezzo mezza".split()
)
INTRODUCED = frozenset(
    ", : tomar tome puede con dar administrar usar take give use can may assumere prendere "
    "può somministrare usare".split()
)
# A drug that is stopped, kept or given in another dose is taken already: "reducir X si Y".
CHANGED = re.compile(
    "suspen|retir|redu|ridu|ridot|baj[ae]|disminu|aument|sub[ie]|increment|ajust|evit|interr"
    "|dej[aeo]|cambi|sustitu|manten|mantien|maintain|stop|hold|withh|decreas|increas|discont"
    "|titrat|adjust|avoid|chang|switch|lower|sospe|modific|diminu|never|not$|nunca$|mai$"
)
# Before "si", another sentence than the prescription: "ver si", "y avisar si", "salvo si".
ASKED = re.compile(
    "ver$|saber$|pregunt|consult|avis|acud|valor|comprob|vigil|control|revis|volver|salvo$|except"
    "|incluso$|see$|ask|check|know|call$|return|come|contact|monitor|decid|even$|watch|assess"
    "|determin|tell|report|veder|saper|chied|torna|avvis|contatt|valut|rivolg|recar|verific"
    "|tranne$|eccetto$|anche$"
)
TAKES = re.compile("tom[aó]|recib|usa$|lleva|tak|receiv|on$|assum|prend|ricev")
ENDED_BY = ("NEGATED_EXISTENCE", "CONTRAST", "PRESENT_NOW")


def conditions(
    modifiers: Sequence[ConTextModifier],
    targets: Iterable[Span],
    items: Items,
    reach: Mapping[int, int],
) -> list[ConTextModifier]:
    """Find the drug of each condition, and end the scope of its cue at the other drugs.

    modifiers (Sequence[ConTextModifier]): All cues in the order of the text. Those of conditions
        say so in their metadata.
    reach (Mapping[int, int]): For tokens of a line that introduces a list, the end of the list.
    RETURNS (list[ConTextModifier]): Cues that modify the drugs of conditions and nothing else.
    """
    prescriptions = Prescriptions(targets, items)
    found = []
    for place, cue in enumerate(modifiers):
        if not (cue.rule.metadata or {}).get("condition"):
            continue
        start, end = cue.modifier_span
        asked = cue.direction != "BACKWARD"  # "si" and not "si precisa"
        region = prescriptions.before(start, end, asked=asked)
        if region and not ended(modifiers, place, region.start):
            # "prn chest pain", "si dolor, tos o fiebre"
            last = prescriptions.condition_end(end)
            cue._scope_start, cue._scope_end = end, min(cue._scope_end, last) if asked else last
        elif region := prescriptions.after(start, end, reach.get(start), asked=asked):
            last = items.item_end(end)
            cue._scope_start, cue._scope_end = end, min(cue._scope_end, last) if asked else last
        elif asked:
            cue._scope_end = prescriptions.scope_end(start, end, cue)
        if region:
            rule = ConTextRule(cue.rule.literal, cue.category, allowed_types={DRUG})
            found.append(ConTextModifier(rule, start, end, items.doc, *region))
    return found


def ended(modifiers: Sequence[ConTextModifier], place: int, start: int) -> bool:
    """Whether a cue between a drug and its condition, the cue at a place, ends a prescription."""
    for cue in (modifiers[before] for before in range(place - 1, -1, -1)):
        if cue.modifier_span[0] < start:
            return False
        if cue.category in ENDED_BY and cue.direction != "PSEUDO":
            return True
    return False


class Prescriptions:
    """Finds the drugs around a condition."""

    def __init__(self, targets: Iterable[Span], items: Items) -> None:
        self.items = items
        self.starts: dict[int, int] = {}
        for target in targets:
            if target.label_ == DRUG:
                for index in range(target.start, target.end):
                    self.starts[index] = min(target.start, self.starts.get(index, index))

    def before(self, start: int, end: int, *, asked: bool) -> Region | None:
        """The drug of the item that a condition ends."""
        items = self.items
        if asked and items.separates(end):  # a "sí" without accent
            return None
        left = items.text(start - 1)
        if left == "," and not self._alone(end, asked=asked):
            return None
        last = start - 1 if left in ("(", "[", ",") else start
        first = self._drug(last)
        if first is None:
            return None
        while items.text(first - 1) in ALTERNATIVES and first - 2 in self.starts:
            first = self.starts[first - 2]
        said = [items.text(place) for place in range(items.clause(first), first)]
        if any(word in DENIALS or CHANGED.match(word) for word in said):
            return None
        if left == "," and asked and any(word.isalpha() for word in said):
            return None
        return Region(first, last)

    def _drug(self, last: int) -> int | None:
        """The start of the nearest drug before a token, with no more than a dose between."""
        items = self.items
        depth = 0
        for place in range(last - 1, max(-1, last - LONGEST_DOSE - 1), -1):
            text = items.text(place)
            if depth == 0 and place in self.starts:
                return self.starts[place]
            if text == "\n":
                return None
            if text in (")", "]"):
                depth += 1
            elif text in ("(", "["):
                depth -= 1
                if depth < 0:
                    return None
            elif depth == 0 and (self._ends(place) or ASKED.match(text)):
                return None
        return None

    def _ends(self, place: int) -> bool:
        """Whether a token ends a dose. A comma, colon, full stop or "and" may be part of it."""
        items = self.items
        text = items.text(place)
        if not items.separates(place) and text not in JOINS:
            return False
        following = items.doc[place + 1] if place + 1 < len(items.doc) else None
        if text == ":" or following is None:
            return text != ":"
        if text == ".":  # "1 comp. cada 8 h"
            return not following.is_lower
        return not (following.like_num or following.lower_ in PERIODS) or place + 1 in items.starts

    def _alone(self, end: int, *, asked: bool) -> bool:
        """Whether a condition after a comma is all of its item: "paracetamol 1 g, si dolor"."""
        items = self.items
        last = items.item_end(end)
        if self.first(end, last) < last:
            return False
        if not asked:
            return True
        if last - end > LONGEST_CONDITION:
            return False
        return items.text(last) in ("", "\n", ".", ";") or last + 1 in self.starts

    def first(self, start: int, end: int) -> int:
        """The start of the first drug between two places, or the second place."""
        return next((place for place in range(start, end) if place in self.starts), end)

    def opens(self, start: int) -> bool:
        """Whether a condition opens its item."""
        items = self.items
        return not any(items.doc[place].is_alpha for place in range(items.clause(start), start))

    def condition_end(self, start: int) -> int:
        """The end of a condition, which may be a list: "dolor, tos o fiebre"."""
        items = self.items
        last = items.item_end(start)
        while items.text(last) == "," and last - start < LONGEST_DOSE:
            following = items.item_end(last + 1)
            if not any(items.text(place) in ALTERNATIVES for place in range(last, following)):
                break
            last = following
        return self.first(start, last)

    def scope_end(self, start: int, end: int, cue: ConTextModifier) -> int:
        """Where the scope of a condition ends whose drug follows, if any does."""
        items = self.items
        first = self.first(end, cue._scope_end)
        if first >= cue._scope_end:
            return first
        left = items.text(first - 1)
        if left == "," and not self.opens(start):
            return first - 1
        words = [items.text(place) for place in range(end, first)]
        near = len(words) <= LONGEST_CONDITION and not any(TAKES.match(word) for word in words)
        return items.item_end(first) if near or left in INTRODUCED else cue._scope_end

    def after(self, start: int, end: int, list_end: int | None, *, asked: bool) -> Region | None:
        """The drugs after a heading ("PRN meds: GTN") or after "as needed" that opens an item."""
        items = self.items
        mark = items.item_end(end)
        heading = items.text(mark) == ":" and mark - end <= LONGEST_CONDITION
        said = sum(items.doc[place].is_alpha for place in range(items.clause(start), start))
        # "Si no mejora, metamizol"
        direct = items.text(mark) == "," and mark + 1 in self.starts
        near = mark - end <= (LONGEST_CONDITION if asked else 0)
        if said > (HEADING if heading else 0) or (asked and not heading and not (direct and near)):
            return None
        if heading and list_end:
            return Region(mark + 1, list_end)
        first = mark + 1 if heading or (near and items.text(mark) == ",") else end
        last = items.item_end(first)
        if self.first(first, min(first + NEAR, last)) >= last:
            return None
        while heading and not asked and items.text(last) in (",", "/"):
            last = items.item_end(last + 1)
        return Region(first, last)
