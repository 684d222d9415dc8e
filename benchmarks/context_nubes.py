"""Measure the component cardioner_context: Spanish on NUBes, English on the table of the tests.

Usage: python benchmarks/context_nubes.py NUBES_DIR [--model PIPELINE] [--table TSV]

NUBES_DIR holds notes with cues, scopes and entities in brat's format, also in subfolders:
https://github.com/Vicomtech/NUBes-negation-uncertainty-biomedical-corpus

Prints, for the annotated diseases (DISO) and substances (SUBS) within a scope:

- precision, recall and F1 of negation and of uncertainty, and the share of the entities of that
  class for which both attributes are right;
- with --model, the share of that pipeline's entities outside all scopes that get an attribute.

medspaCy as it ships, and medspaCy's component with our rules, are measured too. With --table, the
English rules of medspaCy and ours are compared on tests/data/context/en.tsv.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from tqdm import tqdm

from spacy_cardioner import brat
from spacy_cardioner.pipeline.context.component import CONTEXT_ATTRIBUTES, register_attributes
from spacy_cardioner.pipeline.context.rules import rules_path
from spacy_cardioner.spans import SPANS_KEY
from spacy_cardioner.tokenizer import blank

TARGETS = {"DISO", "SUBS"}
CLASSES = {"Neg": "is_negated", "Uncert": "is_uncertain"}
SCOPE = re.compile(r"R[0-9]+\t(?:Disc)?Scope Arg1:(T[0-9]+) Arg2:(T[0-9]+)")

Attributes = frozenset[str]
Place = tuple[int, int, str]


class Case(NamedTuple):
    """A text, its entities (start, end, label), the attributes that each should have, and what
    scopes and cues cover.
    """

    text: str
    places: list[Place]
    expected: list[Attributes]
    scopes: list[tuple[int, int]]


def nubes_cases(folder: Path) -> Iterator[Case]:
    """Each note of NUBes with the targets in its scopes."""
    folders = sorted({path.parent for path in folder.rglob("*.ann")})
    for note in (note for one in folders for note in brat.read_folder(one)):
        found = {bound.id: bound for bound in note.textbounds}
        pairs = [match.groups() for line in note.lines if (match := SCOPE.match(line.raw))]
        relations = [(found[cue], found[scope]) for cue, scope in pairs]
        entities: dict[Place, Attributes] = {}
        for bound in found.values():
            names = frozenset(
                CLASSES[re.split("Syn|Lex|Mor", cue.label)[0]]
                for cue, scope in relations
                if scope.start <= bound.start and bound.end <= scope.end
            )
            if bound.label in TARGETS and names:
                entities[bound.start, bound.end, bound.label] = names
        covered = [(one.start, one.end) for relation in relations for one in relation]
        yield Case(note.text, list(entities), list(entities.values()), covered)


def table_cases(path: Path) -> Iterator[Case]:
    """Each row of a table of the tests."""
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
            start = int(row["start"])
            place = (start, start + len(row["entity"]), "ENFERMEDAD")
            names = set(row["expected"].split(",")) - {"-"}
            expected = frozenset(f"is_{name}" for name in names)
            yield Case(row["text"].replace("\\n", "\n"), [place], [expected], [])


def predict(nlp: Language, doc: Doc, places: Iterable[Place]) -> list[Attributes]:
    """What the pipeline's last component says of the entities at these places."""
    found = [doc.char_span(*place, alignment_mode="expand") for place in places]
    spans = [span for span in found if span is not None]
    doc.user_data.clear()
    doc.spans.clear()
    doc.spans[SPANS_KEY] = SpanGroup(doc, spans=spans)
    nlp.pipeline[-1][1](doc)
    return [frozenset(name for name in CONTEXT_ATTRIBUTES if span._.get(name)) for span in spans]


def score(
    expected: Sequence[Attributes], predicted: Sequence[Attributes], names: Sequence[str]
) -> str:
    """Precision, recall, F1 and strict accuracy for each attribute, as cells of a table."""
    cells = []
    for name in names:
        pairs = list(zip(expected, predicted, strict=True))
        counts = Counter((name in gold, name in found) for gold, found in pairs)
        right, missed, wrong = counts[True, True], counts[True, False], counts[False, True]
        precision = right / max(1, right + wrong)
        recall = right / max(1, right + missed)
        f1 = 2 * right / max(1, 2 * right + wrong + missed)
        exact = sum(gold == found & set(names) for gold, found in pairs if name in gold)
        strict = exact / max(1, right + missed)
        cells.append(f"{precision:.3f} / {recall:.3f} / {f1:.3f} / {strict:.3f}")
    return " | ".join(cells)


def outside(nlp: Language, case: Case, doc: Doc, found: Iterable[Span]) -> list[Attributes]:
    """What is said of a pipeline's entities that touch neither a scope nor a cue."""
    places = {
        (span.start_char, span.end_char, span.label_)
        for span in found
        if all(span.end_char <= start or end <= span.start_char for start, end in case.scopes)
    }
    return predict(nlp, doc, sorted(places))


def systems(language: str) -> dict[str, Callable[[], Language]]:
    """The pipelines to compare, made when they are needed."""
    group: dict[str, object] = {
        "input_span_type": "group",
        "span_group_name": SPANS_KEY,
        "language_code": language,
    }
    plain = {**group, "rules": str(rules_path(language)), "prune_on_target_overlap": True}

    def make(factory: str, config: dict[str, object]) -> Callable[[], Language]:
        def build() -> Language:
            nlp = blank(language)
            nlp.add_pipe(factory, config=config)
            return nlp

        return build

    return {
        "medspaCy as it ships": make("medspacy_context", group),
        "medspaCy's component, our rules": make("medspacy_context", plain),
        "cardioner_context": make("cardioner_context", {}),
    }


def print_table(title: str, cases: Sequence[Case], language: str, names: Sequence[str]) -> None:
    tokens = blank(language)
    docs = [tokens(case.text) for case in cases]
    gold = [names_ for case in cases for names_ in case.expected]
    counts = ", ".join(f"{sum(n in g for g in gold)} {n[3:]}" for n in names)
    print(f"\n{title}: {len(gold)} entities, of them {counts}. Precision / recall / F1 / strict.\n")
    print("| | " + " | ".join(name[3:] for name in names) + " |")
    print("|---" * (len(names) + 1) + "|")
    for label, build in systems(language).items():
        nlp = build()
        work = tqdm(zip(cases, docs, strict=True), label, len(docs), delay=2, disable=None)
        found = [names_ for case, doc in work for names_ in predict(nlp, doc, case.places)]
        print(f"| {label} | {score(gold, found, names)} |", flush=True)


def print_outside(cases: Sequence[Case], model: str) -> None:
    pipeline = spacy.load(model)
    nlp, tokens = systems("es")["cardioner_context"](), blank("es")
    found: list[Attributes] = []
    docs = pipeline.pipe((case.text for case in cases), batch_size=8)
    for case, doc in tqdm(
        zip(cases, docs, strict=True), "outside", len(cases), delay=2, disable=None
    ):
        spans = list(doc.spans.get(SPANS_KEY, doc.ents))
        found += outside(nlp, case, tokens(case.text), spans)
    print(f"\nOutside all scopes: {len(found)} entities of {model}, of which wrongly\n")
    for name in CLASSES.values():
        wrong = sum(name in one for one in found)
        print(f"- {name[3:]}: {wrong} ({wrong / max(1, len(found)):.3%})")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("nubes", type=Path, metavar="NUBES_DIR")
    parser.add_argument("--model", help="pipeline whose entities outside scopes are looked at")
    parser.add_argument("--table", type=Path, help="English table of the tests")
    arguments = parser.parse_args()
    import medspacy  # noqa: F401  (it has no entry point: importing registers its factories)

    register_attributes()
    cases = list(nubes_cases(arguments.nubes))
    print_table("NUBes, Spanish", cases, "es", list(CLASSES.values()))
    if arguments.model:
        print_outside(cases, arguments.model)
    if arguments.table:
        table = list(table_cases(arguments.table))
        print_table("Table of the tests, English", table, "en", CONTEXT_ATTRIBUTES)


if __name__ == "__main__":
    main()
