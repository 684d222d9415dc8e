"""Measure how many brands of registries a list knows, and with the right ATC code.

Brands of the groups C (without C05), B01 and A10. A registry that gives a code with its products is
the reference; otherwise the code of the substances, as the list gives it. A brand counts once, with
the words of the package and the company removed.

Usage: python benchmarks/gazetteer_brands.py --patterns LANG.jsonl REGISTRY=FILE...
"""

from __future__ import annotations

import argparse
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from spacy_cardioner.gazetteer.clean import clean
from spacy_cardioner.gazetteer.lexicon import Lexicon
from spacy_cardioner.gazetteer.names import Name
from spacy_cardioner.gazetteer.normalise import pieces
from spacy_cardioner.gazetteer.patterns import read_patterns
from spacy_cardioner.gazetteer.readers import read
from spacy_cardioner.gazetteer.report import Report

HOW = ("right code", "no code", "wrong code")
GROUPS = re.compile(r"(?:C(?!05)|B01|A10).{4,}")
MIN_LETTERS = 4


def main() -> None:
    """Print the shares of brands, by group of the classification."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--patterns", type=Path, required=True)
    parser.add_argument("--reference", type=Path, help="patterns for the codes of substances")
    parser.add_argument("files", nargs="+", help="REGISTRY=FILE, as for gazetteer build")
    given = parser.parse_args()
    lexicon = Lexicon(read_patterns(given.patterns))
    reference = Lexicon(read_patterns(given.reference or given.patterns))
    names: list[Name] = []
    for registry, _, path in (file.partition("=") for file in given.files):
        names += read(Path(path), registry)
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for brand, codes in brands(names, reference).items():
        answer = lexicon.look_up(brand)
        how = "wrong code" if answer and answer.code and answer.code not in codes else "no code"
        if answer and answer.code in codes:
            how = "right code"
        group = min(codes)[:1] if min(codes).startswith("C") else min(codes)[:3]
        found[group][how] += 1
        found["all"][how] += 1
    print("| group | brands | right code | no code | wrong code |")
    print("|---|---|---|---|---|")
    for group, counts in sorted(found.items(), key=lambda item: (item[0] == "all", item[0])):
        shares = [f"{counts[how] / counts.total():.1%}" for how in HOW]
        print(f"| {group} | {counts.total()} | {' | '.join(shares)} |")


def brands(names: Iterable[Name], reference: Lexicon) -> dict[str, set[str]]:
    """The brands of the groups with the codes that are right for them.

    Products that are called by their substance are no brands.
    """
    codes: dict[str, set[str]] = defaultdict(set)
    substances: dict[str, set[str]] = defaultdict(set)
    for name in names:
        if name.kind == "brand":
            for cleaned in clean(name, Report()):
                key = cleaned.text.lower()
                substances[key].add(name.substance)
                codes[key] |= {name.code} - {""}
    found = {}
    for brand, of in substances.items():
        known = codes[brand] or {answer.code for s in of if (answer := reference.look_up(s))} - {""}
        words = {word for substance in of for word in pieces(substance) if len(word) > 3}
        plain = sum(map(str.isalpha, brand)) >= MIN_LETTERS and not words & set(pieces(brand))
        if plain and known and all(map(GROUPS.fullmatch, known)):
            found[brand] = known
    return found


if __name__ == "__main__":
    main()
