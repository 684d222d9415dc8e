"""Names of codes, to show to people."""

from __future__ import annotations

from spacy.language import Language

from spacy_cardioner.gazetteer.patterns import Pattern
from spacy_cardioner.pipeline.gazetteer.component import Gazetteer

# What names a code best: not a brand, which has it only as one of several.
NAMING = ("ingredient", "combination", "group", "term")


def code_names(nlp: Language) -> dict[str, str]:
    """The names of the codes that a pipeline may give.

    RETURNS (dict[str, str]): For each code of its gazetteers that has one, its shortest name, which
        may be that of another language. Names that a user added count only where there is no other.
    """
    components = dict(nlp.components).values()
    gazetteers = [component for component in components if isinstance(component, Gazetteer)]
    patterns = [
        pattern for gazetteer in gazetteers for pattern in (*gazetteer.lexicon, *gazetteer.terms)
    ]
    found: dict[str, Pattern] = {}
    for pattern in sorted(filter(_names_it, patterns), key=_rank):
        found.setdefault(pattern.id, pattern)
    return {code: pattern.text for code, pattern in found.items()}


def _names_it(pattern: Pattern) -> bool:
    return bool(pattern.id) and pattern.kind in NAMING


def _rank(pattern: Pattern) -> tuple[bool, int, bool, int, int, str]:
    """Sort key: the best name first. Of a combination, it has a sign between the substances."""
    partly = pattern.kind == "combination" and "/" not in pattern.text
    words = len(pattern.text.split())
    return (
        *(pattern.always, NAMING.index(pattern.kind), partly, words),
        *(len(pattern.text), pattern.text),
    )
