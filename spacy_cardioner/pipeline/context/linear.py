"""medspaCy's ConText for notes of any length. Imported when a component is made, not before."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from medspacy.context import ConText, ConTextModifier, ConTextRule
from spacy.language import Language
from spacy.tokens import Doc, Span

SILENT = ("PSEUDO", "TERMINATE")

# A line that ends with a colon, and the lines after it that start as items of a list do.
LIST = re.compile(r":[ \t]*\r?\n(?:[ \t]*(?:[-*•·–—+>]|[0-9]{1,2}[.)-])[^\r\n]*(?:\r?\n|$))+")


class LinearConText(ConText):
    """ConText whose time grows with a note's length, not with its square, and that leaves no graph
    in the document.

    medspaCy compares each modifier of a note with each other and with each target; here each meets
    those within its scope. It differs in four more ways:

    - a cue that reaches into a target is no cue, so that the "sin" of "infarto sin elevación del
      ST" negates nothing, and what it would have overruled counts;
    - the scope of a cue in a line such as "Niega:" is the list in the lines below;
    - that of a cue in brackets ends where they close: "(sin fiebre) y disnea";
    - a pseudo cue ends the scopes of its own category alone: "con" that of "sin", not "padre"'s.
    """

    def __init__(
        self,
        nlp: Language,
        name: str,
        *,
        span_attrs: Mapping[str, Mapping[str, Any]],
        terminating_types: Mapping[str, Sequence[str]],
    ) -> None:
        """Make a ConText without rules; `add` takes them.

        nlp (Language): The pipeline, for its tokenizer.
        name (str): The component's name.
        span_attrs (Mapping): The attributes that each category of cue sets.
        terminating_types (Mapping): For a category, those that end its scope.
        """
        super().__init__(
            nlp,
            name,
            rules=None,
            span_attrs=span_attrs,
            terminating_types=terminating_types,
            prune_on_modifier_overlap=False,
        )

    def edges(self, doc: Doc, targets: Sequence[Span]) -> list[tuple[Span, ConTextModifier]]:
        """Find which cues modify which targets; the document stays as it is.

        doc (Doc): A document with sentences.
        targets (Sequence[Span]): Its entities; they may overlap.
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
        """The cues outside the targets, in the order of the text; of those that overlap the
        longest, and of these the first.
        """
        # medspaCy gives no other way to its matcher.
        matcher = self._ConText__matcher
        taken = {index for target in targets for index in range(target.start, target.end)}
        cues = []
        longest_first = sorted(matcher(doc), key=lambda match: (match[1] - match[2], match[1]))
        for key, start, end in longest_first:
            if taken.isdisjoint(range(start, end)):
                taken.update(range(start, end))
                cues.append((matcher.rule_map[self.nlp.vocab.strings[key]], start, end))
        return sorted(cues, key=itemgetter(1))


def list_reach(doc: Doc, sentences: Sequence[range]) -> dict[int, int]:
    """Where lists end, for each token of the sentences that introduce them.

    sentences (Sequence[range]): For each token, the tokens of its sentence.
    """
    reach: dict[int, int] = {}
    for match in LIST.finditer(doc.text):
        span = doc.char_span(match.start(), match.end(), alignment_mode="expand")
        assert span is not None  # a match covers a token
        reach.update(dict.fromkeys(sentences[span.start], span.end))
    return reach


def bracket_ends(doc: Doc) -> dict[int, int]:
    """Where round brackets close, for each token inside them, within the sentence."""
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

    rule (ConTextRule): The cue's rule.
    start, end (int): Where the cue is.
    bounds (tuple[int, int]): Its sentence, up to the end of the brackets that it is in.
    list_end (int | None): Where the list ends that its line introduces.

    medspaCy looks for the sentence of each cue anew, which takes long in a long sentence. What only
    ends scopes, or hides a cue, is no wider than itself: medspaCy does not see the overlap of a
    scope with a wider one around it.
    """
    if rule.direction in SILENT:
        return start, end
    width = rule.max_scope or bounds[1] - bounds[0]
    first, last = max(bounds[0], start - width), min(bounds[1], end + width)
    if rule.direction == "FORWARD":
        return end, list_end or last
    return first, start if rule.direction == "BACKWARD" else last


def limit_scopes(modifiers: Sequence[ConTextModifier]) -> None:
    """End each scope where another cue ends it. Each cue meets those within its scope.

    modifiers (Sequence[ConTextModifier]): In the order of the text, without overlap.
    """
    for index, modifier in enumerate(modifiers):
        if modifier.direction in SILENT:
            continue
        for later in range(index + 1, len(modifiers)):
            other = modifiers[later]
            if other.modifier_span[0] >= modifier.scope_span[1]:
                break
            if _may_end(other, modifier):
                modifier.limit_scope(other)
        for earlier in range(index - 1, -1, -1):
            other = modifiers[earlier]
            if other.modifier_span[1] <= modifier.scope_span[0]:
                break
            if _may_end(other, modifier):
                modifier.limit_scope(other)


def _may_end(other: ConTextModifier, modifier: ConTextModifier) -> bool:
    return other.direction != "PSEUDO" or other.category == modifier.category


def link(modifiers: Iterable[ConTextModifier], targets: Iterable[Span]) -> None:
    """Tell each cue the targets that it modifies."""
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
