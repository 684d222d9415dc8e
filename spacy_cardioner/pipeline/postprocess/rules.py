"""Rules that use all entities of a note: four pure functions.

A rule takes a document and its entities (with token boundaries) and returns entities. It changes
only those of the given labels. The rules need these lists, which are read from JSON files:

- "joiners": texts that join two drugs into one, e.g. "/" without spaces;
- "dose_units" and "dose_links": units of doses, also after a "/" ("mcg/kg/min"), and words before a
  dose ("al 5 %");
- "glue": signs that make one word of the words on both sides ("heparin-induced");
- "not_repeated": names that are a drug in one place and a measured value in another.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from spacy.tokens import Doc

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.gazetteer.normalise import fold
from spacy_cardioner.spans import Entity, in_order

DEFAULT = "default"
RULES_FILE = "postprocess.json"
LANGUAGES = ("es", "en", "it")

# Longer words in capitals are headings or emphasis, shorter ones are abbreviations.
_MAX_ABBREVIATION = 5
_NUMBER = r"\d+(?:[.,]\d+)*"


@dataclass(frozen=True)
class Rules:
    """The lists that the rules need, see the description of the module."""

    joiners: Sequence[str] = ()
    dose_units: Sequence[str] = ()
    dose_links: Sequence[str] = ()
    glue: Sequence[str] = ()
    not_repeated: Sequence[str] = ()

    def to_dict(self) -> dict[str, list[str]]:
        """RETURNS (dict): The content of a file."""
        return {name: list(values) for name, values in asdict(self).items()}

    @cached_property
    def dose(self) -> re.Pattern[str]:
        """Matches a name with a dose before or after it."""
        units = "|".join(map(re.escape, sorted(self.dose_units, key=len, reverse=True)))
        links = "|".join(map(re.escape, self.dose_links))
        amount = rf"{_NUMBER}\s*(?:{units})(?:\s*/\s*(?:{units}))*(?!\w)"
        return re.compile(
            rf"(?P<before>{amount}\s+)?(?P<name>.+?)(?P<after>\s*\(?(?:\b(?:{links})\s*)?{amount}\)?)?",
            re.IGNORECASE | re.DOTALL,
        )

    @cached_property
    def skipped(self) -> frozenset[str]:
        """The names that are not repeated, in lower case."""
        return frozenset(name.casefold() for name in self.not_repeated)


def read_rules(source: str, language: str) -> Rules:
    """Read a file of rules.

    source (str): A path, or "default" for the rules of a language.
    language (str): The code of the language. "xx" joins the rules of all languages.
    RAISES (CardionerError): The file is missing or malformed, or the language has no rules.
    """
    if source != DEFAULT:
        return to_rules(_read_json(Path(source)), source)
    languages = LANGUAGES if language == "xx" else (language,)
    joined: dict[str, list[str]] = defaultdict(list)
    for code in languages:
        if code not in LANGUAGES:
            raise CardionerError(
                f"there are no postprocessing rules for the language '{code}' (only for "
                f"{', '.join(LANGUAGES)}); set 'rules' to a file of your own"
            )
        path = Path(str(files("spacy_cardioner"))) / "resources" / code / RULES_FILE
        for name, values in _read_json(path).items():
            joined[name] += [value for value in values if value not in joined[name]]
    return to_rules(joined, DEFAULT)


def to_rules(data: Any, source: str) -> Rules:
    """Check the content of a file of rules.

    RAISES (CardionerError): It is not an object of lists of strings, or has an unknown key.
    """
    known = Rules().to_dict()
    if not isinstance(data, dict) or not set(data) <= set(known):
        raise CardionerError(f"{source}: not an object with only the lists {', '.join(known)}")
    for name, values in data.items():
        if not isinstance(values, list) or not all(isinstance(v, str) and v for v in values):
            raise CardionerError(f'{source}: "{name}" is not a list of non-empty strings')
    return Rules(**data)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CardionerError(f"{path}: cannot be read as JSON ({error})") from error


def join_parts(
    doc: Doc, entities: Iterable[Entity], labels: Collection[str], rules: Rules
) -> list[Entity]:
    """Join entities of one label that only a joiner separates.

    The new entity has the lowest of their scores, and no code.
    """
    joined: list[Entity] = []
    last: dict[str, int] = {}  # index of the last entity of each label
    for entity in sorted(entities, key=in_order):
        before = joined[last[entity.label]] if entity.label in last else None
        if before and entity.label in labels and _between(doc, before, entity) in rules.joiners:
            scores = [one.score for one in (before, entity) if one.score is not None]
            whole = Entity(before.start, entity.end, entity.label, score=min(scores, default=None))
            joined[last[entity.label]] = whole
        else:
            last[entity.label] = len(joined)
            joined.append(entity)
    return joined


def _between(doc: Doc, first: Entity, second: Entity) -> str | None:
    """The text between two entities, or None if they touch or overlap."""
    gap = doc[first.end : second.start]
    if second.start <= first.end:
        return None
    return doc[first.end - 1].whitespace_ + gap.text_with_ws


def cut_doses(
    doc: Doc, entities: Iterable[Entity], labels: Collection[str], rules: Rules
) -> list[Entity]:
    """Remove doses at the boundaries of entities, if that leaves whole tokens and a word."""
    return [
        _trimmed(doc, entity, rules.dose) if entity.label in labels else entity
        for entity in entities
    ]


def _trimmed(doc: Doc, entity: Entity, dose: re.Pattern[str]) -> Entity:
    span = doc[entity.start : entity.end]
    parts = dose.fullmatch(span.text)
    if not parts or not re.search(r"[^\W\d_]{2}", parts["name"]):
        return entity
    start, end = (span.start_char + offset for offset in parts.span("name"))
    name = doc.char_span(start, end)
    return entity if name is None else entity._replace(start=name.start, end=name.end)


def expand_abbreviations(
    doc: Doc, entities: Iterable[Entity], labels: Collection[str], rules: Rules
) -> list[Entity]:
    """Add the places of an abbreviation that the note defines: "long form (abbreviation)".

    The long form must be an entity, and the letters of the abbreviation must occur in it.
    """
    entities = list(entities)
    taken = _taken(entities)
    added: list[Entity] = []
    meanings: dict[str, Entity] = {}
    for entity in entities:
        short = _defined(doc, entity)
        if short and entity.label in labels:
            meanings.setdefault(short, entity)
    for token in doc if meanings else ():
        meaning = meanings.get(token.text)
        if meaning and token.i not in taken[meaning.label]:
            added.append(meaning._replace(start=token.i, end=token.i + 1))
    return sorted([*entities, *added], key=in_order)


def _defined(doc: Doc, entity: Entity) -> str | None:
    """The abbreviation in parentheses after its long form."""
    after = [token.text for token in doc[entity.end : entity.end + 3]]
    if len(after) < 3 or (after[0], after[2]) != ("(", ")"):
        return None
    short = after[1]
    capitals = sum(char.isupper() for char in short)
    spelled = _is_short_for(short, doc[entity.start : entity.end].text)
    return short if capitals >= 2 and len(short) <= 10 and spelled else None


def _is_short_for(short: str, long: str) -> bool:
    """Whether the letters of an abbreviation occur in this order, and the first starts a word.

    source: Schwartz and Hearst, A simple algorithm for identifying abbreviation definitions in
        biomedical text, PSB 2003
    """
    rest = fold(long)
    letters = [char for char in fold(short) if char.isalnum()]
    for letter in reversed(letters[1:]):
        at = rest.rfind(letter)
        if at < 0:
            return False
        rest = rest[:at]
    return bool(letters) and re.search(rf"\b{re.escape(letters[0])}", rest) is not None


def repeat_names(
    doc: Doc,
    entities: Iterable[Entity],
    labels: Collection[str],
    rules: Rules,
    *,
    min_share: float,
    min_score: float,
) -> list[Entity]:
    """Add the other places of a name that is an entity in one place of the note.

    A new entity has the highest score of that name, times the share of its places that were found.

    min_share (float): Lowest share of the places of a name that are entities already.
    min_score (float): Lowest score of the most probable of them, if scores are known.
    """
    entities = list(entities)
    words = [_spelling(token.text) for token in doc]
    added = (
        one
        for label in labels
        for one in _repeated(doc, words, entities, label, rules, min_share, min_score)
    )
    return sorted([*entities, *added], key=in_order)


def _repeated(
    doc: Doc,
    words: Sequence[str],
    entities: Sequence[Entity],
    label: str,
    rules: Rules,
    min_share: float,
    min_score: float,
) -> Iterator[Entity]:
    sources = [one for one in entities if one.label == label]
    counts: Counter[tuple[str, ...]] = Counter()
    best: dict[tuple[str, ...], float | None] = {}
    for one in sources:
        name = tuple(words[one.start : one.end])
        counts[name] += 1
        scores = [score for score in (best.get(name), one.score) if score is not None]
        best[name] = max(scores, default=None)
    places = _places(doc, words, list(counts), _taken(sources)[label], set(rules.glue))
    for name, starts in places.items():
        share = counts[name] / (counts[name] + len(starts))
        score = best[name]
        sure = score is None or score >= min_score
        if share >= min_share and sure and " ".join(name).casefold() not in rules.skipped:
            for start in starts:
                scaled = None if score is None else score * share
                yield Entity(start, start + len(name), label, score=scaled)


def _places(
    doc: Doc,
    words: Sequence[str],
    names: Iterable[tuple[str, ...]],
    taken: set[int],
    glue: set[str],
) -> dict[tuple[str, ...], list[int]]:
    """Where the names occur outside the taken tokens. Of several names, the longest is chosen."""
    by_first: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for name in sorted(names, key=len, reverse=True):
        by_first[name[0]].append(name)
    places: dict[tuple[str, ...], list[int]] = defaultdict(list)
    end_of_last = 0
    for start, word in enumerate(words):
        for name in by_first.get(word, ()) if start >= end_of_last else ():
            end = start + len(name)
            if tuple(words[start:end]) != name or not taken.isdisjoint(range(start, end)):
                continue
            if not _is_glued(doc, start, end, glue):
                places[name].append(start)
                end_of_last = end
                break
    return places


def _is_glued(doc: Doc, start: int, end: int, glue: set[str]) -> bool:
    """Whether one of the signs touches the tokens from start to end."""
    before = start and not doc[start - 1].whitespace_ and doc[start - 1].text in glue
    after = end < len(doc) and not doc[end - 1].whitespace_ and doc[end].text in glue
    return bool(before or after)


def _spelling(word: str) -> str:
    """Words are compared in lower case, abbreviations as they are."""
    return word if word.isupper() and len(word) <= _MAX_ABBREVIATION else word.casefold()


def _taken(entities: Iterable[Entity]) -> defaultdict[str, set[int]]:
    """The tokens in entities of each label."""
    taken: defaultdict[str, set[int]] = defaultdict(set)
    for entity in entities:
        taken[entity.label].update(range(entity.start, entity.end))
    return taken
