"""Files of ConText rules and section titles in medspaCy's format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacy_cardioner.errors import CardionerError, shown
from spacy_cardioner.pipeline.context.checks import (
    ANSWERS,
    CONTEXT_RULES,
    NAMES,
    SECTION_RULES,
    TERMINATING_TYPES,
    RuleFile,
    check_file,
)
from spacy_cardioner.pipeline.stored import DEFAULT, resource
from spacy_cardioner.texts import read_json

if TYPE_CHECKING:
    from medspacy.context import ConTextRule

RULES_FILE = "context_rules.json"
SECTIONS_FILE = "sections.json"


def rules_path(language: str) -> Path:
    """The file with our rules for a language, for the setting "rules" of ``medspacy_context``.

    RAISES (CardionerError): The language has none.
    """
    return resource(language, RULES_FILE)


def read_rules(sources: Sequence[str], language: str) -> RuleFile:
    """Read and join files of ConText rules.

    The format is medspaCy's: ``{"context_rules": [...]}``. "terminating_types" may list, for a
    category of cues, the categories that end their scope. "answers" may list, for a category, the
    words that have this meaning where an answer stands, such as the "no" of "DM: no".
    "names" lists "titles" and "places" of names that look like relatives, see `Names`.

    sources (Sequence[str]): Paths, or "default" for the rules of the language. The rules of a later
        file replace earlier ones with the same literal.
    RAISES (CardionerError): A file is missing or malformed, or there are no rules.
    """
    rules: list[dict[str, Any]] = []
    terminating: dict[str, list[str]] = {}
    answers: dict[str, list[str]] = {}
    names: dict[str, list[str]] = {}
    for source in sources:
        path = rules_path(language) if source == DEFAULT else Path(source)
        data = check_file(read_json(path), CONTEXT_RULES, str(path))
        own = {rule["literal"].casefold() for rule in data[CONTEXT_RULES]}
        kept = [rule for rule in rules if rule["literal"].casefold() not in own]
        rules = kept + data[CONTEXT_RULES]
        for category, ended_by in data.get(TERMINATING_TYPES, {}).items():
            terminating[category] = [*terminating.get(category, ()), *ended_by]
        for category, words in data.get(ANSWERS, {}).items():
            answers[category] = [*answers.get(category, ()), *words]
        for kind, words in data.get(NAMES, {}).items():
            names[kind] = [*names.get(kind, ()), *words]
    if not rules:
        raise CardionerError(f"{', '.join(sources) or 'rules'}: no context rules")
    return {
        CONTEXT_RULES: rules,
        TERMINATING_TYPES: terminating,
        ANSWERS: answers,
        NAMES: names,
    }


def medspacy_rules(language: str) -> list[ConTextRule]:
    """Our rules for a language as objects, for the method ``add`` of medspaCy's own ConText.

    medspaCy does not read from a file which categories of cues end their scope.

    RAISES (CardionerError): The language has none.
    """
    from medspacy.context import ConTextRule

    data = read_rules([DEFAULT], language)
    rules = [ConTextRule.from_dict(fields) for fields in data[CONTEXT_RULES]]
    for rule in rules:
        rule.terminated_by.update(data[TERMINATING_TYPES].get(rule.category, ()))
    return rules


def read_sections(source: str | None, language: str) -> RuleFile:
    """Read a file of section titles.

    The format is medspaCy's: ``{"section_rules": [...]}``. "one_paragraph" may list the categories
    that end with their paragraph, and "openers", for a category or "*", how the sentences start
    that end its sections; "patients", regular expressions of how sentences start that present a
    patient and end these sections too.

    source (str | None): A path, "default" for the titles of the language, or None for no titles.
    RAISES (CardionerError): The file is missing or malformed.
    """
    if source is None:
        return {SECTION_RULES: []}
    path = resource(language, SECTIONS_FILE) if source == DEFAULT else Path(source)
    return check_file(read_json(path), SECTION_RULES, str(path))


def make_rules(data: RuleFile, span_attrs: Mapping[str, Mapping[str, Any]]) -> list[ConTextRule]:
    """Make medspaCy's rules of what `read_rules` returned.

    RAISES (CardionerError): A rule has no effect.
    """
    from medspacy.context import ConTextRule

    rules = []
    for number, fields in enumerate(data[CONTEXT_RULES], start=1):
        rule = ConTextRule.from_dict(fields)
        # medspaCy does not read this setting of a rule from a file.
        rule.terminated_by.update((rule.metadata or {}).get("terminated_by", ()))
        if rule.direction not in ("PSEUDO", "TERMINATE") and rule.category not in span_attrs:
            raise CardionerError(
                f"context rule {number} ({shown(rule.literal)}): its category sets no "
                f"attribute; use one of {', '.join(span_attrs)}, or add it to span_attrs"
            )
        rules.append(rule)
    return rules
