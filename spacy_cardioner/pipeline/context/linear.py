"""medspaCy's ConText for notes of any length. Importing this module imports medspaCy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from medspacy.context import ConText, ConTextModifier, ConTextRule
from spacy.language import Language
from spacy.tokens import Doc, Span

from spacy_cardioner.spans import non_overlapping

SILENT = ("PSEUDO", "TERMINATE")

# A line that ends with a colon, and the list items in the lines after it.
LIST = re.compile(r":[ \t]*\r?\n(?:[ \t]*(?:[-*•·–—+>]|[0-9]{1,2}[.)-])[^\r\n]*(?:\r?\n|$))+")


class LinearConText(ConText):
    """ConText in linear time, which leaves no graph in the document.

    medspaCy compares each modifier of a note with all others and with all targets; this class
    compares it with those in its scope. There are four more differences:

    - a cue that overlaps a target is ignored, so that the "sin" of "infarto sin elevación del ST"
      negates nothing, and cues that it would have overruled count;
    - the scope of a cue in a line such as "Niega:" is the list in the lines below;
    - the scope of a cue in brackets ends where they close: "(sin fiebre) y disnea";
    - a pseudo cue ends only scopes of its own category: "con" that of "sin", not that of "padre".
    """

    def __init__(
        self,
        nlp: Language,
        name: str,
        *,
        span_attrs: Mapping[str, Mapping[str, Any]],
        terminating_types: Mapping[str, Sequence[str]],
    ) -> None:
        """Create a ConText without rules, given medspaCy's settings. Use `add` to add rules."""
        super().__init__(
            nlp,
            name,
            rules=None,
            span_attrs=span_attrs,
            terminating_types=terminating_types,
            prune_on_modifier_overlap=False,
        )

    def edges(self, doc: Doc, targets: Sequence[Span]) -> list[tuple[Span, ConTextModifier]]:
        """Find which cues modify which targets, without modifying the document.

        RETURNS (list[tuple[Span, ConTextModifier]]): Each target with each cue that modifies it.
        """
        sentences = [range(s.start, s.end) for s in doc.sents for _ in range(s.start, s.end)]
        reach = list_reach(doc, sentences)
        closing = bracket_ends(doc)
        modifiers = []
        for rule, start, end in self._cues(doc, targets):
            bounds = sentences[start].start, closing.get(start, sentences[start].stop)
            first, last = scope(rule, start, end, bounds, reach.get(start))
            modifiers.append(ConTextModifier(rule, start, end, doc, first, last))
        limit_scopes(modifiers)
        link(modifiers, targets)
        return [(target, modifier) for modifier in modifiers for target in modifier._targets]

    def _cues(self, doc: Doc, targets: Iterable[Span]) -> list[tuple[ConTextRule, int, int]]:
        """The longest cues that do not overlap each other or a target, in the order of the text."""
        # medspaCy has no public access to its matcher.
        matcher = self._ConText__matcher
        matches = [Span(doc, start, end, label=key) for key, start, end in matcher(doc)]
        taken = {index for target in targets for index in range(target.start, target.end)}
        return [
            (matcher.rule_map[match.label_], match.start, match.end)
            for match in non_overlapping(matches, taken=taken)
        ]


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


def limit_scopes(modifiers: Sequence[ConTextModifier]) -> None:
    """End each scope where another cue in it ends it. Cues do not overlap and are in order."""
    for index, modifier in enumerate(modifiers):
        if modifier.direction in SILENT:
            continue
        for places in (range(index + 1, len(modifiers)), range(index - 1, -1, -1)):
            for place in places:
                other = modifiers[place]
                (first, last), (start, end) = other.modifier_span, modifier.scope_span
                if first >= end or last <= start:
                    break
                if other.direction != "PSEUDO" or other.category == modifier.category:
                    modifier.limit_scope(other)


def link(modifiers: Iterable[ConTextModifier], targets: Iterable[Span]) -> None:
    """Add to each cue the targets that it modifies."""
    at: dict[int, list[Span]] = {}
    for target in targets:
        for index in range(target.start, target.end):
            at.setdefault(index, []).append(target)
    for modifier in modifiers:
        within = {
            (target.start, target.end, target.label): target
            for index in range(*modifier.scope_span)
            for target in at.get(index, ())
        }
        for target in within.values():
            if modifier.modifies(target):
                modifier.modify(target)
        modifier.reduce_targets()
