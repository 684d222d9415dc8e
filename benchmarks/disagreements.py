"""Mentions of drugs on which the languages of one case disagree.

Usage: python benchmarks/disagreements.py CORPUS... -o FOLDER

Each CORPUS is a folder with es/, en/ and it/ in BRAT, of which files of one name are one case.
Mentions of two languages are the same if they stand at about the same place of the note (3 % of its
length) and are spelled alike (furosemida, furosemide). Doubtful are a mention to which no other
language has one that may be its translation, and a place where both others have a mention and this
one has the word, but no mention. FOLDER gets a file for each language, for `tried.doubts.v1`.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, NamedTuple

import srsly

from spacy_cardioner.evaluation.sources import read_annotations
from spacy_cardioner.training.augment import strip_accents

LANGUAGES = ("es", "en", "it")
LABEL, NEAR, ALIKE = "FARMACO", 0.03, 0.6


class Place(NamedTuple):
    """Words of a note: where they begin and end, how far into the note, and what they are."""

    start: int
    end: int
    share: float
    words: str


def same(first: Place, second: Place, alike: float = ALIKE) -> bool:
    """Whether two places of two languages say the same."""
    if abs(first.share - second.share) > NEAR:
        return False
    if first.words == second.words:
        return True
    matcher = SequenceMatcher(None, first.words, second.words, autojunk=False)
    return matcher.quick_ratio() >= alike and matcher.ratio() >= alike


def place(text: str, start: int, end: int) -> Place:
    """A place of a note."""
    return Place(start, end, start / len(text), strip_accents(text[start:end]).lower())


def doubts(own: list[Place], others: list[list[Place]], text: str) -> list[Place]:
    """The doubtful places of one note in one language."""
    found = [m for m in own if not any(_has(each, m, own) for each in others)]
    first, second = others
    agreed = [m for m in first if any(same(m, other) for other in second)]
    lost = [m for m in agreed if not _has(own, m, first)]
    taken = {(m.start, m.end) for m in own}
    for mention in lost:
        near = (place(text, *match.span()) for match in re.finditer(r"\w[\w-]*", text))
        alike = [p for p in near if same(p, mention, 0.8) and not _inside(p, taken)]
        found += alike[:1]
    return sorted(set(found))


def _has(others: list[Place], mention: Place, own: list[Place]) -> bool:
    """Whether another language has the mention too, or near it one of its own, which may be its
    translation (IECA, ACE inhibitor).
    """
    near = [other for other in others if abs(other.share - mention.share) <= NEAR]
    return any(same(mention, other) or not any(same(each, other) for each in own) for other in near)


def _inside(found: Place, taken: set[tuple[int, int]]) -> bool:
    return any(start < found.end and found.start < end for start, end in taken)


class Note(NamedTuple):
    """A case: its texts and mentions, by language."""

    name: str
    texts: dict[str, str]
    mentions: dict[str, list[Place]]


def read(corpus: Path) -> Iterator[Note]:
    """The cases of a corpus."""
    sources = {lang: read_annotations(corpus / lang / "brat") for lang in LANGUAGES}
    for name in sorted(set.intersection(*(set(source.entities) for source in sources.values()))):
        texts = {lang: (source.texts or {})[name] for lang, source in sources.items()}
        mentions = {
            lang: [
                place(texts[lang], e.start, e.end)
                for e in source.entities[name]
                if e.label == LABEL
            ]
            for lang, source in sources.items()
        }
        yield Note(name, texts, mentions)


def main() -> None:
    """Write the doubtful mentions of each language and print how many they are."""
    parser = argparse.ArgumentParser(description="See the top of this file.")
    parser.add_argument("corpus", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    notes = [note for corpus in args.corpus for note in read(corpus)]
    for lang in LANGUAGES:
        rows: list[dict[str, Any]] = []
        n_mentions = n_spurious = n_lost = 0
        for note in notes:
            text, own = note.texts[lang], note.mentions[lang]
            found = doubts(own, [note.mentions[code] for code in LANGUAGES if code != lang], text)
            n_mentions += len(own)
            n_spurious += len(set(found) & set(own))
            n_lost += len(set(found) - set(own))
            spans = [{"label": LABEL, "start": p.start, "end": p.end} for p in found]
            rows.append({"id": note.name, "doubts": spans})
        srsly.write_jsonl(args.output / f"{lang}.jsonl", rows)
        print(
            f"{lang}: of {n_mentions} mentions {n_spurious} in no other language; {n_lost} that "
            "both others have"
        )


if __name__ == "__main__":
    main()
