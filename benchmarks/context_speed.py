"""Measure the time of cardioner_context on notes of growing length, with and without sentences.

Usage: python benchmarks/context_speed.py [--model PIPELINE NOTES_DIR]

With --model, the time of an installed pipeline over a folder of notes is given too, without and
with the component.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup

from spacy_cardioner.spans import SPANS_KEY
from spacy_cardioner.tokenizer import blank

NOTE = (
    "Varón de 70 años con antecedentes de hipertensión arterial. Niega dolor torácico, disnea o "
    "síncope. No presenta edemas. Posible neumonía sin derrame pleural. Padre con infarto. Se "
    "inicia tratamiento con bisoprolol 2,5 mg cada 24 horas."
)
ENTITIES = {"hipertensión", "dolor", "disnea", "síncope", "edemas", "neumonía", "infarto"}
LENGTHS = (6_250, 12_500, 25_000, 50_000, 100_000)
REPEATS = 3


def note(words: int, *, sentences: bool) -> str:
    """A note of so many words; without sentences it has no full stop and is a single one."""
    one = NOTE.split() if sentences else NOTE.replace(".", "").split()
    return " ".join((one * (words // len(one) + 1))[:words])


def prepared(nlp: Language, text: str) -> Doc:
    """A document with sentences and entities."""
    doc = nlp.get_pipe("sentencizer")(nlp.make_doc(text))
    spans = [Span(doc, token.i, token.i + 1, "X") for token in doc if token.text in ENTITIES]
    doc.spans[SPANS_KEY] = SpanGroup(doc, spans=spans)
    return doc


def seconds(work: Callable[[], object]) -> float:
    """The shortest processor time of several runs."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def print_lengths() -> None:
    nlp = blank("es")
    component = nlp.add_pipe("cardioner_context")
    print("| words | with sentences | one single sentence |\n|---|---|---|")
    for words in LENGTHS:
        cells = []
        for sentences in (True, False):
            doc = prepared(nlp, note(words, sentences=sentences))
            taken = seconds(lambda doc=doc: component(doc))
            cells.append(f"{taken:.2f} s, {taken / words * 1e6:.1f} µs a word")
        print(f"| {words:,} | {' | '.join(cells)} |", flush=True)


def print_pipeline(model: str, folder: Path) -> None:
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.txt"))]
    nlp = spacy.load(model)
    words = sum(map(len, nlp.tokenizer.pipe(texts)))
    without = seconds(lambda: list(nlp.pipe(texts)))
    nlp.add_pipe("cardioner_context")
    with_context = seconds(lambda: list(nlp.pipe(texts)))
    share = (with_context - without) / with_context
    print(f"\n{model} over {len(texts)} notes, {words:,} tokens:")
    print(f"- without context {words / without:,.0f} tokens a second")
    print(f"- with context {words / with_context:,.0f} tokens a second, which takes {share:.0%}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", nargs=2, metavar=("PIPELINE", "NOTES_DIR"))
    arguments = parser.parse_args()
    print_lengths()
    if arguments.model:
        print_pipeline(arguments.model[0], Path(arguments.model[1]))


if __name__ == "__main__":
    main()
