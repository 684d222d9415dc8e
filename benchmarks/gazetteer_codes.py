"""Measure the share of annotated mentions that get a code, by kind of match and by vocabulary.

Usage: python benchmarks/gazetteer_codes.py --patterns LIST.jsonl --corpus LANG.spacy
    [--label LABEL] [--show N]

With --show, prints N random names that are not listed as they are, with the names of their codes.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import srsly

from spacy_cardioner.corpus import read_docbin
from spacy_cardioner.gazetteer.lexicon import EXACT
from spacy_cardioner.gazetteer.patterns import LABEL
from spacy_cardioner.pipeline.gazetteer.codes import code_names
from spacy_cardioner.spans import SPANS_KEY, vocabulary_of
from spacy_cardioner.tokenizer import blank

NOT_KNOWN, SEVERAL = "not known", "several, no code"


def main() -> None:
    """Print the shares of mentions, and of names, each of which counts once."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--patterns", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--label", default=LABEL)
    parser.add_argument("--show", type=int, default=0)
    given = parser.parse_args()
    nlp = blank(given.corpus.stem)
    nlp.add_pipe("cardioner_gazetteer", name="gazetteer").add_patterns(
        srsly.read_jsonl(given.patterns)
    )
    linker = nlp.add_pipe("cardioner_linker", name="linker")
    mentions: Counter[str] = Counter()
    for doc in read_docbin(given.corpus, nlp.vocab):
        spans = (span for span in doc.spans[SPANS_KEY] if span.label_ == given.label)
        mentions.update(" ".join(span.text.split()) for span in spans)
    answers = {name: linker.look_up(name, given.label) for name in mentions}
    found: dict[str, str] = {}
    vocabularies: dict[str, str] = {}
    for name, answer in answers.items():
        how = answer.match if answer else NOT_KNOWN
        found[name] = SEVERAL if answer and answer.several else how
        if answer and answer.code:
            vocabularies[name] = vocabulary_of(answer.code)
    print_shares("found", found, mentions)
    print_shares("vocabulary", vocabularies, mentions)
    names = code_names(nlp)
    known = {
        name: f"{answer.code} {names.get(answer.code)} ({answer.match})"
        for name, answer in answers.items()
        if answer and answer.code and answer.match != EXACT
    }
    for name in random.Random(1).sample(sorted(known), min(given.show, len(known))):
        print(f"{name} -> {known[name]}")


def print_shares(title: str, classes: Mapping[str, str], mentions: Counter[str]) -> None:
    """Print a table of classes of names."""
    print(f"| {title} | mentions of {mentions.total()} | names of {len(mentions)} |")
    print("|---|---|---|")
    counts: Counter[str] = Counter()
    for name, its_class in classes.items():
        counts[its_class] += mentions[name]
    names = Counter(classes.values())
    for its_class, count in counts.most_common():
        shares = count / mentions.total(), names[its_class] / len(mentions)
        print(f"| {its_class} | {shares[0]:.1%} | {shares[1]:.1%} |")
    print()


if __name__ == "__main__":
    main()
