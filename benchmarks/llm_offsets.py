"""Measure how much is lost where mentions that a language model names are found in the text again.

Usage: python benchmarks/llm_offsets.py BRAT_FOLDER [--lang es] [--max-characters 2000]

No model is asked. For each piece of a note, the answer is made of its annotated mentions, each
named once, as a perfect model would. The scores of what is found are the highest that any model can
have.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from spacy.language import Language
from tqdm import tqdm

from spacy_cardioner import brat
from spacy_cardioner.evaluation.scores import score
from spacy_cardioner.pieces import cut
from spacy_cardioner.pipeline.llm.answers import Piece
from spacy_cardioner.spans import Entity
from spacy_cardioner.tokenizer import blank


def found(nlp: Language, text: str, gold: Sequence[Entity], limit: int) -> Iterator[Entity]:
    """What is found with the mentions of a note, piece by piece."""
    doc = nlp.make_doc(text)
    for start, end in cut(text, limit):
        inside = [one for one in gold if start <= one.start and one.end <= end]
        named = dict.fromkeys((one.label, text[one.start : one.end]) for one in inside)
        for entity in Piece(doc, start, end).find([*named])[0]:
            span = doc[entity.start : entity.end]
            yield Entity(span.start_char, span.end_char, entity.label, span.text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lang", default="es")
    parser.add_argument("--max-characters", type=int, default=2000)
    options = parser.parse_args()
    nlp = blank(options.lang)
    gold, pred = {}, {}
    for note in tqdm(brat.read_folder(options.folder), unit=" notes", disable=None):
        mentions = sorted(entity for entity, _ in brat.located(note))
        gold[note.name] = [e._replace(text=note.text[e.start : e.end]) for e in mentions]
        pred[note.name] = list(found(nlp, note.text, mentions, options.max_characters))
    print(f"{'label':<15}{'mentions':>9}{'P':>8}{'R':>8}{'F1':>8}")
    for label, scores in score(gold, pred, resamples=1).strict.labels.items():
        row = "".join(f"{n:>8.4f}" for n in (scores.precision, scores.recall, scores.f1))
        print(f"{label:<15}{scores.counts.gold if scores.counts else 0:>9}{row}")


if __name__ == "__main__":
    main()
