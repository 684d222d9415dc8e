"""A pipeline that asks a language model: a scripted server stands for it, see `ScriptedLLM`."""

from __future__ import annotations

import json
import logging
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import spacy
from click.testing import CliRunner, Result
from spacy.cli._util import app as spacy_commands
from spacy.language import Language
from typer.main import get_command

import spacy_cardioner
from spacy_cardioner.cli import app
from spacy_cardioner.errors import CardionerError, NoteError
from spacy_cardioner.pipeline.llm.task import create_require_llm
from tests.conftest import ROOT
from tests.scripted_llm import ScriptedLLM, chat, scripted_llm

pytest.importorskip("spacy_llm", reason='needs "spacy_cardioner[llm]"')

NOTE = "Alérgico a penicilina. Diabetes.\r\nToma bisoprolol; niega diabetes. Disnea."
NAMES = {
    "Alérgico a penicilina": "ENFERMEDAD",
    "penicilina": "FARMACO",
    "Diabetes": "ENFERMEDAD",
    "bisoprolol": "FARMACO",
    "Disnea": "SINTOMA",
}
GOLD = [
    ("Alérgico a penicilina", 0),
    ("penicilina", 11),
    ("Diabetes", 23),
    ("bisoprolol", 39),
    ("diabetes", 57),
]


@pytest.fixture
def llm() -> Iterator[ScriptedLLM]:
    with scripted_llm() as server:
        server.names = dict(NAMES)
        yield server


def pipeline(llm: ScriptedLLM, **settings: Any) -> Language:
    """The pipeline of configs/llm.cfg, with other settings by their last names."""
    model = {"name": "scripted", "endpoint": llm.endpoint, "interval": 0.01, "max_tries": 3}
    task = {name: settings.pop(name) for name in ("labels", "max_characters") if name in settings}
    overrides = {f"components.llm.model.{name}": v for name, v in {**model, **settings}.items()}
    overrides |= {f"components.llm.task.{name}": value for name, value in task.items()}
    config = spacy.util.load_config(ROOT / "configs/llm.cfg", overrides)
    return spacy.util.load_model_from_config(config, auto_fill=True)


def saved(llm: ScriptedLLM, folder: Path, **settings: Any) -> Path:
    nlp = pipeline(llm, **settings)
    nlp.to_disk(folder / "llm")
    return folder / "llm"


def cardioner(*arguments: str | Path) -> Result:
    return CliRunner().invoke(get_command(app), list(map(str, arguments)))


def entities(nlp: Language, text: str) -> list[tuple[str, int]]:
    doc = nlp(text)
    return [(span.text, span.start_char) for span in doc.spans["cardioner"]]


def failing(status: int, body: bytes = b"{}") -> Callable[[], tuple[int, bytes]]:
    return lambda: (status, body)


def test_the_assembled_pipeline_annotates_and_is_evaluated(
    llm: ScriptedLLM, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    overrides = ["--components.llm.model.name", "m"]
    overrides += ["--components.llm.model.endpoint", llm.endpoint]
    command = ["assemble", ROOT / "configs/llm.cfg", tmp_path / "llm", *overrides]
    assert CliRunner().invoke(get_command(spacy_commands), list(map(str, command))).exit_code == 0
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "a.txt").write_bytes(NOTE.encode())
    (notes / "b.txt").write_bytes(b"Sin cambios.")
    done = cardioner("annotate", notes, "-m", tmp_path / "llm", "-o", tmp_path / "p", "-f", "brat")
    assert done.exit_code == 0, done.output + capfd.readouterr().err
    told = capfd.readouterr().err + done.output
    assert "LLM requests: 2" in told
    assert "prompt tokens: 200" in told
    assert "mentions not in the text: 0" in told
    gold = tmp_path / "gold"
    gold.mkdir()
    lines = [
        f"T{i}\t{NAMES.get(text, 'ENFERMEDAD')} {start} {start + len(text)}\t{text}\n"
        for i, (text, start) in enumerate(GOLD, 1)
    ]
    for name, content in (("a", "".join(lines)), ("b", "")):
        (gold / f"{name}.txt").write_bytes((notes / f"{name}.txt").read_bytes())
        (gold / f"{name}.ann").write_text(content, encoding="utf-8")
    result = tmp_path / "result.json"
    scored = cardioner("evaluate", "--gold", gold, "--pred", tmp_path / "p", "-o", result)
    assert scored.exit_code == 0
    strict = json.loads(result.read_text())["strict"]["micro"]
    assert strict["f1"] == 1.0
    assert strict["counts"]["right"] == len(GOLD)


def test_entities_offsets_and_counts(llm: ScriptedLLM) -> None:
    nlp = pipeline(llm)
    doc = nlp(NOTE)
    assert entities(nlp, NOTE) == GOLD
    assert [ent.text for ent in doc.ents] == [text for text, _ in GOLD if text != "penicilina"]
    assert {span._.source for span in doc.spans["cardioner"]} == {"llm"}
    assert doc.text == NOTE
    counts = doc.user_data["counts"]
    assert counts.pop("LLM seconds") > 0
    assert counts == {
        "LLM requests": 1,
        "prompt tokens": 100,
        "answer tokens": 10,
        "answers cut off": 0,
        "mentions answered": 4,
        "mentions not in the text": 0,
        "lines not understood": 1,  # a symptom, which nobody asked for
    }


def test_what_is_not_found_and_what_was_cut_off_is_counted(llm: ScriptedLLM) -> None:
    answer = "FARMACO | atenolol\nFARMACO | bisoprolol\nFARM"
    llm.replies = [lambda: chat(answer, finish_reason="length")]
    doc = pipeline(llm)(NOTE)
    counts = doc.user_data["counts"]
    assert [span.text for span in doc.spans["cardioner"]] == ["bisoprolol"]
    assert counts["mentions answered"] == 2
    assert counts["mentions not in the text"] == 1
    assert counts["lines not understood"] == 1
    assert counts["answers cut off"] == 1


def test_other_labels_on_demand(llm: ScriptedLLM) -> None:
    nlp = pipeline(llm, labels=["SINTOMA"])
    assert entities(nlp, NOTE) == [("Disnea", 67)]
    assert "PROCEDIMIENTO" not in llm.requests[0]["messages"][0]["content"]
    assert nlp.pipe_labels["llm"] == ["SINTOMA"]


FIRST = {"es": "Eres un", "en": "You are", "it": "Sei un", "xx": "You are"}


@pytest.mark.parametrize("lang", FIRST)
def test_the_language_of_the_prompt(llm: ScriptedLLM, lang: str) -> None:
    config = spacy.util.load_config(
        ROOT / "configs/llm.cfg",
        {"nlp.lang": lang, "components.llm.model.name": "m"},
    )
    config["components"]["llm"]["model"]["endpoint"] = llm.endpoint
    nlp = spacy.util.load_model_from_config(config, auto_fill=True)
    assert entities(nlp, NOTE) == GOLD
    assert llm.requests[0]["messages"][0]["content"].startswith(FIRST[lang])


def test_long_notes_are_sent_in_pieces(llm: ScriptedLLM) -> None:
    text = "Visita del lunes.\n" * 200 + "Toma bisoprolol.\n" + "Sin cambios.\n" * 200
    found = entities(pipeline(llm, max_characters=500), text)
    assert found == [("bisoprolol", text.index("bisoprolol"))]
    assert len(set(llm.texts)) == len(llm.texts) > 1  # equal pieces are asked about once
    assert all(len(piece) <= 500 and piece.endswith("\n") for piece in llm.texts)


def test_the_pieces_of_a_note_are_the_whole_note(llm: ScriptedLLM) -> None:
    text = "".join(f"Visita {number}: sin cambios.\n" for number in range(400))
    pipeline(llm, max_characters=10**6, context_length=2048)(text)
    assert "".join(llm.texts) == text
    prompts = [request["messages"][0]["content"] for request in llm.requests]
    # A token has two characters at least, and the mentions may be as long as the piece.
    sizes = [len(p) + len(t) for p, t in zip(prompts, llm.texts, strict=True)]
    assert max(sizes) <= 2 * 2048 < 2 * max(sizes)


def test_a_model_that_is_too_small_is_refused(llm: ScriptedLLM) -> None:
    with pytest.raises(CardionerError, match="a model with 512 tokens is too small"):
        pipeline(llm, context_length=512)(NOTE)
    assert not llm.requests


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_fault_is_tried_again(llm: ScriptedLLM, status: int) -> None:
    llm.replies = [failing(status), failing(status)]
    assert entities(pipeline(llm), NOTE) == GOLD
    assert len(llm.requests) == 3


MALFORMED = [
    b"",
    b"{",
    b"[]",
    b'{"choices": []}',
    b'{"choices": [{"message": null}]}',
    b'{"choices": [{"message": {"content": 1}}]}',
    b'{"choices": [{"message": {"content": "-"}}], "usage": {"prompt_tokens": "many"}}',
    b"\xff",
]


@pytest.mark.parametrize("body", MALFORMED)
def test_a_malformed_reply_is_tried_again(llm: ScriptedLLM, body: bytes) -> None:
    llm.replies = [failing(200, body)]
    assert entities(pipeline(llm), NOTE) == GOLD
    llm.replies = [failing(200, body)] * 3
    with pytest.raises(NoteError, match="its answer is not that of a chat"):
        pipeline(llm)(NOTE)


def test_a_reply_may_lack_what_is_not_needed(llm: ScriptedLLM) -> None:
    llm.replies = [failing(200, b'{"choices": [{"message": {"content": null}}]}')]
    assert entities(pipeline(llm), NOTE) == []


STOP = {
    401: "put the key of the server into CARDIONER_LLM_KEY",
    404: "has no model 'scripted', or the endpoint is wrong",
    302: "it sends elsewhere, where no text is sent",
    429: r"status 429 \(Too Many Requests\)",
    503: r"status 503 \(Service Unavailable\)",
}


@pytest.mark.parametrize("status", STOP)
def test_what_no_note_is_to_blame_for_stops_the_run(
    llm: ScriptedLLM, tmp_path: Path, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    model = saved(llm, tmp_path)
    llm.replies = [failing(status, NOTE.encode())] * 9
    notes = tmp_path / "notes.csv"
    notes.write_text(f'text\n"{NOTE}"\n', encoding="utf-8")
    done = cardioner("annotate", notes, "-m", model, "-o", tmp_path / "found.jsonl")
    assert done.exit_code == 1
    with pytest.raises(CardionerError, match=STOP[status]) as error:
        pipeline(llm)(NOTE)
    assert not isinstance(error.value, NoteError)
    assert "penicilina" not in done.output + capfd.readouterr().err + str(error.value)


@pytest.mark.parametrize("status", [400, 413, 418, 500, 599])
def test_a_note_that_the_server_fails_on_is_skipped(llm: ScriptedLLM, status: int) -> None:
    notes = ["Toma bisoprolol.", "Diabetes mala.", "Otra penicilina."]
    llm.fails = {"Diabetes mala.": (status, b"Diabetes mala.")}
    found = list(spacy_cardioner.annotate(notes, pipeline(llm, max_tries=1)))
    assert [len(one.mentions) for one in found] == [1, 0, 1]
    assert [bool(one.note.fault) for one in found] == [False, True, False]
    assert f"failed on it: status {status}" in found[1].note.fault
    assert "mala" not in found[1].note.fault
    assert sorted(llm.texts) == sorted([*notes, notes[1]])  # the others were not sent again


def test_a_server_that_is_slow_or_gone(llm: ScriptedLLM) -> None:
    def slow() -> tuple[int, bytes]:
        time.sleep(0.3)
        return chat("-")

    llm.replies = [slow, slow]
    with pytest.raises(NoteError, match=r"no answer within 0\.1 seconds"):
        pipeline(llm, timeout=0.1, max_tries=2)(NOTE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = ScriptedLLM(f"http://user:secret@127.0.0.1:{free.getsockname()[1]}/v1")
    with pytest.raises(CardionerError, match="no answer: start the server") as error:
        pipeline(nowhere)(NOTE)
    assert not isinstance(error.value, NoteError)
    assert "secret" not in str(error.value)
    with pytest.raises(CardionerError, match=r"cannot be asked \(MissingSchema\)"):
        pipeline(ScriptedLLM("127.0.0.1/v1"))(NOTE)


def test_no_text_of_a_note_is_logged(
    llm: ScriptedLLM, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    nlp = pipeline(llm)
    nlp(NOTE)
    llm.replies = [failing(400, NOTE.encode())]
    with pytest.raises(NoteError):
        nlp("Otra penicilina.")
    said = "".join([caplog.text, *capfd.readouterr()])
    assert "penicilina" not in said
    assert "bisoprolol" not in said


def test_text_goes_to_the_endpoint_and_nowhere_else(
    llm: ScriptedLLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("CARDIONER_LLM_KEY", "abc")
    monkeypatch.setenv("OPENAI_API_KEY", "not for this server")
    assert entities(pipeline(llm), NOTE) == GOLD
    assert llm.requests[0]["headers"]["Authorization"] == "Bearer abc"
    assert llm.requests[0]["model"] == "scripted"
    assert llm.requests[0]["temperature"] == 0.0
    monkeypatch.delenv("CARDIONER_LLM_KEY")
    pipeline(llm)(NOTE)
    assert "Authorization" not in llm.requests[1]["headers"]


def test_the_record_of_a_run_has_the_counts_of_all_parts(llm: ScriptedLLM, tmp_path: Path) -> None:
    model = saved(llm, tmp_path)
    notes = tmp_path / "notes.jsonl"
    rows = [{"text": f"Nota {number}: toma bisoprolol."} for number in range(5)]
    notes.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "found"
    options = ["-m", model, "-o", out, "-f", "jsonl", "--part-size", "2"]
    assert cardioner("annotate", notes, *options).exit_code == 0
    counts = json.loads((out / "_manifest.json").read_text())["counts"]
    assert (counts["notes"], counts["mentions"]) == (5, 5)
    assert counts["of_components"]["LLM requests"] == 5
    assert counts["of_components"]["prompt tokens"] == 500


def test_context_and_saved_documents(llm: ScriptedLLM, tmp_path: Path) -> None:
    pytest.importorskip("medspacy", reason='needs "spacy_cardioner[context]"')
    model = saved(llm, tmp_path)
    notes = tmp_path / "a.txt"
    notes.write_bytes(NOTE.encode())
    out = tmp_path / "found.jsonl"
    docs = tmp_path / "found.spacy"
    done = cardioner("annotate", notes, "-m", model, "--context", "-o", out, "-o", docs)
    assert done.exit_code == 0, done.output
    found = json.loads(out.read_text())["entities"]
    assert [one["text"] for one in found if one["negated"]] == ["diabetes"]
    assert docs.stat().st_size


def test_the_extra_is_named_if_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy_llm", None)
    with pytest.raises(CardionerError, match=r'needs spacy-llm .*"spacy_cardioner\[llm\]"'):
        create_require_llm()(Language)
