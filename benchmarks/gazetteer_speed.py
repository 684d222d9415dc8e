"""Measure how fast the gazetteer loads and matches a large list, and how much memory it takes.

Usage: python benchmarks/gazetteer_speed.py [--patterns FILE] [--text FOLDER] [--component NAME]

Without a patterns file, 200,000 invented names of one to three words are used; without a folder of
.txt files, the notes in assets/. The component is "gazetteer", "linker" (which uses the names of
the gazetteer) or, for comparison, spaCy's "span_ruler". Times are CPU times of one core. Exits with
1 if a limit is exceeded.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import spacy
import srsly
from spacy.language import Language
from spacy.tokens import Doc, Span

from spacy_cardioner.tokenizer import blank

ROOT = Path(__file__).parent.parent
NAMES = 200_000
WORDS = 400_000
MAX_SECONDS, MAX_MEGABYTES, MIN_WORDS_PER_SECOND = 10, 300, 50_000
# ru_maxrss has kilobytes on Linux and bytes on macOS.
MEGABYTE = 1 << 20 if sys.platform == "darwin" else 1 << 10


def invent(count: int) -> list[str]:
    """Names that resemble drug names, the same each time."""
    draw = random.Random(0)
    syllables = [start + end for start in "bcdfglmnprstvz" for end in "aeiou"]

    def word() -> str:
        return "".join(draw.choice(syllables) for _ in range(draw.randint(2, 4)))

    names: set[str] = set()
    while len(names) < count:
        names.add(" ".join(word() for _ in range(draw.choice((1, 1, 1, 2, 2, 3)))))
    return sorted(names)


def save(folder: Path, component: str, path: Path | None) -> None:
    """Save a pipeline with only this component, and the gazetteer for the linker."""
    if path:
        patterns = list(srsly.read_jsonl(path))
    else:
        patterns = [{"label": "FARMACO", "pattern": n, "id": "C07AB07"} for n in invent(NAMES)]
    nlp = blank("es")
    nlp.remove_pipe("sentencizer")
    add(nlp, component)
    nlp.to_disk(folder)
    srsly.write_jsonl(patterns_file(folder, component), patterns)


def add(nlp: Language, component: str) -> None:
    if component == "span_ruler":
        nlp.add_pipe(component, config={"phrase_matcher_attr": "LOWER"})
    else:
        for name in dict.fromkeys(("gazetteer", component)):
            nlp.add_pipe(f"cardioner_{name}", name)


def patterns_file(folder: Path, component: str) -> Path:
    return folder / (
        "span_ruler/patterns" if component == "span_ruler" else "gazetteer/patterns.jsonl"
    )


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE


def make_docs(nlp: Language, folder: Path, names: list[str]) -> list[Doc]:
    """Tokenized documents of the repeated texts, each with a name of the list."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.txt"))]
    docs: list[Doc] = []
    while sum(map(len, docs)) < WORDS:
        number = len(docs)
        docs.append(nlp.make_doc(f"{texts[number % len(texts)]} {names[number % len(names)]}"))
    for doc in docs:
        ents = [Span(doc, index, index + 1, "FARMACO") for index in range(0, len(doc), 40)]
        doc.set_ents(ents)
    return docs


def main() -> int:
    """Print the figures. RETURNS (int): 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--patterns", type=Path)
    parser.add_argument("--text", type=Path, default=ROOT / "assets")
    parser.add_argument("--component", default="gazetteer")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        # In another process, so that its memory is not counted here.
        maker = get_context("spawn").Process(
            target=save, args=(folder, given.component, given.patterns)
        )
        maker.start()
        maker.join()
        # What every pipeline loads once is not counted.
        add(blank("es"), given.component)
        memory, start = peak(), time.process_time()
        nlp = spacy.load(folder)
        seconds, memory = time.process_time() - start, peak() - memory
        lines = srsly.read_jsonl(patterns_file(folder, given.component))
        names = [str(line["pattern"]) for line in lines]
    docs = make_docs(nlp, given.text, names)
    words = sum(map(len, docs))
    component = nlp.get_pipe(given.component)
    start = time.process_time()
    for doc in docs:
        component(doc)
    speed = words / (time.process_time() - start)
    kept = seconds <= MAX_SECONDS, memory <= MAX_MEGABYTES, speed >= MIN_WORDS_PER_SECOND
    figures = {
        "component": given.component,
        "names": len(names),
        "load_seconds": round(seconds, 2),
        "memory_added_mb": round(memory),
        "words": words,
        "words_per_second": round(speed),
        "limits_kept": all(kept),
    }
    print(json.dumps(figures, indent=2))
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
