"""What every registry is read into: a name, what kind of name it is, and its code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["ingredient", "combination", "group", "abbreviation", "brand"]

# The first of these that a name has is the kind it keeps.
KINDS: tuple[Kind, ...] = ("ingredient", "combination", "group", "abbreviation", "brand")

# One letter, two digits, one or two letters, two digits: any level of the classification.
ATC = re.compile(r"[ABCDGHJLMNPRSV](?:[0-9]{2}(?:[A-Z](?:[A-Z](?:[0-9]{2})?)?)?)?")

# Groups of the classification whose members are used on the spot and not taken by mouth or vein.
_LOCAL = ("A01", "A07", "B05C", "C05", "D", "G01", "M02", "N01BX", "R01", "R02", "S", "V")


@dataclass(frozen=True)
class Name:
    """One name, as one line of a registry has it.

    text (str): The name as it stands there, doses and forms included.
    kind (Kind): "ingredient" (a substance), "combination" (of substances), "group" (of
        substances), "abbreviation" (of any), or "brand".
    lang (str): Language of the name, "" for a name that is the same in every language.
    code (str): Its ATC code, where the registry gives one for this very name.
    source (str): Name of the registry.
    source_id (str): What the registry calls it.
    substance (str): What the line is about: names of a registry with the same substance have the
        same code. "" where the registry does not say.
    company (str): Name of the company, which some names end with.
    cased (bool): Whether the registry writes names in small letters, so that capitals mean
        an abbreviation.
    curated (bool): Whether somebody chose this name for notes: it is kept whatever it looks like.
    also (tuple[str, ...]): Further codes of this very name, less usual than `code`.
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


def is_atc(code: str) -> bool:
    """Whether `code` is of the form of an ATC code, of any level."""
    return ATC.fullmatch(code) is not None


def code_rank(code: str) -> tuple[bool, bool, bool, str]:
    """Sort key that puts the code first that a name in a note more likely stands for.

    ATC codes before others, one substance before combinations, use in the whole body before
    use on the spot.
    """
    atc = is_atc(code)
    combined = atc and len(code) == 7 and code[5:] >= "50"
    return (not atc, combined, code.startswith(_LOCAL), code)
