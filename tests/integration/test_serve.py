"""The service: what it answers is what the pipeline finds, and nothing it gets can break it."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from spacy_cardioner import brat
from spacy_cardioner.batch.engine import Annotator
from spacy_cardioner.batch.readers import SourceNote
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.batch.writers.lines import JsonLines, Tsv
from tests.serving import Served, obedient_pipeline, served, with_site
from tests.shipped import shipped

for package in ("fastapi", "uvicorn", "httptools", "prometheus_client"):
    pytest.importorskip(package, reason='needs "spacy_cardioner[serve]"')

ES = "Niega dolor torácico. Alérgico a penicilina; toma bisoprolol 2,5 mg. Fiebre reumática.\r\n"
IT = "Il paziente assume ramipril e non ha la febbre."
SECRET = "Zacarias-Secreto"
JSON, NDJSON = {"content-type": "application/json"}, {"content-type": "application/x-ndjson"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def real(folder: Path) -> Iterator[Served]:
    """The shipped pipelines."""
    with served(folder, [shipped("es"), shipped("it")], "--workers", "1") as service:
        yield service


@pytest.fixture(scope="module")
def pipeline() -> Annotator:
    """The Spanish pipeline itself."""
    return Annotator(Settings(str(shipped("es"))))


@pytest.fixture(scope="module")
def obedient(folder: Path) -> Path:
    """A pipeline that finds "fiebre", and does what a text says."""
    return obedient_pipeline(folder)


@pytest.fixture(scope="module")
def small(folder: Path, obedient: Path) -> Iterator[Served]:
    """A service with small limits."""
    limits = {"timeout": 60, "max-body": 5000, "max-characters": 1000, "max-notes": 4, "queue": 6}
    options = [word for name, value in limits.items() for word in (f"--{name}", str(value))]
    with served(folder, [obedient], *options, "--access-log", env=with_site(folder)) as service:
        yield service


@pytest.fixture(scope="module")
def hasty(folder: Path, obedient: Path) -> Iterator[Served]:
    """A service that does not wait."""
    options = ("--timeout", "1", "--workers", "1")
    with served(folder, [obedient], *options, env=with_site(folder)) as service:
        yield service


# What is answered.


def test_pipelines_are_listed_with_what_they_find(real: Served) -> None:
    with real.client() as client:
        listed = client.get("pipelines").json()["pipelines"]
    assert [(one["name"], one["lang"]) for one in listed] == [
        ("es_cardioner", "es"),
        ("it_cardioner", "it"),
    ]
    assert {"version", "labels", "active", "threshold"} < set(listed[0])
    assert "FARMACO" in listed[0]["active"]
    assert 0 < listed[0]["threshold"] < 1


@pytest.mark.parametrize("context", [False, True])
def test_the_answer_is_what_annotate_finds(
    real: Served, pipeline: Annotator, context: bool
) -> None:
    if context:
        pytest.importorskip("medspacy")
    pipeline.choose((), context)
    [found] = pipeline([SourceNote("n", ES)])
    expected = json.loads(JsonLines().render(found))["entities"]
    answer = real.annotate(notes=[{"id": "n", "text": ES}], context=context).json()
    assert (answer["pipeline"], answer["lang"], answer["failed"]) == ("es_cardioner", "es", [])
    [note] = answer["notes"]
    names = [entity.pop("kb_name", None) for entity in note["entities"]]
    assert note["id"] == "n"
    assert note["entities"] == [
        {**entity, "score": pytest.approx(entity["score"], abs=1e-5)} for entity in expected
    ]
    assert "bisoprolol" in names
    assert ("negated" in note["entities"][0]) == context


def test_sections_have_their_ends(real: Served) -> None:
    pytest.importorskip("medspacy")
    text = "Antecedentes personales:\nDiabetes mellitus.\nTratamiento:\nBisoprolol 5 mg.\n"
    [note] = real.annotate(text=text, context=True).json()["notes"]
    sections = note["sections"]
    assert len(sections) == 2
    assert (sections[0]["end"], sections[1]["end"]) == (sections[1]["start"], len(text))
    assert text[sections[1]["start"] :].startswith("Tratamiento")


def test_a_note_goes_to_the_pipeline_of_its_language(real: Served) -> None:
    def asked(**body: Any) -> tuple[str, str]:
        answer = real.annotate(**body).json()
        return answer["pipeline"], answer["lang"]

    assert asked(text=IT) == ("it_cardioner", "it")
    assert asked(text=IT, lang="es") == ("es_cardioner", "es")
    assert asked(text=ES, pipeline="it_cardioner") == ("it_cardioner", "it")
    assert real.annotate(text=IT, lang="en").status_code == 422


def test_labels_and_scores_are_chosen(real: Served) -> None:
    every = real.annotate(text=ES).json()["notes"][0]["entities"]
    assert {entity["label"] for entity in every} == {"ENFERMEDAD", "FARMACO"}
    only = real.annotate(text=ES, labels=["FARMACO"]).json()["notes"][0]["entities"]
    assert {entity["label"] for entity in only} == {"FARMACO"}
    scores = sorted(entity["score"] for entity in every)
    least = (scores[0] + scores[1]) / 2
    better = real.annotate(text=ES, min_score=least).json()["notes"][0]["entities"]
    assert len(better) == len(every) - 1
    # The next request finds all again.
    assert len(real.annotate(text=ES).json()["notes"][0]["entities"]) == len(every)


def test_downloads_are_those_of_the_writers(real: Served, pipeline: Annotator) -> None:
    pipeline.choose((), False)
    [found] = pipeline([SourceNote("a/n", ES)])
    body = {"notes": [{"id": "a/n", "text": ES}, {"id": "bad", "text": " "}]}
    with real.client() as client:
        for kind, writer in (("jsonl", JsonLines()), ("tsv", Tsv(with_attributes=True))):
            answer = client.post(f"annotate?format={kind}", json=body)
            assert rounded(answer.text) == rounded((writer.head + writer.render(found)).decode())
            assert answer.headers["x-failed-notes"] == "1"
            assert answer.headers["content-disposition"].endswith(f'"notes.{kind}"')
        answer = client.post("annotate?format=brat", json=body)
        assert client.post("annotate?format=xml", json=body).status_code == 422
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert set(archive.namelist()) >= {"a/n.txt", "a/n.ann", "annotation.conf", "visual.conf"}
        assert archive.read("a/n.txt").decode() == ES
        note = brat.note_from_entities("n", ES, [one.entity for one in found.mentions])
        lines = archive.read("a/n.ann").decode().splitlines()
        assert [line.raw for line in note.lines if line.raw[0] == "T"] == [
            line for line in lines if line[0] == "T"
        ]
        assert b"FARMACO" in archive.read("annotation.conf")


def rounded(text: str) -> str:
    """Scores differ in their last digits between batches."""
    return re.sub(r"(0\.[0-9]{4})[0-9]*", r"\1", text)


def test_rows_of_omop_have_numbers(real: Served) -> None:
    notes = [{"id": 7, "text": ES}, {"id": 8, "text": ES}, {"id": "x", "text": ES}]
    answer = real.annotate(notes=notes, schema="omop").json()
    rows = [row for note in answer["notes"] for row in note["note_nlp"]]
    assert [row["note_nlp_id"] for row in rows] == list(range(1, len(rows) + 1))
    assert {row["note_id"] for row in rows} == {7, 8}
    assert [failed["id"] for failed in answer["failed"]] == ["x"]


def test_the_bulk_endpoint_answers_records_of_the_common_data_model(real: Served) -> None:
    footer = {"patient_id": "p1", "record_id": 12, "unknown": 1}
    with real.client() as client:
        content = [{"text": ES, "footer": footer}, {"text": " "}]
        good, bad = client.post("process_bulk", json={"content": content}).json()
    metadata = good["nlp_output"]["record_metadata"]
    assert (metadata["patient_id"], metadata["record_id"], metadata["text"]) == ("p1", 12, ES)
    assert "unknown" not in metadata
    drug = good["nlp_output"]["annotations"][-2]
    assert ES[drug["start_offset"] : drug["end_offset"]] == drug["concept_mention_string"]
    assert drug["concept_class"] == "medication"
    assert drug["controlled_vocabulary_concept_identifier"] == "C07AB07"
    assert good["nlp_output"]["processing_success"] is True
    assert bad["nlp_output"]["processing_success"] is False


def test_lines_are_answered_in_order(real: Served) -> None:
    texts = [ES, IT, "nada", ES * 3] * 20
    lines = [json.dumps({"id": f"n{i}", "text": text}) for i, text in enumerate(texts)]
    lines[5] = '{"id": "n5"'
    lines[6] = '{"id": "n6", "text": null}'
    body = "\n".join(lines).encode()
    with real.client() as client:
        answer = client.post("annotate?labels=FARMACO", content=body, headers=NDJSON)
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert len(found) == len(texts)
    assert found[5] == {"id": None, "line": 6, "error": found[5]["error"]}
    assert found[6] == {"id": "n6", "error": "no text (null)"}
    for number in (0, 1, 2, 3, 77, 78, 79):
        assert found[number]["id"] == f"n{number}"
    assert found[0]["pipeline"] == "es_cardioner"
    assert found[1]["pipeline"] == "it_cardioner"
    assert [e["text"] for e in found[3]["entities"]] == ["penicilina", "bisoprolol"] * 3


# Limits.


def test_a_line_is_answered_before_the_next_one_comes(small: Served) -> None:
    address = urlsplit(small.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(
            b"POST /annotate?lang=es HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        reader = connection.makefile("rb")
        for number in range(3):
            line = json.dumps({"id": str(number), "text": "fiebre"}).encode() + b"\n"
            connection.sendall(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            while not (answer := reader.readline()).startswith(b"{"):
                assert answer
            assert json.loads(answer)["id"] == str(number)
        connection.sendall(b"0\r\n\r\n")
        assert reader.read().endswith(b"0\r\n\r\n")


def test_a_stream_has_no_limit_and_few_notes_in_memory(small: Served) -> None:
    sent = 0

    def lines() -> Iterator[bytes]:
        nonlocal sent
        for sent in range(300):  # far more than the queue, and than a body may have
            yield json.dumps({"id": str(sent), "text": f"fiebre {sent}"}).encode() + b"\n"

    with small.client() as client:
        answer = client.post("annotate", content=lines(), headers=NDJSON)
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert [one["id"] for one in found] == [str(number) for number in range(300)]
    assert all(len(one["entities"]) == 1 for one in found)


def test_too_long_a_line_ends_a_stream_with_an_error(small: Served) -> None:
    lines = [b'{"text": "fiebre"}\n', b'{"text": "' + b"x" * 10_000 + b'"}\n', b'{"text": "f"}\n']
    with small.client() as client:
        answer = client.post("annotate", content=iter(lines), headers=NDJSON)
    first, last = map(json.loads, answer.text.splitlines())
    assert first["entities"]
    assert last["line"] == 2


@pytest.mark.parametrize(
    ("status", "content", "headers"),
    [
        (413, json.dumps({"text": "x" * 6000}), JSON),
        (413, json.dumps({"notes": [{"text": "x"}] * 5}), JSON),
        (415, json.dumps({"text": "x"}), {"content-type": "text/plain"}),
        (415, json.dumps({"text": "x"}), {}),
        (422, '{"text": "x"', JSON),
        (422, '{"text": "\\ud800"}', JSON),
        (422, '"x"', JSON),
        (422, "{}", JSON),
        (422, '{"notes": []}', JSON),
        (422, '{"text": "x", "notes": []}', JSON),
        (422, '{"text": "x", "pipeline": "Zacarias-Secreto"}', JSON),
        (422, '{"text": "x", "labels": ["Zacarias-Secreto"]}', JSON),
        (422, '{"text": "x", "Zacarias-Secreto": 1}', JSON),
        (422, '{"text": "x", "min_score": "Zacarias-Secreto"}', JSON),
        (422, '{"text": "x", "lang": "Zacarias-Secreto"}', JSON),
        (422, '{"notes": [{"text": ["Zacarias-Secreto"]}]}', JSON),
        (422, "[" * 4000, JSON),
        (422, b"\xff\xfe{}", JSON),
    ],
)
def test_what_does_not_fit_is_refused_without_quoting_it(
    small: Served, status: int, content: str, headers: dict[str, str]
) -> None:
    with small.client() as client:
        answer = client.post("annotate", content=content, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert SECRET not in answer.text
    assert small.annotate(text="fiebre").status_code == 200


def test_a_long_note_fails_alone(small: Served) -> None:
    answer = small.annotate(notes=[{"text": "y " * 600}, {"text": "fiebre"}]).json()
    assert [(one["id"], "1000 characters" in one["error"]) for one in answer["failed"]] == [
        ("1", True)
    ] or "1,000" in answer["failed"][0]["error"]
    assert [one["id"] for one in answer["notes"]] == ["2"]


def test_too_much_to_do_is_refused_at_once(small: Served) -> None:
    notes = [{"text": "fiebre sleep 0.5"}] * 4
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: small.annotate(notes=notes), range(4)))
    refused = [answer for answer in answers if answer.status_code == 503]
    assert refused
    assert all(answer.headers["retry-after"] == "1" for answer in refused)
    good = [answer for answer in answers if answer.status_code == 200]
    assert good
    assert all(len(answer.json()["notes"]) == 4 for answer in good)
    assert small.metric("cardioner_queue_notes") == 0


def test_what_takes_too_long_is_given_up_and_its_worker_replaced(hasty: Served) -> None:
    before = hasty.metric("cardioner_workers_replaced_total")
    start = time.monotonic()
    answer = hasty.annotate(text="sleep 1000")
    assert time.monotonic() - start < 100
    late = answer.status_code == 503 and "not done" in answer.json()["error"]
    assert late or "not done" in answer.json()["failed"][0]["error"]
    until(lambda: hasty.metric("cardioner_workers_replaced_total") > before)
    until(lambda: hasty.metric("cardioner_workers_ready") == 1)
    assert hasty.annotate(text="fiebre").json()["notes"][0]["entities"]


def test_a_slow_client_is_left(hasty: Served) -> None:
    address = urlsplit(hasty.url)
    with socket.create_connection((address.hostname, address.port), timeout=15) as connection:
        connection.sendall(
            b"POST /annotate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 408")


def test_a_client_that_leaves_takes_its_notes_with_it(small: Served) -> None:
    with small.client() as client, pytest.raises(httpx.ReadTimeout):
        client.post("annotate", json={"notes": [{"text": "sleep 1.5"}] * 4}, timeout=0.2)
    start = time.monotonic()
    until(lambda: small.metric("cardioner_queue_notes") == 0)
    assert time.monotonic() - start < 3


# Faults.


def test_a_note_on_which_workers_die_fails_alone(small: Served) -> None:
    answer = small.annotate(notes=[{"text": "fiebre"}, {"text": "die"}, {"text": "raise"}]).json()
    errors = {one["id"]: one["error"] for one in answer["failed"]}
    assert "died" in errors["2"]
    assert "ValueError" in errors["3"]
    assert [one["id"] for one in answer["notes"]] == ["1"]


def test_a_killed_worker_is_not_missed_and_no_answer_is_mixed_up(small: Served) -> None:
    until(lambda: small.metric("cardioner_workers_ready") == 2)

    def ask(number: int) -> bool:
        text = f"{'fiebre ' * (number % 7)}nota {number} sleep 0.01"
        with small.client() as client:
            while True:
                answer = client.post("annotate", json={"notes": [{"id": number, "text": text}]})
                if answer.status_code != 503:
                    break
                time.sleep(0.05)
        [note] = answer.json()["notes"]
        return note["id"] == str(number) and len(note["entities"]) == number % 7

    with ThreadPoolExecutor(8) as threads:
        answers = [threads.submit(ask, number) for number in range(120)]
        for _ in range(2):
            time.sleep(0.3)
            until(small.workers)
            os.kill(small.workers()[0], signal.SIGKILL)
        assert all(answer.result() for answer in answers)


def test_nothing_of_a_note_is_in_a_log(small: Served) -> None:
    with small.client() as client:
        for text in (SECRET, f"raise {SECRET}", f"die {SECRET}", f"{SECRET}\0"):
            client.post("annotate", json={"notes": [{"id": SECRET, "text": text}]})
        client.post(f"annotate?format={SECRET}", json={"text": SECRET})
        client.post(f"annotate?{SECRET}=1", content=SECRET, headers=NDJSON)
        client.get(f"{SECRET}?{SECRET}={SECRET}", headers={"authorization": SECRET})
        client.request(SECRET.upper(), "annotate", content=SECRET)
        metrics = client.get("metrics").text
    assert SECRET.lower() not in small.log.lower()
    assert SECRET.lower() not in metrics.lower()
    assert "POST /annotate 200" in small.log


# Around it.


def test_every_answer_has_strict_headers_and_none_for_other_origins(small: Served) -> None:
    with small.client(headers={"origin": "https://elsewhere.example"}) as client:
        for path in ("health", "docs", "annotate", "nothing", "openapi.json"):
            headers = client.get(path).headers
            assert headers["content-security-policy"].startswith("default-src 'self';")
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert not [name for name in headers if name.startswith("access-control")]
        asked = {"access-control-request-method": "POST"}
        assert client.options("annotate", headers=asked).status_code == 405


def test_the_documentation_refers_to_no_other_host(small: Served) -> None:
    with small.client() as client:
        page = client.get("docs").text
        schema = client.get("openapi.json").json()
        assert client.get("docs.css").headers["content-type"].startswith("text/css")
    assert re.findall(r'(?:href|src)="((?:[a-z]+:)?//[^"]*)"', page) == []
    assert "<script" not in page
    assert "<style" not in page
    for path in schema["paths"]:
        assert path in page
    assert {"Body", "Note", "Options"} - {"Options"} <= set(schema["components"]["schemas"])
    assert "min_score" in page


def test_health_and_readiness(small: Served) -> None:
    with small.client() as client:
        until(lambda: client.get("ready").json() == {"workers": 2})
        assert client.get("health").json()["status"] == "ok"
        assert client.get("nothing").json() == {"error": "Not Found"}


def test_a_token_is_asked_for_and_a_proxy_may_have_the_service_anywhere(
    folder: Path, obedient: Path
) -> None:
    (folder / "token").write_text(f"{SECRET}\n")
    options = ("--workers", "1", "--token-file", "token", "--root-path", "cardioner/")
    with served(folder, [obedient], *options, env=with_site(folder)) as service:
        assert service.url.endswith("/cardioner/")
        root = service.url.removesuffix("cardioner/")
        with httpx.Client(headers={"authorization": f"Bearer {SECRET}"}) as client:
            for url in (root, service.url):  # with and without the path
                answer = client.post(f"{url}annotate", json={"text": "fiebre"})
                assert answer.json()["notes"][0]["entities"]
                assert client.get(f"{url}docs").status_code == 200
        for header in ({}, {"authorization": "Bearer x"}, {"authorization": SECRET}):
            for path in ("annotate", "pipelines", "metrics", "process_bulk"):
                answer = httpx.get(f"{root}{path}", headers=header)
                assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        for path in ("health", "ready", "docs"):
            assert httpx.get(f"{root}{path}").status_code == 200
        assert SECRET not in service.log


def test_a_signal_ends_the_service_after_what_runs(folder: Path, obedient: Path) -> None:
    with served(folder, [obedient], "--workers", "1", env=with_site(folder)) as service:
        pids = service.workers()
        with ThreadPoolExecutor(1) as thread:
            running = thread.submit(service.annotate, text="fiebre sleep 1")
            time.sleep(0.5)
            for pid in (*pids, service.process.pid):  # as some supervisors do
                os.kill(pid, signal.SIGTERM)
            assert running.result().json()["notes"][0]["entities"]
        assert service.process.wait(10) == 0
        assert "Traceback" not in service.log
        assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def until(holds: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
