"""The scope of a cue: the tokens around it in which it may modify an entity, and what ends it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from spacy.tokens import Doc

from spacy_cardioner.pipeline.context.items import JOINS, Items
from spacy_cardioner.pipeline.context.segments import LIST_MARK

if TYPE_CHECKING:
    from medspacy.context import ConTextModifier, ConTextRule

SILENT = ("PSEUDO", "TERMINATE")
STOPS = "BEGIN"  # ends the scope of a cue that stops a treatment
STARTS = ("BEGIN", "START")
CHANGES = ("BEGIN", "CHANGE_TO", "TAKES")
# A line that ends with a colon, and the list items in the lines after it.
LIST = re.compile(rf":[ \t]*\r?\n(?:[ \t]*{LIST_MARK}[^\r\n]*(?:\r?\n|$))+")


def list_reach(doc: Doc, sentences: Sequence[range]) -> dict[int, int]:
    """The end of the list that a sentence introduces, for each token of such sentences."""
    reach: dict[int, int] = {}
    for match in LIST.finditer(doc.text):
        span = doc.char_span(match.start(), match.end(), alignment_mode="expand")
        assert span is not None  # a match covers a token
        reach.update(dict.fromkeys(sentences[span.start], span.end))
    return reach


def bracket_ends(doc: Doc) -> dict[int, int]:
    """The closing bracket of each token in round brackets within a sentence."""
    ends: dict[int, int] = {}
    inside: dict[int, int] = {}
    opened: list[int] = []
    for index, token in enumerate(doc):
        if token.is_sent_start:
            opened = []
        if token.text == ")" and opened:
            ends[opened.pop()] = index
        if opened:
            inside[index] = opened[-1]
        if token.text == "(":
            opened.append(index)
    return {index: ends[opening] for index, opening in inside.items() if opening in ends}


def scope(
    rule: ConTextRule, start: int, end: int, bounds: tuple[int, int], list_end: int | None
) -> tuple[int, int]:
    """The tokens that a cue may modify, before other cues limit them.

    bounds (tuple[int, int]): Its sentence, up to the end of the brackets around the cue.
    list_end (int | None): The end of the list that its line introduces.

    medspaCy would search the sentence of each cue, which is slow in long sentences. The scope of a
    cue that only ends scopes or hides others is the cue itself: medspaCy does not recognise that a
    scope overlaps a wider one around it.
    """
    if rule.direction in SILENT:
        return start, end
    width = rule.max_scope or bounds[1] - bounds[0]
    first, last = max(bounds[0], start - width), min(bounds[1], end + width)
    if rule.direction == "FORWARD":
        return end, list_end or last
    return first, start if rule.direction == "BACKWARD" else last


def reaches_on(doc: Doc, rule: ConTextRule, end: int) -> bool:
    """Whether a cue continues in the next sentence: "Sosp. TEP"."""
    return rule.direction == "FORWARD" and end < len(doc) and doc[end - 1].text in (".", "?")


def limit_scopes(modifiers: Sequence[ConTextModifier], items: Items) -> None:
    """End each scope where another cue in it ends it. Cues do not overlap and are in order."""
    for index, modifier in enumerate(modifiers):
        if modifier.direction in SILENT:
            continue
        for places in (range(index + 1, len(modifiers)), range(index - 1, -1, -1)):
            for place in places:
                other = modifiers[place]
                (first, last), (start, end) = other.modifier_span, modifier.scope_span
                if first < modifier._end and modifier._start < last:
                    continue  # what denies an allergy is part of its cue
                if first >= end or last <= start:
                    break
                own = modifier.rule.terminated_by if other.category in CHANGES else ()
                if other.direction != "PSEUDO" or other.category in (modifier.category, *own):
                    modifier.limit_scope(other)
                    if other.category in STARTS and STOPS in modifier.rule.terminated_by:
                        leave_started(modifier, other, items)


def leave_started(stop: ConTextModifier, start: ConTextModifier, items: Items) -> None:
    """Leave to a cue that starts a treatment what it starts: "stopped A and B was commenced"."""
    first, last = start.modifier_span
    if first >= stop.modifier_span[1]:
        item = items.before(first, gap=2)
        joined = item and any(items.text(place) in JOINS for place in range(item.start, first + 1))
        if item is not None and not joined and item.start > stop.modifier_span[1]:
            stop._scope_end = min(stop._scope_end, item.start)
        return
    for place in range(last, stop.modifier_span[0]):
        if items.separates(place) or items.text(place) in JOINS:
            stop._scope_start = max(stop._scope_start, place)
            return
