"""Checks of files of ConText rules and section titles: a fault is named when the file is read."""

from __future__ import annotations

import re
from typing import Any

from spacy.matcher import Matcher
from spacy.vocab import Vocab

from spacy_cardioner.errors import CardionerError, reason, shown

RuleFile = dict[str, Any]

CONTEXT_RULES = "context_rules"
SECTION_RULES = "section_rules"
TERMINATING_TYPES = "terminating_types"
ANSWERS = "answers"
NAMES = "names"
ONE_PARAGRAPH = "one_paragraph"
OPENERS = "openers"
PATIENTS = "patients"
# What `re` raises for a malformed expression.
NO_EXPRESSION = (re.error, OverflowError, RecursionError)


def check_file(data: Any, key: str, where: str) -> RuleFile:
    """Check the content of a file of rules or titles.

    key (str): "context_rules" or "section_rules", which the file must have.
    where (str): The file, for messages.
    RAISES (CardionerError): It is malformed, or holds a malformed regular expression.
    """
    rules = data.get(key) if isinstance(data, dict) else None
    if not isinstance(rules, list):
        raise CardionerError(f'{where}: not medspaCy\'s format, which is {{"{key}": [...]}}')
    for number, rule in enumerate(rules, start=1):
        _check_rule(rule, key, f"{where}: rule {number}")
    for name in (ONE_PARAGRAPH, PATIENTS):
        _check_strings(data.get(name, []), f'{where}: "{name}"')
    for name in (TERMINATING_TYPES, ANSWERS, NAMES, OPENERS):
        lists = _check_object(data.get(name, {}), f'{where}: "{name}"')
        for number, values in enumerate(lists.values(), start=1):
            _check_strings(values, f'{where}: "{name}", entry {number}')
    for number, pattern in enumerate(data.get(PATIENTS, ()), start=1):
        _check_expression(pattern, f'{where}: "{PATIENTS}", entry {number}')
    return dict(data)


def _check_rule(rule: Any, key: str, where: str) -> None:
    """Check a rule or title."""
    named = rule if isinstance(rule, dict) else {}
    if not all(isinstance(named.get(name), str) for name in ("literal", "category")):
        raise CardionerError(f'{where} needs a "literal" and a "category"')
    where = f"{where} ({shown(rule['literal'])})"
    metadata = _check_object(rule.get("metadata") or {}, f'{where}: "metadata"')
    if key == CONTEXT_RULES:
        _check_strings(metadata.get("terminated_by", []), f'{where}: "terminated_by"')
        _check_cue(rule, where)
    elif "followed_by" in metadata:
        _check_expression(metadata["followed_by"], f'{where}: "followed_by"')


def _check_cue(rule: dict[str, Any], where: str) -> None:
    """Check what medspaCy and spaCy read of a ConText rule."""
    from medspacy.context import ConTextRule

    for name in ("max_scope", "max_targets"):
        if not isinstance(rule.get(name), int | None):
            raise CardionerError(f'{where}: "{name}" is not a whole number')
    pattern = rule.get("pattern")
    try:
        ConTextRule.from_dict(rule)
        if isinstance(pattern, str):
            _check_expression(pattern, f'{where}: "pattern"')
        elif pattern is not None:
            Matcher(Vocab(), validate=True).add("rule", [pattern])
    except NO_EXPRESSION as error:
        raise _no_expression(error, f'{where}: "REGEX"') from error
    except (AttributeError, TypeError, ValueError) as error:
        raise CardionerError(
            f"{where}: not a rule of medspaCy's ConText: {reason(error)}; see Context rules in "
            "docs/reference/file-formats.md"
        ) from error


def _check_expression(pattern: Any, where: str) -> None:
    """Check a regular expression."""
    if not isinstance(pattern, str):
        raise CardionerError(f"{where} is not a string with a regular expression")
    try:
        re.compile(pattern)
    except NO_EXPRESSION as error:
        raise _no_expression(error, where) from error


def _no_expression(error: Exception, where: str) -> CardionerError:
    """The error for a malformed regular expression. What `re` says may quote it."""
    place = getattr(error, "pos", None)
    character = "" if place is None else f", see its character {place + 1}"
    return CardionerError(
        f"{where} is not a regular expression of Python{character}: correct it; a sign that stands "
        'for itself, such as "(", needs a backslash, which is written \\\\ in JSON'
    )


def _check_object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CardionerError(f"{where} is not an object")
    return value


def _check_strings(value: Any, where: str) -> None:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise CardionerError(f"{where} is not a list of strings")
