"""Measure the share of annotated drug mentions that get an ATC code, by kind of match.

Usage: python benchmarks/gazetteer_codes.py --patterns LANG.jsonl --corpus LANG.spacy
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from spacy_cardioner.corpus import read_docbin
from spacy_cardioner.gazetteer.lexicon import Lexicon
from spacy_cardioner.gazetteer.names import is_atc
from spacy_cardioner.gazetteer.patterns import LABEL, read_patterns
from spacy_cardioner.spans import SPANS_KEY
from spacy_cardioner.tokenizer import blank

NOT_KNOWN, OTHER_ID = "not known", "an id that is not an ATC code"
SEVERAL = "part: several substances, without a code of all"


def main() -> None:
    """Print the shares of mentions, and of names, each of which counts once."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--patterns", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    given = parser.parse_args()
    nlp = blank(given.corpus.stem)
    lexicon = Lexicon(read_patterns(given.patterns))
    mentions: Counter[str] = Counter()
    for doc in read_docbin(given.corpus, nlp.vocab):
        spans = (span for span in doc.spans[SPANS_KEY] if span.label_ == LABEL)
        mentions.update(" ".join(span.text.split()) for span in spans)
    found: dict[str, Counter[str]] = {}
    for name, count in mentions.items():
        answer = lexicon.look_up(name)
        how = answer.match if answer else NOT_KNOWN
        if answer and answer.several:
            how = SEVERAL
        elif answer and not is_atc(answer.code):
            how = OTHER_ID
        found.setdefault(how, Counter()).update(mentions=count, names=1)
    print(f"| found | mentions of {mentions.total()} | names of {len(mentions)} |")
    print("|---|---|---|")
    for how, counts in sorted(found.items(), key=lambda item: -item[1]["mentions"]):
        shares = counts["mentions"] / mentions.total(), counts["names"] / len(mentions)
        print(f"| {how} | {shares[0]:.1%} | {shares[1]:.1%} |")


if __name__ == "__main__":
    main()
