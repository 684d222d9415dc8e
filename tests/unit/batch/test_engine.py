"""The engine: every offset holds, no note is lost, and what a pipeline knows comes along."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span

from spacy_cardioner.batch import engine
from spacy_cardioner.batch.engine import Annotator, batches, cut, started
from spacy_cardioner.batch.mentions import CONTEXT, Mention, doc_entities, known_attributes
from spacy_cardioner.batch.readers import SourceNote
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.batch.timelimit import OutOfTime, TimeLimit
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.loading import load_pipeline
from spacy_cardioner.pipeline.context.component import register_attributes
from spacy_cardioner.pipeline.gazetteer.component import Gazetteer
from spacy_cardioner.spans import Entity, layers_of, write_entities
from spacy_cardioner.tokenizer import blank

NOTE = (
    "ANTECEDENTES FAMILIARES: padre con infarto.\n"
    "\n"
    "Niega disnea. Posible neumonía. Si presenta fiebre, acudirá a urgencias.\n"
    "Antecedentes personales: ictus. Toma bisoprolol.\n"
)
FINDINGS = ("infarto", "disnea", "neumonía", "fiebre", "ictus")


def ruler(nlp: Language, **labels: tuple[str, ...]) -> None:
    patterns = [
        {"label": label, "pattern": name} for label, names in labels.items() for name in names
    ]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)


@settings(deadline=None)
@given(text=st.text("ab.\n\r ", max_size=80), limit=st.integers(1, 20))
def test_pieces_are_the_whole_text_and_within_the_limit(text: str, limit: int) -> None:
    pieces = [text[start:end] for start, end in cut(text, limit)]
    assert "".join(pieces) == text
    assert all(0 < len(piece) <= limit for piece in pieces) or pieces == [""]


@pytest.mark.parametrize(
    "text, first",
    [
        ("Uno. Dos\nTres cuatro cinco", "Uno. Dos\n"),
        ("Uno. Dos\r\nTres cuatro cinco", "Uno. Dos\r\n"),
        ("Uno.\nDos\nTres cuatro cinco", "Uno.\n"),
        ("Uno: \r\nDos\nTres cuatro cinco", "Uno: \r\n"),
        ("Uno. Dos tres cuatro cinco", "Uno. "),
        ("Uno dos tres cuatro cinco", "Uno dos tres "),
        ("Unodostrescuatrocinco", "Unodostrescuatr"),
    ],
)
def test_a_text_is_cut_where_a_sentence_ends_else_a_line_else_a_word(text: str, first: str) -> None:
    start, end = next(cut(text, 15))
    assert text[start:end] == first


def test_a_text_over_the_limit_gives_what_it_gives_in_one_piece() -> None:
    nlp = spacy.blank("es")
    ruler(nlp, X=("dolor torácico",), Y=("fiebre",))
    text = "dolor torácico\r\nsin fiebre\n\n" * 40
    [whole] = Annotator(Settings(nlp))([SourceNote("a", text)])
    nlp.max_length = 100
    notes = [SourceNote("a", text), SourceNote("b", ""), SourceNote("c", text)]
    first, empty, last = Annotator(Settings(nlp, with_docs=True))(notes)
    assert len(whole.mentions) == 80
    assert first.mentions == whole.mentions == last.mentions
    assert empty.mentions == []
    assert [found.note for found in (first, empty, last)] == notes

    assert last.doc is not None
    [doc] = DocBin().from_bytes(last.doc).get_docs(nlp.vocab)
    assert doc.text == text
    assert doc_entities(doc) == whole.mentions
    assert doc.user_data["note_id"] == "c"


def test_a_note_with_many_tokens_gives_what_it_gives_in_one_piece() -> None:
    nlp = blank("es")
    ruler(nlp, X=("dolor torácico",), Y=("fiebre",))
    text = "dolor torácico\r\nsin fiebre\n\n" * 40
    [whole] = Annotator(Settings(nlp))([SourceNote("a", text)])
    assert len(whole.mentions) == 80
    for limit in (20, 35, 100):
        [found] = Annotator(Settings(nlp, max_tokens=limit))([SourceNote("a", text)])
        assert found == whole


class Counted(Language):
    """A pipeline that counts the tokens of each batch."""

    sizes: list[int]

    def pipe(self, texts: Any, **options: Any) -> Any:
        texts = list(texts)
        if options.get("as_tuples"):
            self.sizes.append(sum(len(doc) for doc, _ in texts))
        return super().pipe(texts, **options)


TOKENIZER = blank("es").tokenizer


@settings(deadline=None, max_examples=50)
@given(text=st.text("ab,/ \n", max_size=300), limit=st.integers(1, 40))
def test_a_pipeline_never_gets_more_tokens_than_the_limit(text: str, limit: int) -> None:
    sizes: list[int] = []
    nlp = Counted(TOKENIZER.vocab)
    nlp.tokenizer, nlp.sizes = TOKENIZER, sizes
    notes = [SourceNote(str(i), text * (i % 3)) for i in range(9)]
    found = Annotator(Settings(nlp, max_tokens=limit, with_docs=True))(notes)
    assert [one.note for one in found] == notes
    assert max(sizes) <= limit
    for one in found:
        assert one.doc is not None
        [doc] = DocBin().from_bytes(one.doc).get_docs(nlp.vocab)
        assert doc.text == one.note.text


def test_a_note_over_the_limit_of_characters_gets_a_fault() -> None:
    nlp = spacy.blank("es")
    ruler(nlp, Y=("fiebre",))
    notes = [SourceNote("a", "fiebre" * 10), SourceNote("b", "fiebre")]
    long, short = Annotator(Settings(nlp, max_characters=59))(notes)
    assert long.note.fault == "longer than 59 characters (--max-characters)"
    assert (long.mentions, len(short.mentions)) == ([], 1)


@Language.component("stops_on_x")
def stops_on_x(doc: Doc) -> Doc:
    """A component that never ends, and takes each exception for one of its own."""
    if "xyz" in doc.text:
        with suppress(Exception):
            while True:
                re.search("(a*)*b", "a" * 24)
    if "swallow" in doc.text:
        for _ in range(2):
            with suppress(BaseException):
                while True:
                    pass
    return doc


@pytest.mark.parametrize("text", ["xyz", "swallow xyz"])
def test_a_note_that_takes_too_long_does_not_keep_the_others(text: str) -> None:
    nlp = spacy.blank("es")
    ruler(nlp, X=("fiebre",))
    nlp.add_pipe("stops_on_x")
    notes = [SourceNote(str(i), one) for i, one in enumerate(["fiebre", text, "sin fiebre"])]
    with started(Settings(nlp, timeout=0.5)) as (annotate, _):
        found = list(annotate(notes))
        assert [len(one.mentions) for one in found] == [1, 0, 1]
        assert [one.note.fault for one in found] == ["", "not done after 0.5 seconds", ""]
        assert [one.mentions for one in annotate(notes[::2])] == [
            found[0].mentions,
            *[one.mentions for one in found[2:]],
        ]
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_the_time_limit_counts_from_the_last_sign_of_life() -> None:
    limit = TimeLimit(0.4)
    with limit:
        for _ in range(4):
            time.sleep(0.2)
            limit.restart()
    with pytest.raises(OutOfTime), limit:
        time.sleep(5)


def test_a_pipeline_is_loaded_anew_after_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Language] = []

    def load(model: str) -> Language:
        loaded.append(spacy.blank("es"))
        loaded[-1].add_pipe("stops_on_x")
        return loaded[-1]

    monkeypatch.setattr(engine, "load_pipeline", load)
    annotator = Annotator(Settings("es_test", timeout=0.3), limit=TimeLimit(0.3))
    [found] = annotator([SourceNote("a", "xyz")])
    assert found.note.fault
    assert len(loaded) == 2
    assert annotator.nlp is loaded[1]


def test_signals_of_the_program_and_other_threads_are_left_alone() -> None:
    def handler(*_: Any) -> None:
        pass

    limit = TimeLimit(0.1)
    signal.signal(signal.SIGALRM, handler)
    try:
        with limit:
            time.sleep(0.3)
        assert signal.getsignal(signal.SIGALRM) is handler
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(_limited, limit).result() == "done"


def _limited(limit: TimeLimit) -> str:
    with limit:
        time.sleep(0.3)
    return "done"


def test_a_pipeline_that_has_met_many_words_is_loaded_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Language] = []

    def load(model: str) -> Language:
        loaded.append(spacy.blank("es"))
        ruler(loaded[-1], Y=("fiebre",))
        return loaded[-1]

    monkeypatch.setattr(engine, "MAX_NEW_WORDS", 100)
    monkeypatch.setattr(engine, "load_pipeline", load)
    annotator = Annotator(Settings("es_test"))
    for number in range(20):
        words = " ".join(f"palabra{number}x{place}" for place in range(10))
        [found] = annotator([SourceNote(str(number), f"{words} fiebre")])
        assert [mention.text for mention in found.mentions] == ["fiebre"]
        assert annotator.nlp is loaded[-1]
        assert len(annotator.nlp.vocab.strings) < annotator.max_words + 100
    assert 2 < len(loaded) < 20


def test_a_pipeline_that_changes_during_a_run_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "pipeline"
    spacy.blank("es").to_disk(folder)
    monkeypatch.setattr(engine, "MAX_NEW_WORDS", 3)
    annotator = Annotator(Settings(str(folder)))
    for words in ("palabra1 palabra2 palabra3 palabra4", "palabra5 palabra6 palabra7 palabra8"):
        annotator([SourceNote("a", words)])  # the second time it is loaded again
    nlp = spacy.blank("es")
    nlp.add_pipe("sentencizer")
    nlp.to_disk(folder)
    with pytest.raises(CardionerError, match="changed during the run"):
        annotator([SourceNote("b", "palabra9")])


def test_wrapped_lines_are_not_cut_apart() -> None:
    nlp = spacy.blank("es")
    words = [{"LOWER": "dolor"}, {"IS_SPACE": True}, {"LOWER": "torácico"}]
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "X", "pattern": words}])
    nlp.max_length = 50
    line = "Niega fiebre.\nRefiere dolor\ntorácico.\n"
    [found] = Annotator(Settings(nlp))([SourceNote("a", line * 30)])
    assert [one.start % len(line) for one in found.mentions] == [line.index("dolor")] * 30


def test_notes_keep_their_order_whatever_their_length() -> None:
    nlp = spacy.blank("es")
    ruler(nlp, X=("fiebre",))
    notes = [SourceNote(str(i), "sin fiebre " * (i * 7 % 5)) for i in range(30)]
    found = Annotator(Settings(nlp))(notes)
    assert [one.note for one in found] == notes
    assert [len(one.mentions) for one in found] == [i * 7 % 5 for i in range(30)]


def test_notes_are_read_as_they_are_needed() -> None:
    taken = 0

    def notes() -> Iterator[SourceNote]:
        nonlocal taken
        for taken in range(1, 1000):
            yield SourceNote(str(taken), "sin fiebre")

    with started(Settings(spacy.blank("es"), batch_size=10)) as (annotate, _):
        next(annotate(notes()))
    assert taken <= 20


def test_a_batch_holds_few_long_notes() -> None:
    long = SourceNote("long", "a" * 300_000)
    short = SourceNote("short", "a")
    sizes = [len(batch) for batch in batches([long, short, long, *[short] * 70])]
    assert sizes == [3, 64, 6]


def test_a_tokenizer_that_changes_the_text_is_refused() -> None:
    nlp = spacy.blank("es")
    vocab = nlp.vocab
    nlp.tokenizer = lambda text: Doc(vocab, words=text.split())
    with pytest.raises(CardionerError, match="^the note <4 characters.*tokenizer") as caught:
        Annotator(Settings(nlp))([SourceNote("nota", "sin  fiebre")])
    assert "fiebre" not in str(caught.value)


@Language.component("fails_on_x")
def fails_on_x(doc: Doc) -> Doc:
    if "xyz" in doc.text:
        raise ValueError(f"[E999] this says {doc.text}")
    return doc


def test_a_note_that_the_pipeline_fails_on_does_not_keep_the_others() -> None:
    nlp = spacy.blank("es")
    ruler(nlp, X=("fiebre",))
    nlp.add_pipe("fails_on_x")
    texts = ["fiebre", "xyz secreto", "fiebre", ""]
    found = Annotator(Settings(nlp))([SourceNote(str(i), text) for i, text in enumerate(texts)])
    assert [len(one.mentions) for one in found] == [1, 0, 1, 0]
    faults = [one.note.fault for one in found]
    assert faults[::2] + faults[3:] == ["", "", ""]
    assert faults[1].startswith("the pipeline failed on it (ValueError E999 <28 characters, ")


def test_a_note_with_a_fault_is_handed_on() -> None:
    note = SourceNote("a", "", "no text (null)")
    [found] = Annotator(Settings(spacy.blank("es")))([note])
    assert found[:3] == (note, [], None)


def test_entities_come_from_the_span_group_where_there_is_one() -> None:
    doc = spacy.blank("es")("alergia a penicilina")
    doc.ents = [Span(doc, 0, 1, label="ENFERMEDAD")]
    assert doc_entities(doc) == [Mention(0, 7, "ENFERMEDAD", "alergia")]

    drug = Entity(2, 3, "FARMACO", score=0.5, kb_id="J01CE01")
    write_entities(doc, [drug, Entity(0, 3, "ENFERMEDAD"), Entity(0, 3, "A")])
    assert doc_entities(doc) == [
        Mention(0, 20, "A", "alergia a penicilina"),
        Mention(0, 20, "ENFERMEDAD", "alergia a penicilina"),
        Mention(10, 20, "FARMACO", "penicilina", 0.5, "J01CE01"),
    ]

    doc.spans["cardioner"] = []
    assert doc_entities(doc) == []


def test_entities_of_other_labels_are_dropped() -> None:
    nlp = blank("es")

    @nlp.component("nested")
    def nested(doc: Doc) -> Doc:
        layers = ["ENFERMEDAD", "FARMACO"]
        if len(doc) < 3:
            return doc  # a pattern of the ruler
        drug = Entity(2, 3, "FARMACO", score=0.5, kb_id="J01CE01")
        spans = write_entities(doc, [drug, Entity(0, 3, "ENFERMEDAD")], layers=layers)
        doc.ents = [spans[1]]
        return doc

    nlp.add_pipe("nested")
    notes = [SourceNote("a", "alergia a penicilina")]
    [found] = Annotator(Settings(nlp, with_docs=True, only=("FARMACO",)))(notes)
    assert found.mentions == [Mention(10, 20, "FARMACO", "penicilina", 0.5, "J01CE01")]
    assert found.doc is not None
    [doc] = DocBin(store_user_data=True).from_bytes(found.doc).get_docs(nlp.vocab)
    assert doc_entities(doc) == found.mentions
    assert [ent.label_ for ent in doc.ents] == ["FARMACO"], "there is room for it now"
    assert layers_of(doc) == {"FARMACO"}

    ruler(nlp, OTRO=("nada",))
    [found] = Annotator(Settings(nlp, only=("OTRO",)))(notes)
    assert found.mentions == []
    with pytest.raises(CardionerError, match="--only: no entity has the label X; there are OTRO"):
        Annotator(Settings(nlp, only=("X", "OTRO")))


def test_scores_are_optional() -> None:
    doc = spacy.blank("es")("alergia")
    doc.ents = [Span(doc, 0, 1, label="ENFERMEDAD")]
    assert doc_entities(doc)[0].score is None


@pytest.fixture(scope="module")
def context_nlp() -> Language:
    pytest.importorskip("medspacy", reason='needs "spacy_cardioner[context]"')
    nlp = blank("es")
    ruler(nlp, ENFERMEDAD=FINDINGS, FARMACO=("bisoprolol",))
    nlp.add_pipe("cardioner_context")
    return nlp


def test_context_and_section_come_along(context_nlp: Language) -> None:
    assert known_attributes(context_nlp) == {"section", *CONTEXT}
    [found] = Annotator(Settings(context_nlp))([SourceNote("a", NOTE)])
    held = {
        mention.text: [name for name in CONTEXT if getattr(mention, name)]
        for mention in found.mentions
    }
    assert held == {
        "infarto": ["family"],
        "disnea": ["negated"],
        "neumonía": ["uncertain"],
        "fiebre": ["hypothetical"],
        "ictus": ["historical"],
        "bisoprolol": held["bisoprolol"],
    }
    assert all(getattr(mention, name) is not None for mention in found.mentions for name in CONTEXT)
    assert found.mentions[0].section == "family_history"


def test_context_comes_along_for_the_pieces_of_a_long_note(context_nlp: Language) -> None:
    limit = context_nlp.max_length
    line = "Niega disnea. Posible neumonía.\n"
    [whole] = Annotator(Settings(context_nlp))([SourceNote("a", line * 20)])
    context_nlp.max_length = 100
    try:
        [pieces] = Annotator(Settings(context_nlp))([SourceNote("a", line * 20)])
    finally:
        context_nlp.max_length = limit
    assert pieces.mentions == whole.mentions
    assert [bool(one.negated) for one in pieces.mentions] == [True, False] * 20


def test_what_no_component_looks_at_is_unknown_and_not_false() -> None:
    register_attributes()  # as another pipeline of the program does
    nlp = spacy.blank("es")
    ruler(nlp, ENFERMEDAD=("disnea",))
    assert known_attributes(nlp) == frozenset()
    [found] = Annotator(Settings(nlp))([SourceNote("a", "Niega disnea.")])
    assert found.mentions == [Mention(6, 12, "ENFERMEDAD", "disnea")]
    assert found.mentions[0].attributes == {}


def test_the_codes_and_how_they_were_found_come_along() -> None:
    nlp = blank("es")
    gazetteer = nlp.add_pipe("cardioner_gazetteer", "gazetteer")
    assert isinstance(gazetteer, Gazetteer)
    ruler(nlp, FARMACO=("bisoprolol", "Bisoprolol"))
    nlp.add_pipe("cardioner_linker")
    gazetteer.add_patterns([{"label": "FARMACO", "pattern": "bisoprolol", "id": "C07AB07"}])
    [found] = Annotator(Settings(nlp))([SourceNote("a", "Toma bisoprolol.")])
    [mention] = found.mentions
    assert mention.attributes == {"kb_id": "C07AB07", "vocabulary": "ATC", "match": "exact"}


@pytest.mark.parametrize("model", ["es_nowhere", "no/such/folder", "spacy", "pytest"])
def test_what_is_no_pipeline_is_named(model: str) -> None:
    with pytest.raises(CardionerError, match=f"^{model}: "):
        load_pipeline(model)


def test_a_gpu_that_is_not_there_is_named() -> None:
    if spacy.prefer_gpu():
        pytest.skip("there is a GPU")
    with pytest.raises(CardionerError, match="^GPU 0: "), started(Settings("es_nowhere", gpu=0)):
        pass
