"""Several pipelines, one answer: by majority vote, or by the mean of their probabilities.

Each pipeline runs once over all texts, one pipeline after another, so that only one is busy at a
time. Of a text only the entities that were found are kept meanwhile, with their sums.
"""

from __future__ import annotations

import gzip
import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.util import filter_spans
from spacy.vocab import Vocab
from tqdm import tqdm

from spacy_cardioner import brat
from spacy_cardioner.annotate.engine import cut, load_pipeline
from spacy_cardioner.corpus import NOTE_ID, SPANS_KEY, read_docbin, write_docbin
from spacy_cardioner.errors import CardionerError

Method = Literal["mean", "majority"]

MAX_CHARACTERS = 20_000
# A file of silver documents is as large as `spacy train` reads in a moment.
TOKENS_A_FILE = 500_000


class Scored(NamedTuple):
    """An entity with its probability.

    start, end (int): Its first token, and the one after its last.
    label (str): Its label.
    score (float): Its probability; 1.0 from a pipeline that gives none.
    """

    start: int
    end: int
    label: str
    score: float


Tally = dict[tuple[int, int, str], float]


class Text(NamedTuple):
    """A text, or a piece of a long one.

    id (str): The name of the whole text.
    start (int): The piece's first character in it.
    text (str): The characters.
    whole (bool): Whether this is all of it.
    """

    id: str
    start: int
    text: str
    whole: bool


def vote(
    votes: Sequence[Iterable[Scored]], *, method: Method = "mean", threshold: float = 0.5
) -> list[Scored]:
    """Make one set of entities of several for the same text.

    votes (Sequence[Iterable[Scored]]): What each pipeline found.
    method (str): "mean" adds up probabilities, "majority" counts each entity as 1; one that a
        pipeline did not find counts as 0 either way. Divided by the number of pipelines, this is
        the new score.
    threshold (float): An entity's score must be greater.
    RETURNS (list[Scored]): The entities, sorted. Those of one label do not overlap: the ones with
        the greatest sum of scores are chosen.
    """
    tally: Tally = {}
    for found in votes:
        _count(tally, found, method)
    return _elect(tally, len(votes), threshold)


def _count(tally: Tally, found: Iterable[Scored], method: Method) -> None:
    for start, end, label, score in found:
        key = start, end, label
        tally[key] = tally.get(key, 0.0) + (score if method == "mean" else 1.0)


def _elect(tally: Tally, voters: int, threshold: float) -> list[Scored]:
    by_label: dict[str, list[Scored]] = {}
    for (start, end, label), total in tally.items():
        if total / voters > threshold:
            by_label.setdefault(label, []).append(Scored(start, end, label, total / voters))
    return sorted(one for found in by_label.values() for one in _best_apart(found))


def _best_apart(found: Iterable[Scored]) -> list[Scored]:
    """The entities that do not overlap and have the greatest sum of scores.

    Goes through them by their ends: the best up to an entity is the best without it, or it and the
    best of those that end before it starts.
    """
    ordered = sorted(found, key=lambda one: (one.end, one.start))
    ends = [one.end for one in ordered]
    before = [bisect_right(ends, one.start) for one in ordered]
    sums = [0.0]
    for one, count in zip(ordered, before, strict=True):
        sums.append(max(sums[-1], sums[count] + one.score))
    chosen: list[Scored] = []
    index = len(ordered)
    while index:
        if sums[index] == sums[index - 1]:
            index -= 1
        else:
            chosen.append(ordered[index - 1])
            index = before[index - 1]
    return chosen[::-1]


def read_inputs(path: Path, max_characters: int = MAX_CHARACTERS) -> Iterator[Text]:
    """Read the texts of a DocBin, a JSONL file or a folder; long ones are cut into pieces.

    path (Path): A DocBin (.spacy), a file with a JSON object with the key "text" a line (.jsonl,
        .jsonl.gz), or a folder with .txt files.
    max_characters (int): The length of the longest piece.
    RAISES (CardionerError): The input is none of these, or is malformed.
    """
    for name, text in _read(path):
        for start, end in cut(text, max_characters):
            yield Text(name, start, text[start:end], whole=(start, end) == (0, len(text)))


def _read(path: Path) -> Iterator[tuple[str, str]]:
    if path.is_dir():
        yield from ((note.name, note.text) for note in brat.read_folder(path))
    elif path.suffix == ".spacy":
        for number, doc in enumerate(read_docbin(path, Vocab()), 1):
            yield doc.user_data.get(NOTE_ID, str(number)), doc.text
    elif ".jsonl" in path.suffixes:
        yield from _read_jsonl(path)
    else:
        raise CardionerError(f"{path}: give a DocBin (.spacy), a .jsonl or .jsonl.gz, or a folder")


def _read_jsonl(path: Path) -> Iterator[tuple[str, str]]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield _row(path, number, line)
    except (OSError, EOFError) as error:
        raise CardionerError(f"{path}: cannot be read ({error})") from error


def _row(path: Path, number: int, line: bytes) -> tuple[str, str]:
    try:
        row = json.loads(line)
        name, text = str(row.get("id", number)), row["text"]
    except (ValueError, KeyError, AttributeError) as error:
        text = error
    if not isinstance(text, str):
        raise CardionerError(f'{path}:{number}: not a JSON object with a text under "text"')
    return name, text


def ensemble(
    models: Sequence[str],
    texts: Sequence[Text],
    *,
    method: Method = "mean",
    threshold: float = 0.5,
    n_process: int = 1,
) -> Iterator[Doc]:
    """Annotate texts with what several pipelines agree on.

    models (Sequence[str]): Names or folders of pipelines with one tokenizer and the same labels.
    texts (Sequence[Text]): The texts.
    method (str): See `vote`.
    threshold (float): See `vote`.
    n_process (int): Processes that each pipeline runs in.
    YIELDS (Doc): A document a text, with its entities in ``doc.spans["cardioner"]`` with their
        scores and the labels as its layers, in ``doc.ents``, and the text's name.
    RAISES (CardionerError): A pipeline cannot be loaded, or has other labels or tokens.
    """
    if not models:
        raise CardionerError("an ensemble needs a pipeline at least")
    tallies: list[Tally] = [{} for _ in texts]
    lengths: list[int] = []
    labels: list[str] = []
    for number, model in enumerate(models, 1):
        nlp = load_pipeline(model)
        labels = labels or _labels(nlp)
        if _labels(nlp) != labels:
            raise CardionerError(f"{model}: has not the labels of {models[0]}: {', '.join(labels)}")
        docs = nlp.pipe((text.text for text in texts), n_process=n_process)
        bar = tqdm(docs, f"pipeline {number}", len(texts), delay=2, unit=" texts", disable=None)
        for index, doc in enumerate(bar):
            if number == 1:
                lengths.append(len(doc))
            elif len(doc) != lengths[index]:
                raise CardionerError(f"{model}: has another tokenizer than {models[0]}")
            _count(tallies[index], scored_entities(doc), method)
    maker = load_pipeline(models[0])
    sentences = [n for n in maker.pipe_names if maker.get_pipe_meta(n).factory == "sentencizer"]
    with maker.select_pipes(enable=sentences):
        for doc, text, tally in zip(maker.pipe(t.text for t in texts), texts, tallies, strict=True):
            yield _write(doc, text, _elect(tally, len(models), threshold), labels)


def scored_entities(doc: Doc) -> list[Scored]:
    """The entities of a document, from the group of all where there is one, else ``doc.ents``."""
    group = doc.spans.get(SPANS_KEY)
    if group is None:
        return [Scored(ent.start, ent.end, ent.label_, 1.0) for ent in doc.ents]
    scores = group.attrs.get("scores") or [1.0] * len(group)
    return [
        Scored(span.start, span.end, span.label_, float(score))
        for span, score in zip(group, scores, strict=True)
    ]


def _labels(nlp: Language) -> list[str]:
    """The labels of all components that find entities."""
    finders = [n for n in nlp.pipe_names if "doc.ents" in nlp.get_pipe_meta(n).assigns]
    return sorted({label for name in finders for label in nlp.pipe_labels.get(name, ())})


def _write(doc: Doc, text: Text, found: Sequence[Scored], labels: Sequence[str]) -> Doc:
    spans = [Span(doc, one.start, one.end, one.label) for one in found]
    attrs = {"scores": [one.score for one in found], "layers": list(labels)}
    doc.spans[SPANS_KEY] = SpanGroup(doc, name=SPANS_KEY, spans=spans, attrs=attrs)
    doc.set_ents(filter_spans(spans))
    doc.user_data[NOTE_ID] = text.id if text.whole else f"{text.id}:{text.start}"
    return doc


def write_silver(path: Path, docs: Iterable[Doc], tokens: int = TOKENS_A_FILE) -> list[Path]:
    """Write documents as `spacy train` reads them.

    path (Path): A file if it ends in .spacy; else a folder, which gets several files so that none
        is too large for the memory: ``part-0001.spacy`` and so on.
    tokens (int): Tokens of a file in a folder, but for its last document.
    RETURNS (list[Path]): The files.
    RAISES (CardionerError): The folder holds DocBins already, which would be trained on as well.
    """
    if path.suffix == ".spacy":
        write_docbin(path, docs)
        return [path]
    if any(path.glob("*.spacy")):
        raise CardionerError(f"{path}: holds .spacy files already; give a new folder")
    written: list[Path] = []
    batch: list[Doc] = []
    size = 0

    def flush() -> None:
        written.append(path / f"part-{len(written) + 1:04}.spacy")
        write_docbin(written[-1], batch)
        batch.clear()

    for doc in docs:
        batch.append(doc)
        size += len(doc)
        if size >= tokens:
            flush()
            size = 0
    if batch or not written:
        flush()
    return written


def joined_entities(
    docs: Iterable[Doc], texts: Iterable[Text]
) -> Iterator[tuple[str, str, list[brat.Entity]]]:
    """Put the pieces of long texts together again.

    docs (Iterable[Doc]): What `ensemble` gives for the texts.
    texts (Iterable[Text]): The texts.
    YIELDS (tuple[str, str, list[Entity]]): Name, characters and entities of each whole text.
    RAISES (CardionerError): Two texts have the same name.
    """
    seen: set[str] = set()
    name = ""
    parts: list[str] = []
    found: list[brat.Entity] = []
    for doc, text in zip(docs, texts, strict=True):
        if text.start == 0:
            if seen:
                yield name, "".join(parts), found
            if text.id in seen:
                raise CardionerError(f"{text.id}: two texts have this name; write a DocBin instead")
            seen.add(text.id)
            name, parts, found = text.id, [], []
        parts.append(text.text)
        found += [
            brat.Entity(
                text.start + span.start_char, text.start + span.end_char, span.label_, span.text
            )
            for span in doc.spans[SPANS_KEY]
        ]
    if seen:
        yield name, "".join(parts), found
