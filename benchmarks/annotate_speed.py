"""Measure annotating against other tools on the same notes, on one core, in one run.

Usage: OMP_NUM_THREADS=1 python benchmarks/annotate_speed.py --model es_cardioner [NOTES_DIR]
           [--rounds 3] [--bert-words 2000] [--patterns PATTERNS.jsonl] [--workers]
           [--parts] [--memory 100000] [--plot speed.svg] [--against OTHER/bin/python]

The tools take turns; words a second of CPU time, the best round of each. The figures that count are
the ratios, as the machine is the same for all.

- ours: notes in, JSONL lines out, with everything that the pipeline has;
- the same pipeline in `nlp.pipe` alone, which shows what reading and writing cost;
- spaCy's ner: the encoder of configs/baseline.cfg with spaCy's own `ner`, untrained, as spaCy
  computes by itself, and once more with the matrix multiplication that our pipelines choose;
- BERT base: a token classifier of that size with random weights in Hugging Face's pipeline, with
  several batch sizes, on the first so many words (it is slow);
- medspaCy and EDS-NLP: their dictionary matching with the same names, from --patterns; a tool that
  is not installed is named as not measured.

--parts shows which share of the time each component of the pipeline takes.
--against compares with another version of this package and its pipelines, by the interpreter of the
environment that has them. Both run in processes of their own, which take turns.
Both environments must have the same packages: PyTorch alone slows the garbage collection.
--workers measures one worker process against two, by the clock: leave two cores idle for it.
--memory shows the peak memory of this process while so many notes pass, the notes repeated with
noise.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from math import inf, log10
from pathlib import Path
from typing import Any

# Before numpy is imported.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

from spacy.language import Language
from spacy.util import load_config, load_model_from_config
from thinc.api import use_ops

from spacy_cardioner.batch.engine import Annotator, batches, started
from spacy_cardioner.batch.readers import SourceNote, open_source
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.batch.writers.lines import JsonLines
from spacy_cardioner.loading import load_pipeline
from spacy_cardioner.tokenizer import blank

ROOT = Path(__file__).parent.parent
BATCHES = (1, 8, 16)

Tool = Callable[[Sequence[str]], object]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notes", nargs="?", default=str(ROOT / "assets/sample"), help="folder")
    parser.add_argument("--model", "-m", default="es_cardioner")
    parser.add_argument("--rounds", type=int, default=3, help="0 to compare nothing")
    parser.add_argument("--bert-words", type=int, default=2000, help="0 to leave BERT out")
    parser.add_argument("--patterns", type=Path, help="names for the dictionaries, as JSONL")
    parser.add_argument("--parts", action="store_true")
    parser.add_argument("--workers", action="store_true")
    parser.add_argument("--memory", type=int, default=0, metavar="NOTES")
    parser.add_argument("--plot", type=Path, metavar="SVG")
    parser.add_argument("--against", metavar="PYTHON", help="of another environment")
    parser.add_argument("--only-ours", action="store_true", help="print one figure, nothing else")
    return parser.parse_args()


def ours(model: str) -> Tool:
    annotator, writer = Annotator(Settings(model)), JsonLines()

    def run(texts: Sequence[str]) -> None:
        notes = (SourceNote(str(i), text) for i, text in enumerate(texts))
        for batch in batches(notes):
            for found in annotator(batch):
                writer.render(found)

    return run


def piped(nlp: Language) -> Tool:
    return lambda texts: [None for _ in nlp.pipe(texts)]


def spacy_ner(lang: str, *, use_blis: bool) -> Tool:
    """SpaCy's `ner`. A pipeline of ours in this process has chosen numpy's BLAS for all later ones;
    thinc's own choice is BLIS.
    """
    config = load_config(ROOT / "configs/baseline.cfg", overrides={"nlp.lang": lang})
    with use_ops("numpy", use_blis=use_blis):
        nlp = load_model_from_config(config, auto_fill=True)
        for label in ("ENFERMEDAD", "FARMACO"):
            nlp.get_pipe("ner").add_label(label)
        nlp.initialize()
    return piped(nlp)


def bert_base(texts: Sequence[str]) -> dict[str, Tool]:
    """A classifier of the size of BERT base, whose wordpieces are learned from the notes."""
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertForTokenClassification, BertTokenizerFast, pipeline

    torch.set_num_threads(1)
    learned = BertWordPieceTokenizer(lowercase=False)
    learned.train_from_iterator(texts, vocab_size=30_000, show_progress=False)
    with tempfile.TemporaryDirectory() as folder:
        learned.save_model(folder)
        tokenizer = BertTokenizerFast(
            str(Path(folder, "vocab.txt")), do_lower_case=False, model_max_length=512
        )
    model = BertForTokenClassification(BertConfig(vocab_size=30_000, num_labels=5)).eval()
    tools: dict[str, Tool] = {}
    for size in BATCHES:
        run = pipeline(
            "token-classification",
            model=model,
            tokenizer=tokenizer,
            aggregation_strategy="simple",
            stride=64,
            batch_size=size,
        )
        tools[f"BERT base, batches of {size}"] = lambda texts, run=run: list(run(list(texts)))
    return tools


def dictionaries(lang: str, path: Path) -> Iterator[tuple[str, Tool | None]]:
    """The other tools' dictionary matching; None for one that is not installed."""
    names = [json.loads(line)["pattern"] for line in path.open(encoding="utf-8")]
    names = [name for name in names if isinstance(name, str)]
    try:
        from medspacy.target_matcher import TargetMatcher, TargetRule
    except ImportError:
        yield "medspaCy's dictionary", None
    else:
        nlp = blank(lang)
        matcher = TargetMatcher(nlp)
        matcher.add([TargetRule(name, "FARMACO") for name in names])
        yield "medspaCy's dictionary", lambda texts: [matcher(doc) for doc in nlp.pipe(texts)]
    try:
        import edsnlp
    except ImportError:
        yield "EDS-NLP's dictionary", None
    else:
        eds = edsnlp.blank("eds")
        eds.add_pipe("eds.matcher", config={"terms": {"FARMACO": names}, "attr": "NORM"})
        yield "EDS-NLP's dictionary", piped(eds)


def seconds(run: Tool, texts: Sequence[str]) -> float:
    start = time.process_time()
    run(texts)
    return time.process_time() - start


def words(texts: Sequence[str]) -> int:
    return sum(len(text.split()) for text in texts)


def some(texts: Sequence[str], limit: int) -> list[str]:
    """The first texts, with so many words at least."""
    taken: list[str] = []
    for text in texts:
        if words(taken) >= limit:
            break
        taken.append(text)
    return taken


def compare(options: argparse.Namespace, texts: list[str]) -> dict[str, float]:
    """Words a second of each tool."""
    nlp = load_pipeline(options.model)
    lang = nlp.lang or "xx"
    tools: dict[str, tuple[Tool, Sequence[str]]] = {
        f"ours ({options.model})": (ours(options.model), texts),
        "the same pipeline, no more than nlp.pipe": (piped(nlp), texts),
        "spaCy's ner alone": (spacy_ner(lang, use_blis=True), texts),
        "spaCy's ner alone, our multiplication": (spacy_ner(lang, use_blis=False), texts),
    }
    if options.patterns:
        for name, tool in dictionaries(lang, options.patterns):
            if tool is None:
                print(f"not measured, as it is not installed: {name}")
            else:
                tools[name] = tool, texts
    else:
        print("not measured without --patterns: the dictionaries of medspaCy and EDS-NLP")
    if options.bert_words:
        few = some(texts, options.bert_words)
        tools |= {name: (tool, few) for name, tool in bert_base(texts).items()}
    best: dict[str, float] = {}
    for _ in range(options.rounds):
        for name, (tool, given) in tools.items():
            best[name] = max(best.get(name, 0), words(given) / seconds(tool, given))
            print(f"  {name}: {best[name]:,.0f}", file=sys.stderr, flush=True)
    return best


def print_rates(options: argparse.Namespace, texts: list[str]) -> None:
    """The table of all tools, and the plot."""
    rates = compare(options, texts)
    first = next(iter(rates.values()))
    print("\n| tool | words a second | ours is so many times as fast |\n|---|---|---|")
    for name, rate in rates.items():
        print(f"| {name} | {rate:,.0f} | {first / rate:.2f} |")
    if options.plot:
        plot(rates, options.plot)


def print_versions(options: argparse.Namespace) -> None:
    """Compare this version of the package with that of another environment."""
    best: dict[str, float] = {}
    for _ in range(options.rounds):
        for python in (sys.executable, options.against):
            command = [python, __file__, options.notes, "--model", options.model, "--only-ours"]
            # PYTHONPATH may be that of this version, for both.
            env = os.environ.copy()
            if python != sys.executable:
                env.pop("PYTHONPATH", None)
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
            best[python] = max(best.get(python, 0), float(done.stdout))
    here, there = best.values()
    print(f"\nthis version: {here:,.0f} words a second, {here / there:.3f} times the other one")


def print_parts(model: str, texts: list[str], rounds: int) -> None:
    """What the tokenizer and each component take, in batches as the pipeline has them."""
    nlp = load_pipeline(model)
    pipes: list[tuple[str, Any]] = nlp.pipeline
    best: dict[str, float] = {}

    def note(name: str, start: float) -> None:
        best[name] = min(best.get(name, inf), time.process_time() - start)

    for _ in range(rounds):
        start = time.process_time()
        docs = [nlp.make_doc(text) for text in texts]
        note("tokenizer", start)
        for name, pipe in pipes:
            start = time.process_time()
            if hasattr(pipe, "pipe"):
                docs = list(pipe.pipe(docs, batch_size=nlp.batch_size))
            else:
                docs = [pipe(doc) for doc in docs]
            note(name, start)
    print("\n| part | share of the time |\n|---|---|")
    for name, taken in best.items():
        print(f"| {name} | {taken / sum(best.values()):.0%} |")


def print_workers(model: str, texts: list[str]) -> None:
    """One worker against two, by the clock, without the time to start them."""
    many = [SourceNote(str(i), text) for i, text in enumerate(texts * (400 // len(texts) + 1))]
    times = {}
    for workers in (1, 2):
        with started(Settings(model, workers=workers, batch_size=16)) as (annotate, _):
            list(annotate(many[:64]))
            start = time.perf_counter()
            list(annotate(many))
            times[workers] = time.perf_counter() - start
    print(f"\ntwo workers: {times[1] / times[2]:.2f} times as fast as one, over {len(many)} notes")


def noisy(texts: list[str], count: int) -> Iterator[SourceNote]:
    """The notes again and again, each time with other numbers and spelling."""
    chance = random.Random(7)
    for number in range(count):
        letters = list(texts[number % len(texts)])
        for _ in range(len(letters) // 50):
            letters[chance.randrange(len(letters))] = chance.choice("aeiouns 0123456789")
        yield SourceNote(str(number), "".join(letters))


def print_memory(model: str, texts: list[str], count: int) -> None:
    """The peak of this process's memory as the notes pass."""
    unit = 1 if sys.platform == "darwin" else 1024
    print("\n| notes | peak memory |\n|---|---|")
    writer = JsonLines()
    with started(Settings(model)) as (annotate, _):
        found = annotate(noisy(texts, count))
        step = max(1, count // 10)
        for done in range(step, count + 1, step):
            for one in islice(found, step):
                writer.render(one)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
            print(f"| {done:,} | {peak / 2**20:,.0f} MB |", flush=True)


def plot(rates: dict[str, float], path: Path) -> None:
    """Bars on a logarithmic scale: the tools are orders of magnitude apart."""
    height = 30 * len(rates)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="840" height="{height + 40}" '
        'font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="8" y="{height + 30}">words a second of one core, logarithmic</text>',
    ]
    for index, (name, rate) in enumerate(sorted(rates.items(), key=lambda item: -item[1])):
        y, width = 30 * index + 10, round(80 * log10(max(rate, 1)))
        parts += [
            f'<text x="8" y="{y + 15}">{html.escape(name)}</text>',
            f'<rect x="290" y="{y}" width="{width}" height="20" fill="#47a"/>',
            f'<text x="{296 + width}" y="{y + 15}">{rate:,.0f}</text>',
        ]
    path.write_text("\n".join([*parts, "</svg>\n"]), encoding="utf-8")


def main() -> None:
    options = arguments()
    notes = open_source(options.notes, recursive=True)
    texts = [note.text for note in notes if note.text]
    if options.only_ours:
        tool = ours(options.model)
        print(max(words(texts) / seconds(tool, texts) for _ in range(3)))
        return
    print(f"{len(texts)} notes, {words(texts):,} words")
    if options.against:
        print_versions(options)
    elif options.rounds:
        print_rates(options, texts)
    if options.parts:
        print_parts(options.model, texts, options.rounds)
    if options.workers:
        print_workers(options.model, texts)
    if options.memory:
        print_memory(options.model, texts, options.memory)


if __name__ == "__main__":
    main()
