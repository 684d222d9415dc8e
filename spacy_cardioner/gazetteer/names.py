"""The names of registries, with their kind and code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

from spacy_cardioner.spans import ATC

Kind = Literal["ingredient", "combination", "group", "abbreviation", "brand", "term"]

# A term is a name in a vocabulary of diseases or findings: it gives a code, and is never marked.
TERM: Kind = "term"
# A name of several other kinds keeps the first of these.
KINDS: tuple[Kind, ...] = get_args(Kind)[:-1]

# Most characters of a name: registries need a third of it, and each is looked for at many places.
MAX_NAME = 500
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

# Groups of the classification with local, not systemic, use.
_LOCAL = ("A01", "A07", "B05C", "C05", "D", "G01", "M02", "N01BX", "R01", "R02", "S", "V")


@dataclass(frozen=True)
class Name:
    """A name in a line of a registry.

    text (str): The name as published, with dose and form.
    kind (Kind): "ingredient" (a substance), "combination" (of substances), "group" (of
        substances), "abbreviation" (of any), "brand", or "term" (of a disease or finding).
    lang (str): Language of the name, "" for a name that is the same in all languages.
    code (str): The ATC code, if the registry gives one for this name; of a term its id.
    substance (str): The substance that the line is about, if known. Names of a registry with the
        same substance have the same code.
    company (str): The company, whose name some brands end with.
    cased (bool): Whether the registry uses lower case, so that upper case means an abbreviation.
    curated (bool): Whether a person chose the name; it is then kept as it is.
    also (tuple[str, ...]): Less likely codes of this name.
    preferred (bool): Whether a term is the name of its code, not a synonym.
    """

    text: str
    kind: Kind
    source: str
    source_id: str
    lang: str = ""
    code: str = ""
    substance: str = ""
    company: str = ""
    cased: bool = True
    curated: bool = False
    also: tuple[str, ...] = ()
    preferred: bool = True


def product_names(substance: Name, product: str, company: str = "") -> Iterator[Name]:
    """The names in a line of a register of products: the substance and the product, if not ""."""
    name = replace(substance, substance=substance.text, cased=False)
    if name.text:
        yield name
    if product:
        yield replace(name, text=product, kind="brand", lang="", company=company)


def index_names(code: str, text: str, source: str, lang: str) -> Iterator[Name]:
    """The name of an entry of the ATC index, unless it is an organ system.

    The top level has organ systems, and so have the upper levels of diagnostic
    radiopharmaceuticals.
    """
    if len(code) >= 3 and (len(code) == 7 or not code.startswith("V09")):
        kind: Kind = "ingredient" if len(code) == 7 else "group"
        # Groups of the upper levels are in upper case.
        yield Name(text, kind, source, code, lang, code, cased=not text.isupper())


def is_atc(code: str) -> bool:
    """Whether `code` has the form of an ATC code, of any level."""
    return ATC.fullmatch(code) is not None


def fault_of(name: str) -> str:
    """Why a text cannot be a name to look for, or "" if it can."""
    if not any(map(str.isalnum, name)):
        return "it has neither letters nor digits"
    if len(name) > MAX_NAME:
        return f"it has more than {MAX_NAME} characters"
    if _CONTROL.search(name):
        return "it has control characters, such as tabs or line ends"
    return ""


def code_rank(code: str) -> tuple[bool, bool, bool, str]:
    """Sort key for the codes of a name: the likeliest in a note comes first.

    ATC codes before others, substances before combinations, systemic before local use.
    """
    atc = is_atc(code)
    combined = atc and len(code) == 7 and code[5:] >= "50"
    return (not atc, combined, code.startswith(_LOCAL), code)
