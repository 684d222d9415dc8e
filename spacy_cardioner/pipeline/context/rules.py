"""Files of ConText rules and section titles, in medspaCy's format: ours for each language, and the
user's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacy.matcher import Matcher
from spacy.vocab import Vocab

from spacy_cardioner.errors import CardionerError

if TYPE_CHECKING:
    from medspacy.context import ConTextRule

DEFAULT = "default"
CONTEXT_RULES = "context_rules"
TERMINATING_TYPES = "terminating_types"
SECTION_RULES = "section_rules"
ONE_PARAGRAPH = "one_paragraph"
RULES_FILE = "context_rules.json"
SECTIONS_FILE = "sections.json"

RuleFile = dict[str, Any]


def rules_path(language: str) -> Path:
    """The file of our rules for a language, as ``medspacy_context`` takes it under "rules".

    RAISES (CardionerError): There are none.
    """
    return _resource(language, RULES_FILE, "rules of context")


def sections_path(language: str) -> Path:
    """The file of our section titles, as ``medspacy_sectionizer`` takes it under "rules".

    RAISES (CardionerError): There are none.
    """
    return _resource(language, SECTIONS_FILE, "section titles")


def read_rules(sources: Sequence[str], language: str) -> RuleFile:
    """Read and join files of ConText rules.

    A file is medspaCy's: ``{"context_rules": [...]}``. It may also say under "terminating_types",
    for a category of cues, which others end their scope.

    sources (Sequence[str]): Paths, or "default" for the rules of the language; a rule of a later
        file replaces those of the same literal before it.
    language (str): The language's code.
    RETURNS (dict): What one file that says all this would hold.
    RAISES (CardionerError): A file is missing or malformed, or there is not a single rule.
    """
    rules: list[dict[str, Any]] = []
    terminating: dict[str, list[str]] = {}
    for source in sources:
        path = rules_path(language) if source == DEFAULT else Path(source)
        data = read_json(path, CONTEXT_RULES)
        own = {rule["literal"].casefold() for rule in data[CONTEXT_RULES]}
        kept = [rule for rule in rules if rule["literal"].casefold() not in own]
        rules = kept + data[CONTEXT_RULES]
        for category, ended_by in data.get(TERMINATING_TYPES, {}).items():
            terminating[category] = [*terminating.get(category, ()), *ended_by]
    if not rules:
        raise CardionerError(f"{', '.join(sources) or 'rules'}: not a single rule of context")
    return {CONTEXT_RULES: rules, TERMINATING_TYPES: terminating}


def medspacy_rules(language: str) -> list[ConTextRule]:
    """Our rules for a language as objects, for the method ``add`` of medspaCy's own ConText.

    They also say which categories of cues end their scope, which medspaCy cannot read from a file.

    RAISES (CardionerError): There are none.
    """
    from medspacy.context import ConTextRule

    data = read_rules([DEFAULT], language)
    rules = [ConTextRule.from_dict(fields) for fields in data[CONTEXT_RULES]]
    for rule in rules:
        rule.terminated_by.update(data[TERMINATING_TYPES].get(rule.category, ()))
    return rules


def read_sections(source: str | None, language: str) -> RuleFile:
    """Read a file of section titles, medspaCy's ``{"section_rules": [...]}``.

    It may also list under "one_paragraph" the categories that end at an empty line.

    source (str | None): A path, "default" for the titles of the language, or None for no titles.
    language (str): The language's code.
    RETURNS (dict): What the file holds.
    RAISES (CardionerError): The file is missing or malformed.
    """
    if source is None:
        return {SECTION_RULES: []}
    path = sections_path(language) if source == DEFAULT else Path(source)
    return read_json(path, SECTION_RULES)


def read_json(path: Path, key: str) -> RuleFile:
    """Read a file that has a list of rules, each with "literal" and "category", under a key.

    RAISES (CardionerError): It is missing or malformed.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise CardionerError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CardionerError(f"{path}: cannot be read: {error}") from error
    rules = data.get(key) if isinstance(data, dict) else None
    if not isinstance(rules, list):
        raise CardionerError(f'{path}: not medspaCy\'s format, which is {{"{key}": [...]}}')
    for number, rule in enumerate(rules, start=1):
        named = rule if isinstance(rule, dict) else {}
        if not all(isinstance(named.get(name), str) for name in ("literal", "category")):
            raise CardionerError(f'{path}: rule {number} needs a "literal" and a "category"')
    return data


def check_rules(
    data: RuleFile, span_attrs: Mapping[str, Mapping[str, Any]], vocab: Vocab
) -> list[ConTextRule]:
    """Make medspaCy's rules out of what was read.

    data (dict): Rules, as `read_rules` gives them.
    span_attrs (Mapping): The attributes that each category sets.
    vocab (Vocab): The pipeline's vocabulary.
    RETURNS (list[ConTextRule]): The rules.
    RAISES (CardionerError): A rule is malformed, or would do nothing.
    """
    from medspacy.context import ConTextRule

    rules = []
    for number, fields in enumerate(data[CONTEXT_RULES], start=1):
        try:
            rule = ConTextRule.from_dict(fields)
            _check_pattern(rule.pattern, vocab)
        except (TypeError, ValueError, re.error) as error:
            raise CardionerError(
                f"rule {number} of context ({fields['literal']!r}): {error}"
            ) from error
        if rule.direction not in ("PSEUDO", "TERMINATE") and rule.category not in span_attrs:
            raise CardionerError(
                f"rule {number} of context ({rule.literal!r}): the category {rule.category} sets "
                f"no attribute; take one of {', '.join(span_attrs)}, or name it in span_attrs"
            )
        rules.append(rule)
    return rules


def _check_pattern(pattern: Any, vocab: Vocab) -> None:
    if isinstance(pattern, str):
        re.compile(pattern)
    elif pattern is not None:
        Matcher(vocab, validate=True).add("rule", [pattern])


def _resource(language: str, name: str, what: str) -> Path:
    folder = Path(str(files("spacy_cardioner"))) / "resources"
    path = folder / language / name
    if not path.is_file():
        known = sorted(found.parent.name for found in folder.glob(f"*/{name}"))
        raise CardionerError(
            f"no {what} for the language {language!r}, only for {', '.join(known)}: set "
            '"language" to one of these, or give a file of your own under '
            f'"{"rules" if name == RULES_FILE else "sections"}"'
        )
    return path
