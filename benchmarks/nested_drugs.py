"""How many of the drugs that lie inside a disease are found, by two sets of predictions.

Usage: python benchmarks/nested_drugs.py --gold GOLD... --pred FIRST [--pred SECOND]
           [--inner FARMACO] [--outer ENFERMEDAD]

Each of GOLD is a BRAT folder or a TSV; several are joined by document, as the two labels of the
corpus lie in folders of their own. FIRST and SECOND are TSVs or BRAT folders, such as the pooled
predictions of a cross-validation. Documents without predictions in any TSV count as well.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from spacy_cardioner.evaluation.sources import read_annotations

Annotations = dict[str, set[tuple[int, int, str]]]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gold", type=Path, action="append", required=True)
    parser.add_argument("--pred", type=Path, action="append", required=True)
    parser.add_argument("--documents", type=Path, help="a file with the names of documents to use")
    parser.add_argument("--inner", default="FARMACO")
    parser.add_argument("--outer", default="ENFERMEDAD")
    return parser.parse_args()


def read(paths: list[Path]) -> Annotations:
    """Places and labels of the entities of each document, whichever of the paths has them."""
    joined: Annotations = {}
    for path in paths:
        for name, entities in read_annotations(path).entities.items():
            joined.setdefault(name, set()).update(entity[:3] for entity in entities)
    return joined


def nested(gold: Annotations, inner: str, outer: str) -> Annotations:
    """The inner entities that lie within an outer one, and are not all of it."""
    found: Annotations = {}
    for name, entities in gold.items():
        around = [(start, end) for start, end, label in entities if label == outer]
        found[name] = {
            (start, end, label)
            for start, end, label in entities
            if label == inner
            and any(s <= start and end <= e and (s, e) != (start, end) for s, e in around)
        }
    return found


def size(annotations: Annotations) -> int:
    return sum(map(len, annotations.values()))


def main() -> None:
    args = arguments()
    gold = read(args.gold)
    if args.documents:
        chosen = set(args.documents.read_text(encoding="utf-8").split("\n"))
        gold = {name: found for name, found in gold.items() if name in chosen}
    inside = nested(gold, args.inner, args.outer)
    inner = {name: {e for e in found if e[2] == args.inner} for name, found in gold.items()}
    print(
        f"{args.inner}: {size(inner)} in {len(gold)} documents, "
        f"{size(inside)} of them inside {args.outer}"
    )
    print("| predictions | inside, found | recall inside | recall of all |")
    print("|---|---|---|---|")
    for path in args.pred:
        found = read([path])
        both = [
            size({name: each & found.get(name, set()) for name, each in wanted.items()})
            for wanted in (inside, inner)
        ]
        shares = [
            hit / max(size(wanted), 1) for hit, wanted in zip(both, (inside, inner), strict=True)
        ]
        print(f"| {'/'.join(path.parts[-3:])} | {both[0]} | {shares[0]:.3f} | {shares[1]:.3f} |")


if __name__ == "__main__":
    main()
