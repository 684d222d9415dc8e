"""What may be said of entities once all of a note are known: four rules, each a pure function.

A rule takes a document and the entities that were found in it, and gives back entities: those of
other labels than asked for as they are. What the rules go by is data, in files of this form:

- "joiners": texts that make one drug of the two that they part, e.g. "/" with no space around;
- "dose_units" and "dose_links": units of doses, also of those after a "/" ("mcg/kg/min"), and words
  that stand before a dose ("al 5 %");
- "glue": signs that make another word of the one next to them ("heparin-induced");
- "not_repeated": names that mean a drug in one place and a measured value in the next.
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
from spacy_cardioner.spans import Found

DEFAULT = "default"
RULES_FILE = "postprocess.json"
LANGUAGES = ("es", "en", "it")

# Longer words in capitals are headings and emphasis; shorter ones are names of their own.
_MAX_ABBREVIATION = 5
_NUMBER = r"\d+(?:[.,]\d+)*"


@dataclass(frozen=True)
class Rules:
    """The data that the rules go by; the module's description says what each list is."""

    joiners: Sequence[str] = ()
    dose_units: Sequence[str] = ()
    dose_links: Sequence[str] = ()
    glue: Sequence[str] = ()
    not_repeated: Sequence[str] = ()

    def to_dict(self) -> dict[str, list[str]]:
        """RETURNS (dict): The same as plain lists, as a file has them."""
        return {name: list(values) for name, values in asdict(self).items()}

    @cached_property
    def dose(self) -> re.Pattern[str]:
        """What is cut off a name: a dose at its start or at its end."""
        units = "|".join(map(re.escape, sorted(self.dose_units, key=len, reverse=True)))
        links = "|".join(map(re.escape, self.dose_links))
        amount = rf"{_NUMBER}\s*(?:{units})(?:\s*/\s*(?:{units}))*(?!\w)"
        return re.compile(
            rf"(?P<before>{amount}\s+)?(?P<name>.+?)(?P<after>\s*\(?(?:\b(?:{links})\s*)?{amount}\)?)?",
            re.IGNORECASE | re.DOTALL,
        )

    @cached_property
    def skipped(self) -> frozenset[str]:
        """The names that are not repeated, in small letters."""
        return frozenset(name.casefold() for name in self.not_repeated)


def read_rules(source: str, language: str) -> Rules:
    """Read a file of rules.

    source (str): A path, or "default" for ours of the language.
    language (str): The language's code; "xx" joins the rules of all.
    RAISES (CardionerError): The file is missing or malformed, or there are none for the language.
    """
    if source != DEFAULT:
        return to_rules(_read_json(Path(source)), source)
    languages = LANGUAGES if language == "xx" else (language,)
    joined: dict[str, list[str]] = defaultdict(list)
    for code in languages:
        if code not in LANGUAGES:
            raise CardionerError(
                f"there are no postprocessing rules for the language '{code}' (only for "
                f"{', '.join(LANGUAGES)}); give a file of your own under 'rules'"
            )
        path = Path(str(files("spacy_cardioner"))) / "resources" / code / RULES_FILE
        for name, values in _read_json(path).items():
            joined[name] += [value for value in values if value not in joined[name]]
    return to_rules(joined, DEFAULT)


def to_rules(data: Any, source: str) -> Rules:
    """Check what a file of rules holds.

    RAISES (CardionerError): It is not an object of lists of strings, or has an unknown name.
    """
    known = Rules().to_dict()
    if not isinstance(data, dict) or not set(data) <= set(known):
        raise CardionerError(f"{source}: not an object with the lists {', '.join(known)} alone")
    for name, values in data.items():
        if not isinstance(values, list) or not all(isinstance(v, str) and v for v in values):
            raise CardionerError(f'{source}: "{name}" is not a list of texts, none of them empty')
    return Rules(**data)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CardionerError(f"{path}: cannot be read as JSON ({error})") from error


def join(doc: Doc, found: Iterable[Found], labels: Collection[str], rules: Rules) -> list[Found]:
    """Make one entity of those of one label that only a joiner parts.

    The new one is as probable as its least probable part, and has no code.
    """
    joined: list[Found] = []
    last: dict[str, int] = {}  # where the last entity of each label is
    for entity in sorted(found):
        before = joined[last[entity.label]] if entity.label in last else None
        if before and entity.label in labels and _between(doc, before, entity) in rules.joiners:
            scores = [one.score for one in (before, entity) if one.score is not None]
            score = min(scores, default=None)
            joined[last[entity.label]] = Found(before.start, entity.end, entity.label, score)
        else:
            last[entity.label] = len(joined)
            joined.append(entity)
    return joined


def _between(doc: Doc, first: Found, second: Found) -> str | None:
    """The text between two entities; None where they touch or overlap."""
    gap = doc[first.end : second.start]
    if second.start <= first.end:
        return None
    return doc[first.end - 1].whitespace_ + gap.text_with_ws


def trim_doses(
    doc: Doc, found: Iterable[Found], labels: Collection[str], rules: Rules
) -> list[Found]:
    """Cut doses off the edges of entities, where that leaves whole tokens and a word."""
    return [
        _trimmed(doc, entity, rules.dose) if entity.label in labels else entity for entity in found
    ]


def _trimmed(doc: Doc, entity: Found, dose: re.Pattern[str]) -> Found:
    span = doc[entity.start : entity.end]
    parts = dose.fullmatch(span.text)
    if not parts or not re.search(r"[^\W\d_]{2}", parts["name"]):
        return entity
    start, end = (span.start_char + border for border in parts.span("name"))
    name = doc.char_span(start, end)
    return entity if name is None else entity._replace(start=name.start, end=name.end)


def expand_abbreviations(
    doc: Doc, found: Iterable[Found], labels: Collection[str], rules: Rules
) -> list[Found]:
    """Mark an abbreviation everywhere in a note that says "long form (abbreviation)" once.

    The long form is an entity; its letters must be able to spell the abbreviation.
    """
    found = list(found)
    taken = _taken(found)
    added: list[Found] = []
    meanings: dict[str, Found] = {}
    for entity in found:
        short = _defined(doc, entity)
        if short and entity.label in labels:
            meanings.setdefault(short, entity)
    for token in doc if meanings else ():
        meaning = meanings.get(token.text)
        if meaning and token.i not in taken[meaning.label]:
            added.append(meaning._replace(start=token.i, end=token.i + 1))
    return sorted([*found, *added])


def _defined(doc: Doc, entity: Found) -> str | None:
    """The abbreviation in parentheses after an entity that spells it."""
    after = [token.text for token in doc[entity.end : entity.end + 3]]
    if len(after) < 3 or (after[0], after[2]) != ("(", ")"):
        return None
    short = after[1]
    capitals = sum(char.isupper() for char in short)
    spelled = _is_short_for(short, doc[entity.start : entity.end].text)
    return short if capitals >= 2 and len(short) <= 10 and spelled else None


def _is_short_for(short: str, long: str) -> bool:
    """Whether the letters of an abbreviation occur in this order, the first starting a word.

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


def repeat(
    doc: Doc,
    found: Iterable[Found],
    labels: Collection[str],
    rules: Rules,
    *,
    min_share: float,
    min_score: float,
) -> list[Found]:
    """Mark a name that is an entity in one place of a note in the others too.

    min_share (float): The name is an entity in at least this share of its places so far.
    min_score (float): And one of these entities is at least so probable, where that is known.
    """
    found = list(found)
    words = [_spelling(token.text) for token in doc]
    added = (
        one
        for label in labels
        for one in _repeated(doc, words, found, label, rules, min_share, min_score)
    )
    return sorted([*found, *added])


def _repeated(
    doc: Doc,
    words: Sequence[str],
    found: Sequence[Found],
    label: str,
    rules: Rules,
    min_share: float,
    min_score: float,
) -> Iterator[Found]:
    sources = [one for one in found if one.label == label]
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
                yield Found(start, start + len(name), label, scaled)


def _places(
    doc: Doc,
    words: Sequence[str],
    names: Iterable[tuple[str, ...]],
    taken: set[int],
    glue: set[str],
) -> dict[tuple[str, ...], list[int]]:
    """Where else the names stand, the longest of several, outside of entities of their label."""
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
    """Whether a sign that makes another word of it touches the tokens from start to end."""
    before = start and not doc[start - 1].whitespace_ and doc[start - 1].text in glue
    after = end < len(doc) and not doc[end - 1].whitespace_ and doc[end].text in glue
    return bool(before or after)


def _spelling(word: str) -> str:
    """Words are the same in any case, except for abbreviations."""
    return word if word.isupper() and len(word) <= _MAX_ABBREVIATION else word.casefold()


def _taken(found: Iterable[Found]) -> defaultdict[str, set[int]]:
    """The tokens that entities of each label cover."""
    taken: defaultdict[str, set[int]] = defaultdict(set)
    for one in found:
        taken[one.label].update(range(one.start, one.end))
    return taken
