"""Several pipelines side by side against one alone, cross-validated.

Usage: MULTICARDIONER_DIR=... python benchmarks/stacking.py CAMPAIGN EXPERIMENT -o RUNS --lang es
           --seed 1 --seed 2 [--seed 3]

RUNS is the folder that `cardioner experiments CAMPAIGN EXPERIMENT -o RUNS` has written; the
pipelines of its folds are used, so that nothing is trained. In each fold those of the first two
seeds, of the first three and so on are put side by side (`cardioner stack`) and predict the
held-out notes. Printed is the strict F1 of all folds together, with the 95 % interval of the
difference to each seed's pipeline alone.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import spacy
from spacy.cli._util import import_code
from spacy.vocab import Vocab

from spacy_cardioner.assembly.stack import stack
from spacy_cardioner.brat import Entity, write_tsv
from spacy_cardioner.corpus import read_docbin
from spacy_cardioner.evaluation.evaluate import evaluate
from spacy_cardioner.training.campaign import Campaign, read_campaign
from spacy_cardioner.training.experiments import predict
from spacy_cardioner.training.folds import read_folds


def stacked(campaign: Campaign, args: argparse.Namespace, seeds: list[int], path: Path) -> None:
    """Write what pipelines side by side find in the held-out notes of all folds."""
    found: dict[str, list[Entity]] = {}
    for number in range(len(read_folds(Path(campaign.folds)))):
        models = [
            args.output / args.name / f"{args.lang}-{seed}/fold-{number}/{seed}/model-last"
            for seed in seeds
        ]
        nlp = stack([spacy.load(model) for model in models])
        for source in campaign.part(args.lang, "cardioccc"):
            data = args.output / f"data/{args.lang}-{number}/dev/{source}.spacy"
            for name, mentions in predict(nlp, read_docbin(data, Vocab())):
                found[name] = [Entity(*mention[:4]) for mention in mentions]
    write_tsv(path, found)


def main() -> None:
    """Print a table row for each task and each number of members."""
    parser = argparse.ArgumentParser(description="See the top of this file.")
    parser.add_argument("campaign", type=Path)
    parser.add_argument("name")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--lang", required=True)
    parser.add_argument("--seed", type=int, action="append", required=True)
    args = parser.parse_args()
    campaign = read_campaign(args.campaign)
    import_code(campaign.code)
    if args.lang in campaign.sources:
        parser.error(f"{args.lang} is several languages; this compares pipelines of one")
    alone = [
        args.output / args.name / f"{args.lang}-{seed}" / f"predictions-{args.lang}.tsv"
        for seed in args.seed
    ]
    print(
        "| task | members | F1 | alone, seed | F1 | difference (95 %) |\n|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as scratch:
        for count in range(2, len(args.seed) + 1):
            path = Path(scratch, f"{count}.tsv")
            stacked(campaign, args, args.seed[:count], path)
            for task, (_, label, gold) in campaign.tasks(args.lang).items():
                for seed, other in zip(args.seed, alone, strict=True):
                    done = evaluate(gold, path, other=other, labels=[label]).comparison
                    assert done is not None
                    print(
                        f"| {task} | {count} | {done.first:.4f} | {seed} | {done.second:.4f} "
                        f"| {done.difference:+.4f} ({done.interval[0]:+.4f} to "
                        f"{done.interval[1]:+.4f}) |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
