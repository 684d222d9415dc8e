"""Runs a pipeline over notes, in batches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training.batchers import minibatch_by_padded_size, minibatch_by_words

from spacy_cardioner.batch.mentions import OF_CONTEXT, Mention, doc_entities, known_attributes
from spacy_cardioner.batch.readers.note import SourceNote
from spacy_cardioner.batch.readers.text import too_long
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.batch.timelimit import OutOfTime, TimeLimit
from spacy_cardioner.brat import check_labels
from spacy_cardioner.errors import CardionerError, NoteError, reason
from spacy_cardioner.loading import identity, load_pipeline, use_gpu
from spacy_cardioner.pieces import cut
from spacy_cardioner.pipeline.context.rules import RULES_FILE
from spacy_cardioner.pipeline.context.sections import SECTIONS_KEY
from spacy_cardioner.pipeline.gazetteer.codes import code_names
from spacy_cardioner.pipeline.ner.component import MultiHeadNER
from spacy_cardioner.pipeline.stored import languages
from spacy_cardioner.spans import COUNTS, NOTE_ID, add_counts, keep_labels

if TYPE_CHECKING:
    from spacy_cardioner.pipeline.context.component import Context

# Most characters in a batch of notes.
BATCH_CHARACTERS = 500_000
# Tokens read ahead, for each token that is processed at a time, to process notes of similar length
# together.
AHEAD = 4
# Tokenized at a time, for each token that is processed at a time: far more than tokens have in
# clinical text, so that this limit concerns other texts.
CHARACTERS_PER_TOKEN = 10

# spaCy never forgets a word: this many take about 100 MB.
MAX_NEW_WORDS = 200_000


class Annotated(NamedTuple):
    """A note with its mentions. A note with a fault has none.

    mentions (list[Mention]): Sorted by start, end and label.
    doc (bytes | None): The document as a DocBin, if `Settings.with_docs`.
    sections (Sequence[tuple[int, str]]): Where sections start, and their categories.
    names (Mapping[str, str] | None): The names of the codes of the mentions, where known.
    counts (Mapping[str, float] | None): What components counted, such as the tokens of a language
        model.
    """

    note: SourceNote
    mentions: list[Mention]
    doc: bytes | None = None
    sections: Sequence[tuple[int, str]] = ()
    names: Mapping[str, str] | None = None
    counts: Mapping[str, float] | None = None


class Changed(CardionerError):
    """A pipeline is no longer what it was at the start."""


# Annotates notes lazily, in their order.
Annotate = Callable[[Iterable[SourceNote]], Iterator[Annotated]]


@contextmanager
def started(settings: Settings) -> Iterator[tuple[Annotate, dict[str, Any]]]:
    """Load the pipeline, in this process or in worker processes.

    YIELDS (tuple): The function that annotates notes, and the identity of a pipeline given by name:
        that of another takes time and is seldom needed.
    RAISES (CardionerError): The pipeline cannot be loaded.
    """
    if settings.workers:
        from spacy_cardioner.batch.workers import Pool

        with Pool(settings) as pool:
            yield pool, pool.identity
        return
    annotator = Annotator(settings, limit=TimeLimit(settings.timeout))

    def annotate(notes: Iterable[SourceNote]) -> Iterator[Annotated]:
        return chain.from_iterable(map(annotator, batches(notes, settings.batch_size)))

    yield annotate, annotator.identity


def load(settings: Settings) -> Language:
    """Load the pipeline, on the GPU if the settings name one.

    RAISES (CardionerError): The pipeline cannot be loaded, or there is no such GPU.
    """
    if settings.gpu is not None:
        use_gpu(settings.gpu)
    return load_pipeline(settings.model) if isinstance(settings.model, str) else settings.model


def recognisers(nlp: Language) -> list[MultiHeadNER]:
    """The components of a pipeline that find the entities of labels."""
    return [pipe for _, pipe in nlp.components if isinstance(pipe, MultiHeadNER)]


def context_of(nlp: Language, wanted: bool | str) -> Context | None:
    """Create the context component for a pipeline, which stays as it is.

    wanted (bool | str): See `Settings.context`.
    RETURNS (Context | None): None if it is not wanted, or the pipeline has one.
    RAISES (CardionerError): There are no rules for the language, or medspaCy is missing.
    """
    if not wanted:
        return None
    if "negated" in known_attributes(nlp):
        if isinstance(wanted, str):
            raise CardionerError("the pipeline has a context component: leave out --lang")
        return None
    language = wanted if isinstance(wanted, str) else nlp.lang
    if language not in (known := languages(RULES_FILE)):
        raise CardionerError(
            f"there are no context rules for the language {language!r}: name that of the notes, "
            f"one of {', '.join(known)}, with --lang; from Python, with context={known[0]!r}"
        )
    config = {"language": language}
    return nlp.create_pipe("cardioner_context", "context", config=config)  # type: ignore[return-value]


def unchanged(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Check that a pipeline is still what it was when the run started.

    before (dict[str, Any]): Its identity at the start, empty if there was none.
    RAISES (Changed): It is not.
    """
    if before and before != now:
        raise Changed(
            f"{now['name']}: the pipeline, or the names that were added to it, changed during the "
            "run; start the run again"
        )
    return now


def batches(notes: Iterable[SourceNote], size: int = 64) -> Iterator[list[SourceNote]]:
    """Batch notes by number, and by their characters in case some are very long."""
    batch: list[SourceNote] = []
    characters = 0
    for note in notes:
        batch.append(note)
        characters += len(note.text)
        if len(batch) == size or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


class Annotator:
    """Annotates batches of notes.

    A note with more tokens than `Settings.max_tokens` is split where a sentence, a line or a word
    ends. Texts of similar length are processed together. A pipeline given by name is loaded again
    when its vocabulary has grown by `MAX_NEW_WORDS`, so that memory does not grow with the number
    of notes.

    tick (Callable[[], None]): Called after each batch of the pipeline, as a sign of life.
    limit (TimeLimit | None): Interrupts a batch that gives no sign of life.
    RAISES (CardionerError): The pipeline cannot be loaded, or there is no such GPU; later, it
        changed since it was loaded first.
    """

    def __init__(
        self,
        settings: Settings,
        tick: Callable[[], None] = lambda: None,
        limit: TimeLimit | None = None,
    ) -> None:
        self.settings = settings
        self.tick = limit.restart if limit else tick
        self.limit = limit or nullcontext()
        self.identity: dict[str, Any] = {}
        self._loaded: dict[str, Any] = {}
        self._load()

    def _load(self) -> None:
        self.nlp = load(self.settings)
        if isinstance(self.settings.model, str):
            self._loaded = unchanged(self._loaded, identity(self.nlp))
        self.code_names = code_names(self.nlp)
        self.max_words = len(self.nlp.vocab.strings) + MAX_NEW_WORDS
        self._default = [(pipe, pipe.active) for pipe in recognisers(self.nlp)]
        self._contexts: dict[bool | str, Context | None] = {}
        self.choose(self.settings.only, self.settings.context)

    def choose(self, only: tuple[str, ...], context: bool | str) -> None:
        """Find other labels and other context from the next batch on, see `Settings`.

        RAISES (CardionerError): The pipeline has no such label, or there are no rules for the
            language, or medspaCy is missing.
        """
        known = {label for labels in self.nlp.pipe_labels.values() for label in labels}
        if known:  # components of others may not tell their labels
            check_labels(known, {}, only)
        if context not in self._contexts:
            self._contexts[context] = context_of(self.nlp, context)
        self.settings = self.settings._replace(only=only, context=context)
        self.context = self._contexts[context]
        self.attributes = OF_CONTEXT if self.context else known_attributes(self.nlp)
        self.identity = dict(self._loaded)
        if isinstance(self.settings.model, str):  # a pipeline of the caller stays as it is
            for pipe, active in self._default:
                pipe.active = [label for label in pipe.labels if label in {*active, *only}]
            if self.context:
                self.identity["context"] = hashlib.sha256(self.context.to_bytes()).hexdigest()

    def __call__(self, notes: Sequence[SourceNote]) -> list[Annotated]:
        """Annotate a batch. If the pipeline fails on a note, that note gets a fault.

        RETURNS (list[Annotated]): The notes in the given order.
        RAISES (CardionerError): The tokenizer changes the text.
        """
        named = isinstance(self.settings.model, str)
        if named and len(self.nlp.vocab.strings) > self.max_words:
            self._load()
        try:
            with self.limit:
                return self._annotate(notes)
        except NoteError as error:
            fault = str(error)
        except CardionerError:
            raise
        except OutOfTime:
            if named:  # it was interrupted anywhere
                self._load()
            fault = self.settings.overdue
        except Exception as error:
            fault = f"the pipeline failed on it ({reason(error)})"
        if len(notes) > 1:
            return [annotated for note in notes for annotated in self([note])]
        return [Annotated(notes[0]._replace(fault=fault), [])]

    def _annotate(self, notes: Sequence[SourceNote]) -> list[Annotated]:
        notes = list(map(self._bounded, notes))
        found: list[list[Mention]] = [[] for _ in notes]
        docs: list[list[tuple[int, Doc]]] = [[] for _ in notes]
        sections: list[list[tuple[int, str]]] = [[] for _ in notes]
        counts: list[dict[str, float]] = [{} for _ in notes]
        for index, start, end, doc in self._pipe(notes):
            if doc.text != notes[index].text[start:end]:
                raise CardionerError(
                    f"{notes[index].called}: the tokenizer of the pipeline changes the text, so "
                    "offsets would be wrong; use a pipeline with spaCy's own tokenizer"
                )
            if self.settings.only:
                keep_labels(doc, self.settings.only)
            found[index] += (
                mention._replace(start=mention.start + start, end=mention.end + start)
                for mention in doc_entities(doc, self.attributes)
            )
            add_counts(counts[index], doc.user_data.pop(COUNTS, {}))
            if self.settings.with_docs:
                docs[index].append((start, doc))
            if "section" in self.attributes:
                spans = doc.spans.get(SECTIONS_KEY, ())
                sections[index] += ((start + span.start_char, span.label_) for span in spans)
        return [
            Annotated(
                note,
                sorted(mentions, key=itemgetter(0, 1, 2)),
                _docbin(note, pieces),
                sorted(starts),
                {m.kb_id: self.code_names[m.kb_id] for m in mentions if m.kb_id in self.code_names},
                counted,
            )
            for note, mentions, pieces, starts, counted in zip(
                notes, found, docs, sections, counts, strict=True
            )
        ]

    def _bounded(self, note: SourceNote) -> SourceNote:
        if note.fault or len(note.text) <= self.settings.max_characters:
            return note
        return note._replace(fault=too_long(self.settings.max_characters))

    def _pipe(self, notes: Sequence[SourceNote]) -> Iterator[tuple[int, int, int, Doc]]:
        """Process pieces of notes. YIELDS: Index of the note, start and end of the piece, Doc."""
        size = self.settings.max_tokens
        limit = min(self.nlp.max_length, CHARACTERS_PER_TOKEN * size)
        pieces = (
            (doc, (index, start, end))
            for index, note in enumerate(notes)
            if not note.fault
            for start, end, doc in self._tokenized(note.text, limit)
        )
        ahead = minibatch_by_words(pieces, AHEAD * size, tolerance=0, get_length=_tokens)
        for group in ahead:
            for batch in minibatch_by_padded_size(group, size, len(group), get_length=_tokens):
                for doc, place in self.nlp.pipe(batch, as_tuples=True, batch_size=len(batch)):
                    yield (*place, self.context(doc) if self.context else doc)
                self.tick()

    def _tokenized(self, text: str, limit: int, offset: int = 0) -> Iterator[tuple[int, int, Doc]]:
        """Tokenize pieces of a text. YIELDS: Start and end of the piece, Doc."""
        for start, end in cut(text, limit):
            doc = self.nlp.make_doc(text[start:end])
            if len(doc) > self.settings.max_tokens and end - start > 1:
                # Tokens are not spread evenly, so a piece may have more than the average.
                shorter = int(0.8 * (end - start) * self.settings.max_tokens / len(doc))
                yield from self._tokenized(text[start:end], max(shorter, 1), offset + start)
            else:
                yield offset + start, offset + end, doc


def _tokens(piece: tuple[Doc, Any]) -> int:
    return len(piece[0])


def _docbin(note: SourceNote, pieces: list[tuple[int, Doc]]) -> bytes | None:
    """Join the pieces of a note, and serialize the document with its strings."""
    docs = [doc for _, doc in sorted(pieces, key=itemgetter(0))]
    doc = docs[0] if len(docs) == 1 else Doc.from_docs(docs, ensure_whitespace=False)
    if doc is None:  # there are no pieces
        return None
    doc.user_data[NOTE_ID] = note.id
    return DocBin(docs=[doc], store_user_data=True).to_bytes()
