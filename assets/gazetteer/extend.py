"""Add the brands of registries to drugs.tsv: those of cardiology, anticoagulation and diabetes.

A brand is added to the column of its registry's language, under the code of its substances, if

1. `cardioner gazetteer build` keeps it, with raw texts to drop common words;
2. all its codes are of the groups C (without C05), B01 and A10: other uses make it ambiguous;
3. it is not a substance with a company, and has no digits, and at least five letters;
4. no shorter brand gives the same code, so that the list does not already know it.

    python assets/gazetteer/extend.py it aifa=classe_A.csv aifa=classe_H.csv \
        --texts es.jsonl --texts en.jsonl --texts it.jsonl
    python assets/gazetteer/extend.py en fda=Products.txt --texts es.jsonl --texts en.jsonl
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from spacy_cardioner.gazetteer.build import build
from spacy_cardioner.gazetteer.combined import is_substance
from spacy_cardioner.gazetteer.lexicon import Lexicon
from spacy_cardioner.gazetteer.normalise import count_letters, pieces
from spacy_cardioner.gazetteer.patterns import Pattern

DRUGS = Path(__file__).with_name("drugs.tsv")
LANGS = ("es", "en", "it")
MIN_LETTERS = 5
_WANTED = re.compile(r"(?:C(?!05)|B01|A10)")
# Names, persons and words of other languages that the texts are too few to show.
COMMON = {
    *("cardiovasc", "coral", "eclipse", "elektra", "fluss", "forus", "giant", "kimura", "maoris"),
    *("nikita", "prelay", "quark", "quorum", "rectiv", "target", "urokinasi", "versatis"),
}
# Of the classification, not of the registries: nicotinic acid for lipids is C10AD02.
OTHER_CODE = {"C04AC01"}


def main() -> None:
    """Rewrite drugs.tsv, and print what was added."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("lang", choices=LANGS)
    parser.add_argument("files", nargs="+", help="REGISTRY=FILE, as for gazetteer build")
    parser.add_argument("--texts", type=Path, action="append", default=[])
    given = parser.parse_args()
    files = [(name, Path(path)) for name, _, path in (f.partition("=") for f in given.files)]
    with DRUGS.open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
    table = {(row[0], row[1]): row for row in rows}
    column = header.index(given.lang)
    for brand in brands(files, given.lang, given.texts):
        row = table.setdefault((brand.id, "brand"), [brand.id, "brand", "", "", "", ""])
        row[column] = "|".join(filter(None, [row[column], _title(brand.text)]))
        print(brand.id, brand.text)
    lines = ["\t".join(row) for row in (header, *sorted(table.values()))]
    DRUGS.write_text("\n".join(lines) + "\n", encoding="utf-8")


def brands(
    files: Sequence[tuple[str, Path]], lang: str, texts: Sequence[Path]
) -> Iterator[Pattern]:
    """The brands of registries that the list lacks, the shortest first."""
    own = build([("own", DRUGS)], langs=[lang])
    known = Lexicon(own)
    names = {word for p in own if p.kind != "brand" for word in pieces(p.text) if len(word) > 3}
    found = build([("own", DRUGS), *files], langs=[lang], texts=texts)
    for pattern in sorted(found, key=lambda pattern: len(pattern.text)):
        words = pieces(pattern.text)
        wanted = pattern.kind == "brand" and all(map(_WANTED.match, pattern.candidates))
        if not wanted or not is_substance(pattern.id) or pattern.id in OTHER_CODE:
            continue
        plain = "".join(words).isalpha() and count_letters(pattern.text) >= MIN_LETTERS
        if not plain or COMMON & set(words) or names & set(words):
            continue
        answer = known.look_up(pattern.text)
        if answer is None or answer.code != pattern.id:
            known.add([pattern])
            yield pattern


def _title(name: str) -> str:
    """The usual case: "Rasilez HCT"."""
    return " ".join(w.upper() if len(w) <= 3 else w.capitalize() for w in name.split())


if __name__ == "__main__":
    main()
