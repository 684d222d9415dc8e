"""Measure the recall of drugs that the model has never seen, without and with the gazetteer.

Usage: python benchmarks/new_drugs.py --corpus CORPUS.spacy ... --patterns LANG.jsonl
           --output FOLDER [--config NAME=CONFIG.cfg ...] [--set paths.vectors=VECTORS ...]
           [--share 0.1] [--seed 13]

A random tenth of the drug names in the corpora is held out: every sentence with such a name,
annotated or not, alone or in a longer mention, is removed from the training documents. Names that
differ only in spelling, number or accents are one name. FOLDER then holds

- names.json, the held-out names;
- train.spacy, all training documents, and a file for each corpus, named like its folder;
- test.spacy, the complete documents that mention a held-out drug.

For each config, `spacy train` trains a pipeline on train.spacy in FOLDER/NAME, unless
FOLDER/NAME/model-last exists: put pipelines with several stages there by hand. Each pipeline is
then scored without and with the component `cardioner_ruler`: recall of the mentions of held-out
names; and precision, recall and F1 of the other names of these documents, in sentences that the
model was trained on.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import spacy
import srsly
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.vocab import Vocab

from spacy_cardioner.corpus import read_docbin, write_docbin
from spacy_cardioner.gazetteer.normalise import key
from spacy_cardioner.gazetteer.patterns import LABEL, Pattern
from spacy_cardioner.pipeline.gazetteer.component import Gazetteer
from spacy_cardioner.pipeline.gazetteer.ruler import Ruler
from spacy_cardioner.spans import SPANS_KEY, non_overlapping


def drugs(doc: Doc) -> list[Span]:
    """The drugs of a document, overlapping with diseases or not."""
    return [span for span in doc.spans.get(SPANS_KEY, doc.ents) if span.label_ == LABEL]


def draw(docs: Iterable[Doc], share: float, seed: int) -> list[str]:
    """The held-out names, as they are written in the documents."""
    spellings: dict[str, set[str]] = {}
    for doc in docs:
        for span in drugs(doc):
            if name := key(span.text):
                spellings.setdefault(name, set()).add(" ".join(span.text.split()))
    chosen = random.Random(seed).sample(sorted(spellings), round(share * len(spellings)))
    return sorted(spelling for name in chosen for spelling in spellings[name])


class HeldOut:
    """Finds held-out names."""

    def __init__(self, names: Sequence[str]) -> None:
        """Initialize with the names."""
        self.keys = {key(name) for name in names}
        self.finder = Gazetteer(spacy.blank("xx"))
        self.finder.lexicon.add(Pattern(name) for name in names)

    def is_one(self, span: Span) -> bool:
        """Whether a mention is one of the names."""
        return key(span.text) in self.keys

    def tokens(self, doc: Doc) -> set[int]:
        """The tokens of all occurrences of the names."""
        places = [(mark.start, mark.end) for mark in self.finder.find(doc)]
        places += [(span.start, span.end) for span in drugs(doc) if self.is_one(span)]
        return {token for start, end in places for token in range(start, end)}


def without(doc: Doc, tokens: set[int]) -> Doc:
    """The document without the sentences of these tokens."""
    number = {token.i: n for n, sentence in enumerate(doc.sents) for token in sentence}
    gone = {number[token] for token in tokens}
    spans = sorted(doc.spans[SPANS_KEY], key=lambda span: span.start)
    # An entity that continues in the next sentence is removed with it.
    for span in [*spans, *reversed(spans)]:
        sentences = {number[token.i] for token in span}
        if sentences & gone:
            gone |= sentences
    kept = [token for token in doc if number[token.i] not in gone]
    place = {token.i: new for new, token in enumerate(kept)}
    made = Doc(
        doc.vocab,
        words=[token.text for token in kept],
        spaces=[bool(token.whitespace_) for token in kept],
        sent_starts=[bool(token.is_sent_start) for token in kept],
        user_data=dict(doc.user_data),
    )
    left = [
        Span(made, place[span.start], place[span.end - 1] + 1, span.label)
        for span in spans
        if span.start in place
    ]
    made.spans[SPANS_KEY] = SpanGroup(
        made, name=SPANS_KEY, spans=left, attrs=dict(doc.spans[SPANS_KEY].attrs)
    )
    made.set_ents(non_overlapping(left))
    return made


def make(given: argparse.Namespace) -> None:
    """Write the names and the documents, unless they exist."""
    if (given.output / "test.spacy").exists():
        return
    vocab = Vocab()
    corpora = {path.parent.name: read_docbin(path, vocab) for path in given.corpus}
    everything = [doc for docs in corpora.values() for doc in docs]
    names = draw(everything, given.share, given.seed)
    held_out = HeldOut(names)
    train: list[Doc] = []
    for name, docs in corpora.items():
        cut = [without(doc, held_out.tokens(doc)) for doc in docs]
        write_docbin(given.output / f"{name}.spacy", [doc for doc in cut if len(doc)])
        train += [doc for doc in cut if len(doc)]
    write_docbin(given.output / "train.spacy", train)
    drawn = {"seed": given.seed, "share": given.share, "names": names}
    srsly.write_json(given.output / "names.json", drawn)
    test = [doc for doc in everything if any(map(held_out.is_one, drugs(doc)))]
    write_docbin(given.output / "test.spacy", test)


def train(config: Path, folder: Path, settings: Sequence[str]) -> None:
    """Train a pipeline, unless it exists."""
    if (folder / "model-last").exists():
        return
    data = folder.parent
    overrides = [
        f"paths.train={data / 'train.spacy'}",
        f"paths.dev={data / 'test.spacy'}",
        *settings,
    ]
    command = [sys.executable, "-m", "spacy", "train", str(config), "--output", str(folder)]
    command += [part for text in overrides for part in _option(text)]
    subprocess.run(command, check=True)


def _option(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return f"--{name}", value


def with_list(nlp: Language, patterns: Path, corpus: Path) -> tuple[Gazetteer, Ruler]:
    """Add the gazetteer to a pipeline, and measure its names on the training documents."""
    new = "gazetteer" not in nlp.pipe_names
    gazetteer = (
        nlp.add_pipe("cardioner_gazetteer", "gazetteer", first=True)
        if new
        else nlp.get_pipe("gazetteer")
    )
    assert isinstance(gazetteer, Gazetteer)
    if new:
        gazetteer.add_patterns(srsly.read_jsonl(patterns))
    ruler = Ruler(nlp)
    ruler.initialize(lambda: [], nlp=nlp, corpus=str(corpus))
    return gazetteer, ruler


def evaluate(nlp: Language, patterns: Path, folder: Path) -> dict[str, dict[str, float]]:
    """Score a pipeline without and with the ruler."""
    held_out = HeldOut(srsly.read_json(folder / "names.json")["names"])
    gazetteer, ruler = with_list(nlp, patterns, folder / "train.spacy")
    gold = read_docbin(folder / "test.spacy", nlp.vocab)
    counts: dict[str, Counter[str]] = {"model": Counter(), "model and ruler": Counter()}
    for wanted, doc in zip(gold, nlp.pipe(doc.text for doc in gold), strict=True):
        counts["model"].update(count(wanted, doc, held_out, gazetteer))
        counts["model and ruler"].update(count(wanted, ruler(doc), held_out, gazetteer))
    return {system: figures(found) for system, found in counts.items()}


def count(gold: Doc, doc: Doc, held_out: HeldOut, gazetteer: Gazetteer) -> Counter[str]:
    """Strict counts of one document: mentions of held-out names, and the others."""
    found = {(span.start_char, span.end_char) for span in drugs(doc)}
    counts: Counter[str] = Counter()
    covered: set[int] = set()
    for token in held_out.tokens(gold):
        covered.update(range(gold[token].idx, gold[token].idx + len(gold[token])))
    for span in drugs(gold):
        right = (span.start_char, span.end_char) in found
        if held_out.is_one(span):
            listed = span.text in gazetteer
            counts.update(new=1, found=right, listed=listed, found_listed=listed and right)
        elif covered.isdisjoint(range(span.start_char, span.end_char)):
            counts.update(others=1, others_right=right)
    counts["others_predicted"] = sum(covered.isdisjoint(range(*place)) for place in found)
    return counts


def figures(counts: Counter[str]) -> dict[str, float]:
    """Recall on the held-out names, and on those in the list; P, R and F1 on the others."""

    def share(part: float, whole: float) -> float:
        return part / whole if whole else 0.0

    both = counts["others"] + counts["others_predicted"]
    return {
        **counts,
        "recall": share(counts["found"], counts["new"]),
        "recall_listed": share(counts["found_listed"], counts["listed"]),
        "precision_others": share(counts["others_right"], counts["others_predicted"]),
        "recall_others": share(counts["others_right"], counts["others"]),
        "f1_others": share(2 * counts["others_right"], both),
    }


def systems(given: argparse.Namespace) -> Iterator[tuple[str, dict[str, float]]]:
    """The figures of every pipeline in the folder, after training those of the configs."""
    for text in given.config:
        name, _, config = text.partition("=")
        train(Path(config), given.output / name, given.set)
    for model in sorted(given.output.glob("*/model-last")):
        for system, found in evaluate(spacy.load(model), given.patterns, given.output).items():
            yield f"{model.parent.name}, {system}", found


def main() -> None:
    """Make the data, train, print the table and write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--corpus", type=Path, nargs="+", required=True)
    parser.add_argument("--patterns", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--config", nargs="+", default=[], metavar="NAME=CONFIG")
    parser.add_argument("--set", nargs="+", default=[], metavar="SETTING=VALUE")
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=13)
    given = parser.parse_args()
    make(given)
    result = dict(systems(given))
    print("| pipeline | new drugs | recall | recall, if listed | other drugs: P | R | F1 |")
    print("|---|---|---|---|---|---|---|")
    for system, row in result.items():
        print(
            f"| {system} | {row['new']} | **{row['recall']:.3f}** | {row['recall_listed']:.3f} "
            f"| {row['precision_others']:.3f} | {row['recall_others']:.3f} "
            f"| {row['f1_others']:.3f} |"
        )
    figures_file = given.output / "figures.json"
    figures_file.write_text(f"{json.dumps(result, indent=2)}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
