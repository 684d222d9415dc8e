"""medspaCy's ConText for notes of any length. Importing this module imports medspaCy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from medspacy.context import ConText, ConTextModifier, ConTextRule
from spacy.language import Language
from spacy.matcher import PhraseMatcher
from spacy.tokens import Doc, Span

from spacy_cardioner.pipeline.context.conditions import conditions
from spacy_cardioner.pipeline.context.items import Items, Region
from spacy_cardioner.pipeline.context.names import Names
from spacy_cardioner.pipeline.context.scopes import (
    SILENT,
    bracket_ends,
    limit_scopes,
    list_reach,
    reaches_on,
    scope,
)
from spacy_cardioner.pipeline.context.segments import segments
from spacy_cardioner.spans import non_overlapping

NEGATED, POSSIBLE, HYPOTHETICAL, ALLERGY = (
    "NEGATED_EXISTENCE",
    "POSSIBLE_EXISTENCE",
    "HYPOTHETICAL",
    "ALLERGY",
)
CONTRADICTED = (NEGATED, POSSIBLE, HYPOTHETICAL)
FAMILY = "FAMILY"
AFFIRMED = "AFFIRMED"  # of answers only; it sets no attribute
NOW = ("START", "PRESENT_NOW", "TAKES")

YES = ConTextRule("sí", "CONTRAST", direction="TERMINATE")

# "Intolerancia a la glucosa" is no allergy.
ITSELF = re.compile("al+[eé]rg|ana(?:f|ph)[iy]l", re.IGNORECASE)

Edge = tuple[Span, ConTextModifier]


class Cue(NamedTuple):
    """A match of a rule. item (Region | None): What it is the answer to."""

    start: int
    end: int
    rule: ConTextRule
    item: Region | None = None


class LinearConText(ConText):
    """ConText in linear time, which leaves no graph in the document.

    medspaCy compares each modifier of a note with all others and with all targets; this class
    compares it with those in its scope. There are more differences:

    - a cue that overlaps a target is ignored, so that the "sin" of "infarto sin elevación del ST"
      negates nothing, and cues that it would have overruled count;
    - the scope of a cue in a line such as "Niega:" is the list in the lines below;
    - the scope of a cue in a list item within a line ends with it: "1) no fever 2) pneumonia";
    - the scope of a cue in brackets ends where they close: "(sin fiebre) y disnea";
    - a pseudo cue ends only scopes of its own category, "con" that of "sin", not that of "padre",
      and those of rules that name its category in "terminated_by";
    - a condition modifies the drug of its item: "paracetamol 1 g si dolor, bisoprolol";
    - a cue that answers an item modifies nothing else: "HTA (sí), DM: no";
    - a cue that goes both ways modifies the nearer side, unless its metadata say "both";
    - "Sosp." and "?" reach into what follows, which is another sentence to the pipeline.
    """

    def __init__(
        self,
        nlp: Language,
        name: str,
        *,
        span_attrs: Mapping[str, Mapping[str, Any]],
        terminating_types: Mapping[str, Sequence[str]],
        answers: Mapping[str, Sequence[str]],
        names: Mapping[str, Sequence[str]],
    ) -> None:
        """Create a ConText without rules, given medspaCy's settings. Use `add` to add rules.

        answers (Mapping[str, Sequence[str]]): For each category, words that have this meaning where
            an answer stands. "AFFIRMED" is the category of "yes".
        names (Mapping[str, Sequence[str]]): What marks a name that looks like a relative.
        """
        super().__init__(
            nlp,
            name,
            rules=None,
            span_attrs=span_attrs,
            terminating_types=terminating_types,
            prune_on_modifier_overlap=False,
        )
        self.answers = {
            word.casefold(): ConTextRule(word, category, direction="BACKWARD")
            for category, words in answers.items()
            for word in words
        }
        matcher = PhraseMatcher(nlp.vocab, attr="LOWER")
        for word in self.answers:
            matcher.add(word, [nlp.tokenizer(word)])
        self.answer_matcher = matcher
        self.names = Names(names)

    def edges(self, doc: Doc, targets: Sequence[Span]) -> tuple[list[Edge], list[ConTextModifier]]:
        """Find which cues modify which targets, without modifying the document.

        RETURNS (tuple[list[Edge], list[ConTextModifier]]): Each target with each cue that modifies
            it; and the cues with which the text turns to what the patient has or takes.
        """
        sentences = segments(doc)
        reach = list_reach(doc, sentences)
        closing = bracket_ends(doc)
        items = Items(doc, targets, sentences)
        answers, modifiers = [], []
        for start, end, rule, item in self._cues(doc, targets, items):
            if item is not None:
                answers.append(ConTextModifier(rule, start, end, doc, *item))
                continue
            # The sentence of "Sosp." is the next one.
            next_end = sentences[end if reaches_on(doc, rule, end) else end - 1].stop
            bounds = sentences[start].start, closing.get(start, next_end)
            first, last = scope(rule, start, end, bounds, reach.get(start))
            modifiers.append(ConTextModifier(rule, start, end, doc, first, last))
        limit_scopes(modifiers, items)
        answers += conditions(modifiers, targets, items, reach)
        link(modifiers, targets, items)
        link(answers, targets, items)
        found = [(target, one) for one in (*modifiers, *answers) for target in one._targets]
        found += allergies_themselves(doc, modifiers, targets)
        now = [one for one in modifiers if one.category in NOW]
        return without_contradictions(found, answers), now

    def _cues(self, doc: Doc, targets: Sequence[Span], items: Items) -> list[Cue]:
        """The longest cues that do not overlap each other or a target, in the order of the text."""
        # medspaCy has no public access to its matcher.
        matcher = self._ConText__matcher
        strings = self.nlp.vocab.strings
        cues = []
        for key, start, end in self.answer_matcher(doc):
            rule = self.answers[strings[key]]
            if item := items.answered(rule, start, end, word=True):
                cues.append(Cue(start, end, rule, item))
            elif rule.category == AFFIRMED and items.affirms(start, end):
                cues.append(Cue(start, end, YES))
        for key, start, end in matcher(doc):
            rule = matcher.rule_map[strings[key]]
            item = None
            if rule.category == FAMILY and self.names.covers(doc, start):
                continue
            if not rule.literal.strip("?"):
                item = items.questioned(start, end)
            elif rule.direction not in SILENT:
                item = items.answered(rule, start, end, word=False)
                if item is None and items.answers_another(rule, start, end):
                    continue
            cues.append(Cue(start, end, rule, item))
        taken = {index for target in targets for index in range(target.start, target.end)}
        others = [cue for cue in cues if cue.rule.category != ALLERGY]
        chosen = non_overlapping(others, order=answers_first, taken=taken)
        # An allergy may be a mention itself, and the "no" of "no tolera" denies an exercise.
        allergies = [cue for cue in cues if cue.rule.category == ALLERGY]
        chosen += non_overlapping(allergies, order=answers_first)
        return sorted(chosen, key=lambda cue: cue.start)


def answers_first(cue: Cue) -> tuple[int, bool, bool, int]:
    """Sort key: longer before shorter; of the same length answers first and pseudo cues last."""
    answer = cue.item is not None or cue.rule is YES
    return cue.start - cue.end, not answer, cue.rule.direction == "PSEUDO", cue.start


def allergies_themselves(
    doc: Doc, modifiers: Iterable[ConTextModifier], targets: Iterable[Span]
) -> list[Edge]:
    """The mentions that start with the cue of an allergy: the disease "alergia a penicilina"."""
    cues = {
        cue.modifier_span[0]: cue
        for cue in modifiers
        if cue.category == ALLERGY and ITSELF.search(doc[slice(*cue.modifier_span)].text)
    }
    return [(target, cues[target.start]) for target in targets if target.start in cues]


def without_contradictions(edges: Iterable[Edge], answers: Iterable[ConTextModifier]) -> list[Edge]:
    """Drop what an answer contradicts: the "no" of "No HTA (sí)", the "?" of "¿DM? No."."""
    said = {
        (target.start, target.end, target.label): answer
        for answer in answers
        if answer.category in (AFFIRMED, NEGATED)
        for target in answer._targets
    }
    kept = []
    for target, modifier in edges:
        answer = said.get((target.start, target.end, target.label))
        if answer is None or answer is modifier or modifier.category not in CONTRADICTED:
            kept.append((target, modifier))
    return kept


def link(modifiers: Iterable[ConTextModifier], targets: Iterable[Span], items: Items) -> None:
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
        found = [target for target in within.values() if modifier.modifies(target)]
        for target in nearer_side(modifier, found, items):
            modifier.modify(target)
        modifier.reduce_targets()


def nearer_side(modifier: ConTextModifier, targets: Sequence[Span], items: Items) -> Sequence[Span]:
    """Of a cue that goes both ways, the targets on the side of the nearest one.

    Before a cue of a single thing ("suspendida"), only the last item counts.
    """
    metadata = modifier.rule.metadata or {}
    first, last = modifier.modifier_span
    if modifier.direction == "BACKWARD" and modifier.category == HYPOTHETICAL:
        # "AAS 100 mg, furosemida si precisa"
        start = items.clause(first - 1 if items.separates(first - 1) else first)
        return [target for target in targets if target.end > start]
    if modifier.direction != "BIDIRECTIONAL" or metadata.get("both"):
        return targets
    left = [target for target in targets if target.end <= first]
    right = [target for target in targets if target.start >= last]
    if left and right:
        before = items.distance(max(target.end for target in left), first)
        after = items.distance(last, min(target.start for target in right))
        if after < before:
            return right
    if not left:
        return right
    if modifier.category == NEGATED and not metadata.get("list"):
        start = items.clause(max(target.end for target in left) - 1)
        return [target for target in left if target.end > start]
    return left
