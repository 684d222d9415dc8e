"""Measure how well the laboratory rules separate measured values from drugs.

Usage: python benchmarks/gazetteer_laboratory.py --patterns LANG.jsonl --corpus LANG.spacy ...

Counts the analytes among the names in annotated documents: how many of those that are annotated as
drugs, and of those that are not, are in a laboratory context by the rules.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import srsly

from spacy_cardioner.corpus import read_docbin
from spacy_cardioner.pipeline.gazetteer.component import Gazetteer
from spacy_cardioner.spans import SPANS_KEY
from spacy_cardioner.tokenizer import blank


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--patterns", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, nargs="+", required=True)
    given = parser.parse_args()
    print("| corpus | no drugs | of them in a laboratory context | drugs | of them |")
    print("|---|---|---|---|---|")
    for path in given.corpus:
        nlp = blank(path.stem)
        gazetteer = Gazetteer(nlp)
        gazetteer.add_patterns(srsly.read_jsonl(given.patterns))
        counts: Counter[tuple[bool, bool]] = Counter()
        for doc in read_docbin(path, nlp.vocab):
            gold = {(span.start, span.end, span.label_) for span in doc.spans[SPANS_KEY]}
            for mark in gazetteer.find(doc):
                if mark.analyte:
                    drug = (mark.start, mark.end, mark.label) in gold
                    counts[drug, mark.laboratory] += 1
        cells = [
            f"{counts[drug, False] + counts[drug, True]} | {counts[drug, True]}"
            for drug in (False, True)
        ]
        print(f"| {path.parent.name}, {path.stem} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
