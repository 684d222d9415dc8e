"""From the names of registries to the names in notes: without dose, form, package, company, salt.

The functions here look at one name; `build` does what depends on all names.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from spacy_cardioner.gazetteer.names import Name
from spacy_cardioner.gazetteer.normalise import count_letters, fold, pieces, split_combination, stem
from spacy_cardioner.gazetteer.report import Report

MIN_LETTERS = 4
MAX_WORDS = 6
MAX_LENGTH = 60

_MARKS = re.compile(r"[®™©\"“”]")
_SYSTEMATIC = re.compile(r"[\[\]{}=]|\)[-\w']|[-\w]\(|\d['′]?,\d|\d-\w{1,2}-|\w-\d+-\w|^\d+-|:")
_BRACKET = re.compile(r"\s*\([^()]*\)?")
_QUALIFIED = re.compile(r",(?!\d)")
_NUMBER_AT_END = re.compile(r"\s(?:\d{3,}|\d+(?:/\d+)+(?:-\d+)?|\d{4}-\d{4})$")
_ACID_AT_END = re.compile(r"^(?P<rest>\S+)\s+(?P<acid>[aá]cido)$", re.IGNORECASE)
_LIST = re.compile(r",\s*(?=.*\s(?:and|y|e)\s)", re.IGNORECASE)
_LINK_AT_EDGE = re.compile(r"^(?:de|di|of)(?:\s|$)|(?:^|\s)(?:de|di|of)$", re.IGNORECASE)
_WORD = re.compile(r"[^\s/]+")
# Plural endings and their singular, in the languages in which registries name groups.
_PLURALS = {
    "es": ((re.compile("(?<=[rlnd])es$"), ""), (re.compile("(?<=[aeio])s$"), "")),
    "en": ((re.compile("ies$"), "y"), (re.compile("(?<=[^isu])s$"), "")),
}


@lru_cache(maxsize=1)
def words() -> dict[str, frozenset[str]]:
    """The words to remove from names, folded, by their use in ``words.tsv``."""
    found: dict[str, set[str]] = {}
    path = Path(__file__).with_name("words.tsv")
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        use, _, listed = line.partition("\t")
        found.setdefault(use, set()).update(fold(word) for word in listed.split())
    for use in ("salt", "ion"):
        found[use] = {stem(word) for word in found[use]}
    return {use: frozenset(listed) for use, listed in found.items()}


@lru_cache(maxsize=1)
def _dose() -> re.Pattern[str]:
    units = "|".join(sorted(map(re.escape, words()["unit"]), key=len, reverse=True))
    number = r"\d[\d.,]*(?:\s*(?:-|/|x|\+)\s*\d[\d.,]*)*"
    return re.compile(rf"(?<![\w-]){number}\s*(?:(?:{units})(?!\w)|%)", re.IGNORECASE)


def clean(name: Name, report: Report) -> Iterator[Name]:
    """Turn a name of a registry into the names that notes may use.

    YIELDS (Name): The name, if anything is left; its parts, if it is a combination; the name
        without its salt; the singular. A curated name is not changed.
    """
    report.note("read", name.text)
    text = unicodedata.normalize("NFC", name.text)
    text = " ".join(_MARKS.sub("", text).split()).rstrip(" .;,")
    if name.curated:
        yield replace(name, text=text)
        return
    for step, change in _STEPS.items():
        before, text = text, change(text, name)
        if text != before:
            report.note(step, before, text)
        if not text:
            return
    name = replace(name, text=text)
    yield name
    if name.kind == "ingredient":
        parts = split_combination(text)
        if len(parts) == 1:
            yield from _without_salt(name, report)
        elif all(count_letters(part) >= MIN_LETTERS for part in parts):
            report.note("combination", text, " | ".join(parts))
            for part in map(_acid_first, parts):
                # A part has no ids, because it is not a name of the registry.
                found = replace(name, text=part, code="", also=(), source_id="", substance=part)
                yield found
                yield from _without_salt(found, report)
    elif name.kind == "group":
        lower = text.lower()
        text = " ".join(_singular(word, name.lang) for word in lower.split())
        if text != lower:
            report.note("number", name.text, text)
            yield replace(name, text=text)


def _without_bracket(text: str) -> str:
    """Remove "(human)"; brackets inside a word belong to a systematic name."""
    return text if _SYSTEMATIC.search(text) else _BRACKET.sub("", text).strip()


def _without_dose(text: str) -> str:
    """Keep what is before the first dose, or after it if the name starts with the dose."""
    if found := _dose().search(text):
        text = text[: found.start()] if found.start() else text[found.end() :]
        text = _cut(text.strip(" ,;.-+/"), words()["link"])
    while (number := _NUMBER_AT_END.search(text)) and count_letters(text) > MIN_LETTERS:
        text = text[: number.start()]
    return text


def _without_form(text: str) -> str:
    """Keep what is before the first form, without routes and the like at the end."""
    listed = words()
    for word in list(_WORD.finditer(text))[1:]:
        if _bare(word[0]) in listed["form"]:
            text = _cut(text[: word.start()].strip(), listed["link"] | listed["weak"])
            break
    return _cut(text, listed["weak"] | listed["release"])


def without_strength(text: str) -> str:
    """Remove dose and form from a name such as "bisoprolol 2,5 mg comprimidos"."""
    return _without_form(_without_dose(text))


def _cut(text: str, listed: Set[str]) -> str:
    """Remove listed words from the end, but never the first word."""
    found = list(_WORD.finditer(text))
    while len(found) > 1 and _bare(found[-1][0]) in listed:
        found.pop()
    return text[: found[-1].end()].rstrip(" ,;") if found else text


def _bare(word: str) -> str:
    return fold(word).strip(".,;")


def _without_company(text: str, name: Name) -> str:
    """Keep the substance that a brand starts with, or remove words of the company from the end.

    "ACARBOSIO DOC GENERICI" of "DOC GENERICI S.R.L." gives "ACARBOSIO".
    """
    if name.kind != "brand":
        return text
    substance = fold(_without_bracket(name.substance))
    if substance and fold(text).startswith(f"{substance} "):
        return text[: len(substance)]
    company = map(_bare, name.company.replace(".", " ").split())
    return _cut(text, {word for word in company if len(word) > 1})


def _acid_first(text: str) -> str:
    return _ACID_AT_END.sub(r"\g<acid> \g<rest>", text)


def _without_systematic(text: str) -> str:
    parts = split_combination(_LIST.sub("/", text))
    long = any(len(part) > MAX_LENGTH or len(part.split()) > MAX_WORDS for part in parts)
    return "" if long or _SYSTEMATIC.search(text) else text


def _without_qualified(text: str) -> str:
    """Drop "Dornase alfa, recombinant", because the part before the comma is listed as well.

    Commas between the parts of a combination become slashes.
    """
    text = _LIST.sub("/", text)
    return "" if _QUALIFIED.search(text) else text


# What is not part of the name, in the order in which it is removed.
_STEPS: dict[str, Callable[[str, Name], str]] = {
    "pack": lambda text, _: text.split("*")[0].strip(),
    "bracket": lambda text, _: _without_bracket(text),
    "dose": lambda text, _: _without_dose(text),
    "form": lambda text, _: _without_form(text),
    "company": _without_company,
    "order": lambda text, _: _acid_first(text),
    "systematic": lambda text, _: _without_systematic(text),
    "qualified": lambda text, _: _without_qualified(text),
}


def _without_salt(name: Name, report: Report) -> Iterator[Name]:
    if (text := strip_salt(name.text)) != name.text:
        report.note("salt", name.text, text)
        yield replace(name, text=text)


def _singular(word: str, lang: str) -> str:
    for plural, ending in _PLURALS.get(lang, ()):
        if len(word) > MIN_LETTERS and plural.search(word):
            return plural.sub(ending, word)
    return word


def strip_salt(text: str) -> str:
    """Remove the salt from a name such as "bisoprololo fumarato" or "clorhidrato de diltiazem".

    A name such as "lithium carbonate", which has only ions, is not changed.
    """
    listed = words()
    kept = []
    for word in text.split():
        stems = {stem(piece) for piece in pieces(word) if piece.isalnum()}
        if stems & listed["ion"]:
            return text
        if not stems <= listed["salt"]:
            kept.append(word)
    bare = " ".join(kept)
    while link := _LINK_AT_EDGE.search(bare):
        bare = bare[: link.start()] + bare[link.end() :]
    return text if _is_vague(pieces(bare)) else bare


def reason_to_drop(name: Name) -> str | None:
    """The step that drops a cleaned name for its form: "unit", "short", "generic" or None."""
    if name.curated:
        return None
    found = [piece for piece in pieces(name.text) if piece.isalnum()]
    if found and all(piece in words()["unit"] or piece.isdigit() for piece in found):
        return "unit"
    if count_letters(name.text) < MIN_LETTERS:
        return "short"
    return "generic" if found[0] in words()["generic"] or _is_vague(found) else None


def _is_vague(found: Sequence[str]) -> bool:
    """Whether no piece of a name distinguishes one drug from another."""
    uses = ("generic", "vague", "weak", "link", "form")
    return all(any(piece in words()[use] for use in uses) for piece in found)
