"""Measure both families of pipelines side by side, against a BERT base and EDS-NLP.

Usage: python benchmarks/families_speed.py NOTES_DIR [--transformer xx_cardioner_trf]
           [--cnn xx_cardioner] [--gated PIPELINE] [--words 2500] [--rounds 2]

The tools take turns on the same notes, on one thread; words a second of CPU time, the best round
of each. Only the ratios count.

- the transformer pipeline: "plain" encodes all windows of a batch of notes together, padded to the
  longest, as spacy-transformers does; then windows of similar length together, in lower precision,
  and with a sentence gate, from --gated (`configs/gate.cfg` trains one);
- the CNN pipeline, and both stacked (`cardioner stack`);
- BERT base: as in `annotate_speed.py`;
- EDS-NLP: its `eds.ner_crf` on the encoder of the transformer pipeline, with heads for the same
  labels, untrained, with the settings of its documentation.

Training: one pass over the notes with what the transformer pipeline found in them, all weights,
about 1,000 words a step, float32. A tool that is not there is named with the reason.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

# Before numpy is imported.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import spacy
import torch
from annotate_speed import Tool, bert_base, piped, some, words
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam

from spacy_cardioner.assembly.stack import stack
from spacy_cardioner.batch.readers import open_source
from spacy_cardioner.layers import transformer as layer
from spacy_cardioner.loading import load_pipeline
from spacy_cardioner.spans import SPANS_KEY

KINDS = "annotates", "trains"
STEP = 1000
BUCKETS = layer.MAX_PIECES, layer.MAX_PADDING
PLAIN = 2**62, 2**62
BFLOAT16 = {"components.transformer.model.precision": "bfloat16"}

# Inference and training, each None if not measured.
Pair = tuple[Tool | None, Tool | None]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notes", help="folder")
    parser.add_argument("--transformer", default="xx_cardioner_trf")
    parser.add_argument("--cnn", default="xx_cardioner")
    parser.add_argument("--gated", help="the transformer pipeline with a gate")
    parser.add_argument("--words", type=int, default=2500)
    parser.add_argument("--bert-words", type=int, default=1000, help="it is slow")
    parser.add_argument("--rounds", type=int, default=2)
    return parser.parse_args()


def encoding(nlp: Language, limits: tuple[int, int]) -> Tool:
    """Annotate with these limits on the windows that are encoded at once."""

    def run(texts: Sequence[str]) -> None:
        layer.MAX_PIECES, layer.MAX_PADDING = limits
        for _ in nlp.pipe(texts):
            pass

    return run


def in_steps(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in parts of about as many words as a step of a training has."""
    rest = list(texts)
    while rest:
        part = some(rest, STEP)
        rest = rest[len(part) :]
        yield part


def training(nlp: Language, gold: dict[str, Doc]) -> Tool:
    """Train a copy of a pipeline of ours on what was found in the texts."""
    nlp = type(nlp).from_config(nlp.config.interpolate()).from_bytes(nlp.to_bytes())
    optimizer = Adam(1e-5)
    annotates = ["gazetteer"]
    trained = [name for name in nlp.pipe_names if name in ("tok2vec", "transformer", "ner")]
    first = nlp.pipe_names.index(trained[0])
    others = [name for name in nlp.pipe_names[first:] if name not in trained]

    def run(texts: Sequence[str]) -> None:
        with nlp.select_pipes(disable=others):
            for part in in_steps(texts):
                examples = [Example(nlp.make_doc(text), gold[text]) for text in part]
                nlp.update(examples, sgd=optimizer, annotates=annotates)

    return run


def eds_nlp(nlp: Language, gold: dict[str, Doc]) -> Pair:
    """EDS-NLP's recogniser on the encoder of a pipeline.

    RAISES (ImportError): It is not installed.
    """
    import edsnlp
    import edsnlp.pipes as eds

    model: Any = nlp.get_pipe("transformer").model  # type: ignore[attr-defined]
    labels = [*nlp.get_pipe("ner").labels]  # type: ignore[attr-defined]
    other = edsnlp.blank("eds")
    with tempfile.TemporaryDirectory() as folder:
        model.transformer.save_pretrained(folder)
        model.tokenizer.save_pretrained(folder)
        embedding = eds.transformer(model=folder, window=128, stride=96)
        settings = {"mode": "joint", "window": 10, "labels": labels, "span_setter": "ents"}
        recogniser = eds.ner_crf(embedding=embedding, target_span_getter="gold", **settings)
        recogniser = other.add_pipe(recogniser, name="ner")
        other.post_init([])
    optimizer = torch.optim.AdamW(other.parameters(), lr=1e-5)

    def annotated(text: str) -> Doc:
        doc = other.make_doc(text)
        spans = (
            doc.char_span(span.start_char, span.end_char, span.label_, alignment_mode="expand")
            for span in gold[text].spans[SPANS_KEY]
        )
        doc.spans["gold"] = [span for span in spans if span]
        return doc

    def annotate(texts: Sequence[str]) -> None:
        other.train(False)
        for _ in other.pipe(texts):
            pass

    def train(texts: Sequence[str]) -> None:
        other.train(True)
        for part in in_steps(texts):
            batch = recogniser.prepare_batch([*map(annotated, part)], supervision=True)
            optimizer.zero_grad()
            recogniser(batch)["loss"].backward()
            optimizer.step()

    return annotate, train


def tools(options: argparse.Namespace, texts: list[str]) -> Iterator[tuple[str, Pair | str]]:
    """The name of each tool, and the tool, or why it is not there."""
    name = options.transformer
    nlp, cnn = load_pipeline(name), load_pipeline(options.cnn)
    gold = dict(zip(texts, nlp.pipe(texts), strict=True))
    lower = spacy.load(name, config=BFLOAT16)
    yield f"`{name}`, plain", (encoding(nlp, PLAIN), None)
    yield "... windows of similar length together", (encoding(nlp, BUCKETS), training(nlp, gold))
    yield "... and bfloat16", (encoding(lower, BUCKETS), None)
    if options.gated:
        gated = spacy.load(options.gated, config=BFLOAT16)
        yield "... and a gate, sentence windows", (encoding(gated, BUCKETS), None)
    else:
        yield "... and a gate", "needs --gated"
    yield f"`{options.cnn}`", (piped(cnn), training(cnn, gold))
    yield "both stacked", (encoding(stack([cnn, nlp]), BUCKETS), None)
    try:
        yield "EDS-NLP's `eds.ner_crf`, same encoder", eds_nlp(nlp, gold)
    except ImportError as error:
        yield "EDS-NLP's `eds.ner_crf`", f"not installed ({error.name} is missing)"


def seconds(tool: Tool, texts: Sequence[str]) -> float:
    start = time.process_time()
    tool(texts)
    return time.process_time() - start


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    notes = open_source(options.notes, recursive=True)
    texts = some([note.text for note in notes if note.text], options.words)
    measured: dict[str, Pair] = {}
    for name, tool in tools(options, texts):
        if isinstance(tool, str):
            print(f"not measured: {name}: {tool}")
        else:
            measured[name] = tool
    few = some(texts, options.bert_words)
    berts = {name: (tool, None) for name, tool in bert_base(few).items()}
    best: dict[tuple[str, int], float] = {}
    for _ in range(options.rounds):
        for name, pair in (measured | berts).items():
            given = few if name in berts else texts
            for kind, tool in enumerate(pair):
                if tool:
                    rate = words(given) / seconds(tool, given)
                    best[name, kind] = max(best.get((name, kind), 0), rate)
                    print(f"  {name}: {KINDS[kind]} {rate:,.0f}", file=sys.stderr, flush=True)
    slowest = best[next(iter(measured)), 0]
    print(f"\n{words(texts):,} words\n")
    print("| | words/s | times as fast | training, words/s |\n|---|---|---|---|")
    for name in measured | berts:
        rate, trained = best[name, 0], best.get((name, 1))
        cells = f"{rate:,.0f}", f"{rate / slowest:.2f}", f"{trained:,.0f}" if trained else ""
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
