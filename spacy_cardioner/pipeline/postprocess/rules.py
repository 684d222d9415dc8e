"""Rules that use all entities of a note: four pure functions.

A rule takes a document and its entities (with token boundaries) and returns entities. It changes
only those of the given labels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from spacy.tokens import Doc

from spacy_cardioner.characters import seen
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.gazetteer.abbreviations import Found, abbreviations, choose
from spacy_cardioner.gazetteer.definitions import long_form
from spacy_cardioner.gazetteer.lexicon import in_case
from spacy_cardioner.gazetteer.normalise import pieces
from spacy_cardioner.gazetteer.patterns import LABEL
from spacy_cardioner.gazetteer.prescribed import is_prescribed
from spacy_cardioner.pipeline.gazetteer.component import get_marks
from spacy_cardioner.pipeline.stored import DEFAULT, resource
from spacy_cardioner.spans import Entity, in_order
from spacy_cardioner.texts import read_json

RULES_FILE = "postprocess.json"
LANGUAGES = ("es", "en", "it")

# For `repeat_names`: the share of the places of a name that must be entities already, and the
# score that one of these must have, if scores are known.
MIN_SHARE = 0.5
MIN_SCORE = 0.5

# Longer words in capitals are headings or emphasis, shorter ones are abbreviations.
_MAX_ABBREVIATION = 5
# For `drop_others`: tokens of an abbreviation with its number, and tokens around it that are read.
_MAX_DROPPED = 8
_WINDOW = 12

Name = tuple[str, ...]


class Rules(NamedTuple):
    """The lists that the rules need.

    joiners (Sequence[str]): Texts that join two drugs into one, e.g. "/" without spaces.
    glue (Sequence[str]): Signs that make one word of their neighbours ("heparin-induced").
    not_repeated (Sequence[str]): Names that are a drug here and a measured value there.
    """

    joiners: Sequence[str] = ()
    glue: Sequence[str] = ()
    not_repeated: Sequence[str] = ()


def read_rules(source: str, language: str) -> Rules:
    """Read a file of rules.

    source (str): A path, or "default" for the rules of a language.
    language (str): The code of the language. "xx" joins the rules of all languages.
    RAISES (CardionerError): The file is missing or malformed, or the language has no rules.
    """
    if source != DEFAULT:
        return to_rules(read_json(Path(source)), source)
    codes = LANGUAGES if language == "xx" else (language,)
    read = [read_json(resource(code, RULES_FILE)) for code in codes]
    joined = {key: [value for lists in read for value in lists[key]] for key in Rules._fields}
    return Rules(**{key: list(dict.fromkeys(values)) for key, values in joined.items()})


def to_rules(data: Any, source: str) -> Rules:
    """Check the content of a file of rules.

    RAISES (CardionerError): It is not an object of lists of strings, or has an unknown key.
    """
    if not isinstance(data, dict) or not set(data) <= set(Rules._fields):
        known = ", ".join(Rules._fields)
        raise CardionerError(f"{source}: not an object with only the lists {known}")
    for name, values in data.items():
        if not isinstance(values, list) or not all(isinstance(v, str) and v for v in values):
            raise CardionerError(f'{source}: "{name}" is not a list of non-empty strings')
    return Rules(**data)


def drop_others(
    doc: Doc, entities: Iterable[Entity], labels: Collection[str], rules: Rules
) -> list[Entity]:
    """Remove the entities that are an abbreviation of something else, with or without a number.

    What the note itself defines, "long form (abbreviation)", is kept, and so is what the gazetteer
    marked.
    """
    entities = list(entities)
    defined = {(one.label, _defined(doc, one)) for one in entities}
    marked = {(mark.label, mark.start, mark.end) for mark in get_marks(doc)}
    return [
        one
        for one in entities
        if one.label not in labels
        or (one.label, doc[one.start].text) in defined
        or (one.label, one.start, one.end) in marked
        or not _is_other(doc, one, entities)
    ]


def _is_other(doc: Doc, entity: Entity, entities: Sequence[Entity]) -> bool:
    """Whether an entity is an abbreviation that means something else in its place."""
    listed = abbreviations(doc.vocab.lang)
    short = entity.end - entity.start <= _MAX_DROPPED
    if not short or not listed.starts(doc[entity.start : entity.end].text):
        return False
    # The pieces around the entity, and where tokens start among them.
    start, end = max(0, entity.start - _WINDOW), min(len(doc), entity.end + _WINDOW)
    folded: list[str] = []
    at: dict[int, int] = {}
    for token in doc[start:end]:
        at[token.i] = len(folded)
        folded += pieces(token.text)
    at[end] = len(folded)
    first, last = at[entity.start], at[entity.end]
    drugs = [other for other in entities if other.label == LABEL and other is not entity]
    starts = {at[drug.start] for drug in drugs if drug.start in at}
    ends = {at[drug.end] for drug in drugs if drug.end in at}

    found = next(listed.find(folded[first:last]))
    end_of_name = first + found.last
    meanings = choose(
        found._replace(first=first, last=end_of_name),
        folded,
        lambda: is_prescribed(folded, first, end_of_name, starts, ends),
    )
    if not meanings or meanings[0].label == entity.label or not _is_spelled(doc, entity, found):
        return False
    rest = filter(str.isalpha, folded[end_of_name:last])
    return all(any(meaning.has_cue(piece) for meaning in meanings) for piece in rest)


def _is_spelled(doc: Doc, entity: Entity, found: Found) -> bool:
    """Whether an entity starts with an abbreviation in its own case."""
    words = doc[entity.start : entity.end].text.split()[: len(found.pattern.text.split())]
    return in_case(found.pattern, " ".join(words).rstrip(":;,."))


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
        if before and entity.label in labels and _is_joined(doc, before, entity, rules):
            scores = [one.score for one in (before, entity) if one.score is not None]
            whole = Entity(before.start, entity.end, entity.label, score=min(scores, default=None))
            joined[last[entity.label]] = whole
        else:
            last[entity.label] = len(joined)
            joined.append(entity)
    return joined


def _is_joined(doc: Doc, first: Entity, second: Entity, rules: Rules) -> bool:
    """Whether nothing but a joiner is between two entities."""
    gap = doc[first.end - 1].whitespace_ + doc[first.end : second.start].text_with_ws
    return first.end < second.start and seen(gap) in rules.joiners


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
    at = entity.end + 1
    if at + 1 >= len(doc) or doc[at - 1].text != "(" or doc[at + 1].text != ")":
        return None
    short = doc[at].text
    capitals = sum(char.isupper() for char in short)
    spelled = long_form(short, doc[entity.start : entity.end].text) is not None
    return short if capitals >= 2 and len(short) <= 10 and spelled else None


def repeat_names(
    doc: Doc, entities: Iterable[Entity], labels: Collection[str], rules: Rules
) -> list[Entity]:
    """Add the other places of a name that is an entity in one place of the note.

    A new entity has the highest score of that name, times the share of its places that were found.
    """
    entities = list(entities)
    if not any(one.label in labels for one in entities):
        return sorted(entities, key=in_order)
    words = [_spelling(token.text) for token in doc]
    skipped = {name.casefold() for name in rules.not_repeated}
    taken = _taken(entities)
    added: list[Entity] = []
    for label in labels:
        found: dict[Name, list[float | None]] = defaultdict(list)
        for one in entities:
            if one.label == label:
                found[tuple(words[one.start : one.end])].append(one.score)
        for name, starts in _places(doc, words, found, taken[label], rules.glue).items():
            share = len(found[name]) / (len(found[name]) + len(starts))
            score = max((score for score in found[name] if score is not None), default=None)
            sure = score is None or score >= MIN_SCORE
            if share >= MIN_SHARE and sure and " ".join(name).casefold() not in skipped:
                scaled = None if score is None else score * share
                added += [Entity(at, at + len(name), label, score=scaled) for at in starts]
    return sorted([*entities, *added], key=in_order)


def _places(
    doc: Doc, words: Sequence[str], names: Iterable[Name], taken: set[int], glue: Sequence[str]
) -> dict[Name, list[int]]:
    """Where the names occur outside the taken tokens. Of several names, the longest is chosen."""
    by_first: dict[str, list[Name]] = defaultdict(list)
    for name in sorted(names, key=len, reverse=True):
        by_first[name[0]].append(name)
    places: dict[Name, list[int]] = defaultdict(list)
    end_of_last = 0
    for start, word in enumerate(words):
        for name in by_first.get(word, ()) if start >= end_of_last else ():
            end = start + len(name)
            free = tuple(words[start:end]) == name and taken.isdisjoint(range(start, end))
            if free and not _is_glued(doc, start, end, glue):
                places[name].append(start)
                end_of_last = end
                break
    return places


def _is_glued(doc: Doc, start: int, end: int, glue: Sequence[str]) -> bool:
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
