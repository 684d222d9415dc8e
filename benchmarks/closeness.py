"""Raw texts weighted by how close they are to a corpus, for word vectors.

Usage: python benchmarks/closeness.py NOTES.spacy TEXTS.jsonl.gz -o WEIGHTED.jsonl

A text is as close as the mean of log(P(word | notes) / P(word | texts)) over its words (Moore and
Lewis 2010, with single words). The quarter that is closest is written four times, the next twice,
the third once and the last not at all. The notes' annotations are not looked at; but their words
are, so that vectors of the weighted texts know a little of all notes, held out or not.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from math import inf, log
from pathlib import Path
from statistics import fmean

import srsly
from spacy.vocab import Vocab

from spacy_cardioner.corpus import read_docbin
from spacy_cardioner.texts import read_texts

TIMES = (4, 2, 1, 0)


def words(text: str) -> list[str]:
    """The words of a text, in small letters."""
    return re.findall(r"[^\W\d_]+", text.lower())


def ratios(inside: Counter[str], outside: Counter[str]) -> dict[str, float]:
    """log(P(word | notes) / P(word | texts)) of every word, each counted once more than it is."""
    known = set(inside) | set(outside)
    n_inside, n_outside = inside.total() + len(known), outside.total() + len(known)
    return {w: log((inside[w] + 1) / n_inside) - log((outside[w] + 1) / n_outside) for w in known}


def main() -> None:
    """Write the weighted texts and say how many words they have."""
    parser = argparse.ArgumentParser(description="See the top of this file.")
    parser.add_argument("notes", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    texts = list(read_texts(args.texts))
    inside = Counter(w for doc in read_docbin(args.notes, Vocab()) for w in words(doc.text))
    outside = Counter(w for text in texts for w in words(text))
    n_before = outside.total()
    ratio = ratios(inside, outside)
    close = [fmean([ratio[w] for w in words(text)] or [-inf]) for text in texts]
    ranked = [texts[i] for i in sorted(range(len(texts)), key=lambda i: -close[i])]
    kept = [
        {"text": text}
        for place, text in enumerate(ranked)
        for _ in range(TIMES[place * len(TIMES) // len(ranked)])
    ]
    args.output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_jsonl(args.output, kept)
    n_after = sum(len(words(row["text"])) for row in kept)
    print(f"{n_before} words become {n_after}")


if __name__ == "__main__":
    main()
