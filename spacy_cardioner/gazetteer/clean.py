"""From the names of registries to the names of notes: no dose, form, package, company or salt.

Every function here looks at one name; what depends on all names is in `build`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

from spacy_cardioner.gazetteer.names import Name
from spacy_cardioner.gazetteer.normalise import fold, pieces, split_combination, stem
from spacy_cardioner.gazetteer.report import Report

WORDS = Path(__file__).with_name("words.tsv")
MIN_LETTERS = 4
MAX_WORDS = 6
MAX_LENGTH = 60

_NO_NAME = re.compile(r"[®™©\"“”]")
_SYSTEMATIC = re.compile(r"[\[\]{}=]|\)[-\w']|[-\w]\(|\d['′]?,\d|\d-\w{1,2}-|\w-\d+-\w|^\d+-|:")
_BRACKET = re.compile(r"\s*\([^()]*\)?")
_QUALIFIED = re.compile(r",(?!\d)")
_NUMBER_AT_END = re.compile(r"\s(?:\d{3,}|\d+(?:/\d+)+(?:-\d+)?|\d{4}-\d{4})$")
_ACID_AT_END = re.compile(r"(?P<rest>\S+)\s+(?P<acid>[aá]cido)", re.IGNORECASE)
_LIST = re.compile(r",\s*(?=.*\s(?:and|y|e)\s)", re.IGNORECASE)
_LINK_AT_EDGE = re.compile(r"^(?:de|di|of)(?:\s|$)|(?:^|\s)(?:de|di|of)$", re.IGNORECASE)
_WORD = re.compile(r"[^\s/]+")


@lru_cache(maxsize=1)
def words() -> dict[str, frozenset[str]]:
    """The words that names are cleaned of, folded, by their use in ``words.tsv``."""
    found: dict[str, set[str]] = {}
    for line in WORDS.read_text(encoding="utf-8").splitlines()[1:]:
        use, _, listed = line.partition("\t")
        found.setdefault(use, set()).update(fold(word) for word in listed.split())
    for use in ("salt", "ion"):
        found[use] = {stem(word) for word in found[use]}
    return {use: frozenset(listed) for use, listed in found.items()}


@lru_cache(maxsize=1)
def _dose() -> re.Pattern[str]:
    units = sorted(map(re.escape, words()["unit"]), key=len, reverse=True)
    number = r"\d[\d.,]*(?:\s*(?:-|/|x|\+)\s*\d[\d.,]*)*"
    return re.compile(rf"(?<![\w-]){number}\s*(?:(?:{'|'.join(units)})(?!\w)|%)", re.IGNORECASE)


def clean(name: Name, report: Report) -> Iterator[Name]:
    """Turn a registry's name into the names that notes may have for it.

    name (Name): The name. A curated one is kept as it is.
    report (Report): Where every step that changes it or leaves it out is counted.
    RETURNS (Iterator[Name]): None, one, or several: a combination and its parts, a name with its
        salt and without.
    """
    report.note("read", name.text)
    text = _tidy(name.text)
    if name.curated:
        yield replace(name, text=text)
        return
    text = _strip(name, text, report)
    if text:
        name = replace(name, text=text)
        yield name
        for other in (_parts, _without_salt, _singular):
            yield from other(name, report)


def _tidy(text: str) -> str:
    return " ".join(_NO_NAME.sub("", unicodedata.normalize("NFC", text)).split()).rstrip(" .;,")


def _strip(name: Name, text: str, report: Report) -> str:
    """Take off what is no name, or all of it."""
    for step, change in (
        ("pack", _without_pack),
        ("bracket", _without_bracket),
        ("dose", _without_dose),
        ("form", _without_form),
        ("company", partial(_without_company, name=name)),
        ("order", _acid_first),
        ("systematic", _without_systematic),
        ("qualified", _without_qualified),
    ):
        before, text = text, change(text)
        if text != before:
            report.note(step, before, text)
        if not text:
            break
    return text


def _without_pack(text: str) -> str:
    return text.split("*")[0].strip()


def _without_bracket(text: str) -> str:
    """Without "(human)"; brackets inside a word are a chemist's, see `_without_systematic`."""
    return text if _SYSTEMATIC.search(text) else _BRACKET.sub("", text).strip()


def _without_dose(text: str) -> str:
    """Up to the first dose; or, where the dose comes first, what follows it."""
    found = _dose().search(text)
    if found:
        text = text[: found.start()] if found.start() else text[found.end() :]
        text = _cut(text.strip(" ,;.-+/"), words()["link"])
    while (number := _NUMBER_AT_END.search(text)) and _letters(text) > MIN_LETTERS:
        text = text[: number.start()]
    return text


def _without_form(text: str) -> str:
    """Up to the first form, and without routes and the like before it."""
    listed = words()
    for word in list(_WORD.finditer(text))[1:]:
        if _bare(word[0]) in listed["form"]:
            text = _cut(text[: word.start()].strip(), listed["link"] | listed["weak"])
            break
    return _cut(text, listed["weak"] | listed["release"])


def without_strength(text: str) -> str:
    """Take dose and form off a name.

    text (str): A name such as "bisoprolol 2,5 mg comprimidos".
    RETURNS (str): The name alone.
    """
    return _without_form(_without_dose(text))


def _cut(text: str, listed: Set[str]) -> str:
    """Without the words at the end that are listed; the first word stays."""
    found = list(_WORD.finditer(text))
    while len(found) > 1 and _bare(found[-1][0]) in listed:
        found.pop()
    return text[: found[-1].end()].rstrip(" ,;") if found else text


def _bare(word: str) -> str:
    return fold(word).strip(".,;")


def _without_company(text: str, name: Name) -> str:
    """Without the words at the end that the company has too; or the substance that it starts with.

    "ACARBOSIO DOC GENERICI" of "DOC GENERICI S.R.L." gives "ACARBOSIO".
    """
    if name.kind != "brand":
        return text
    substance = fold(_without_bracket(name.substance))
    if substance and fold(text).startswith(f"{substance} "):
        return text[: len(substance)]
    company = map(_bare, name.company.replace(".", " ").split())
    return _cut(text, {word for word in company if word[1:]})


def _acid_first(text: str) -> str:
    found = _ACID_AT_END.fullmatch(text)
    return f"{found['acid']} {found['rest']}" if found else text


def _without_systematic(text: str) -> str:
    parts = split_combination(_LIST.sub("/", text))
    long = any(len(part) > MAX_LENGTH or len(part.split()) > MAX_WORDS for part in parts)
    return "" if long or _SYSTEMATIC.search(text) else text


def _without_qualified(text: str) -> str:
    """Without "Dornase alfa, recombinant": what stands before the comma has a line of its own.

    Commas that list the parts of a combination become bars.
    """
    text = _LIST.sub("/", text)
    return "" if _QUALIFIED.search(text) else text


def _parts(name: Name, report: Report) -> Iterator[Name]:
    """The parts of a combination of substances: no name of the registry, so without its ids."""
    parts = split_combination(name.text) if name.kind == "ingredient" else []
    if len(parts) < 2 or any(_letters(part) < MIN_LETTERS for part in parts):
        return
    report.note("combination", name.text, " | ".join(parts))
    for part in map(_acid_first, parts):
        found = replace(name, text=part, code="", also=(), source_id="", substance=part)
        yield found
        yield from _without_salt(found, report)


def _without_salt(name: Name, report: Report) -> Iterator[Name]:
    """The name without its salt, if something else is left: "lithium carbonate" stays whole."""
    if name.kind != "ingredient" or len(split_combination(name.text)) > 1:
        return
    stripped = strip_salt(name.text)
    if stripped != name.text:
        report.note("salt", name.text, stripped)
        yield replace(name, text=stripped)


def strip_salt(text: str) -> str:
    """Take the salt off the name of a substance.

    text (str): A name such as "bisoprololo fumarato" or "clorhidrato de diltiazem".
    RETURNS (str): The name without it; the same name where nothing but ions is in it.
    """
    listed = words()
    found = [word for word in text.split() if _stems(word)]
    stems = [_stems(word) for word in found]
    if any(listed["ion"] & set(each) for each in stems):
        return text
    kept = [w for w, each in zip(found, stems, strict=True) if not set(each) <= listed["salt"]]
    bare = " ".join(kept)
    while link := _LINK_AT_EDGE.search(bare):
        bare = bare[: link.start()] + bare[link.end() :]
    return text if _is_vague(pieces(bare)) else bare


def _stems(word: str) -> list[str]:
    return [stem(piece) for piece in pieces(word) if piece.isalnum()]


# Endings of plurals and of their singulars, in the languages that registries name groups in.
_NUMBERS = {
    "es": ((re.compile("(?<=[rlnd])es$"), ""), (re.compile("(?<=[aeio])s$"), "")),
    "en": ((re.compile("ies$"), "y"), (re.compile("(?<=[^isu])s$"), "")),
}


def _singular(name: Name, report: Report) -> Iterator[Name]:
    """The singular of a group that is named in the plural."""
    if name.kind != "group":
        return
    text = " ".join(_singular_word(word, name.lang) for word in name.text.lower().split())
    if text != name.text.lower():
        report.note("number", name.text, text)
        yield replace(name, text=text)


def _singular_word(word: str, lang: str) -> str:
    for plural, ending in _NUMBERS.get(lang, ()):
        if len(word) > MIN_LETTERS and plural.search(word):
            return plural.sub(ending, word)
    return word


def reason_to_drop(name: Name) -> str | None:
    """The step that leaves a cleaned name out by its look alone, or None.

    name (Name): A cleaned name.
    RETURNS (Optional[str]): "unit", "short", "generic" or None.
    """
    if name.curated:
        return None
    found = [piece for piece in pieces(name.text) if piece.isalnum()]
    if found and all(piece in words()["unit"] or piece.isdigit() for piece in found):
        return "unit"
    if _letters(name.text) < MIN_LETTERS:
        return "short"
    return "generic" if found[0] in words()["generic"] or _is_vague(found) else None


def _is_vague(found: Sequence[str]) -> bool:
    """Whether none of a name's pieces tells one drug from another."""
    listed = words()
    uses = ("generic", "vague", "weak", "link", "form")
    return all(any(piece in listed[use] for use in uses) for piece in found)


def _letters(text: str) -> int:
    return sum(char.isalpha() for char in text)
