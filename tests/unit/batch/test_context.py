"""`annotate --context` and `annotate(context=True)`: context without a pipeline that has it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from spacy.language import Language
from typer.main import get_command

import spacy_cardioner
from spacy_cardioner.batch.engine import Annotator
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.cli import app
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.tokenizer import blank

pytest.importorskip("medspacy", reason='needs "spacy_cardioner[context]"')

TEXTS = {
    "es": "Niega diabetes. Padre con infarto. Posible neumonía.",
    "en": "No diabetes. Father with infarction. Possible pneumonia.",
    "it": "Nega diabete. Padre con infarto. Possibile polmonite.",
}
NAMES = ["diabetes", "diabete", "infarto", "infarction", "neumonía", "pneumonia", "polmonite"]
TRUE = ["negated", "family", "uncertain"]


def pipeline(lang: str) -> Language:
    nlp = blank(lang)
    patterns = [{"label": "ENFERMEDAD", "pattern": name} for name in NAMES]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    return nlp


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pipelines")
    for lang in (*TEXTS, "xx"):
        pipeline(lang).to_disk(folder / lang)
    nlp = pipeline("es")
    nlp.add_pipe("cardioner_context")
    nlp.to_disk(folder / "own")
    return folder


def annotate(models: Path, lang: str, text: str, *options: str | Path) -> Result:
    arguments = ["annotate", "-", "-m", models / lang, "--context", *options]
    return CliRunner().invoke(get_command(app), list(map(str, arguments)), input=text)


def true(entity: dict[str, Any]) -> list[str]:
    return [name for name, value in entity.items() if value is True]


@pytest.mark.parametrize("lang", TEXTS)
@pytest.mark.parametrize("several", [False, True])
def test_context_in_the_language_of_the_pipeline_or_the_named_one(
    models: Path, lang: str, several: bool
) -> None:
    options = ["--lang", lang] if several else []
    result = annotate(models, "xx" if several else lang, TEXTS[lang], *options)
    assert result.exit_code == 0, result.output
    entities = json.loads(result.stdout)["entities"]
    assert [true(entity) for entity in entities] == [[name] for name in TRUE]


def test_a_pipeline_of_several_languages_asks_for_one(models: Path) -> None:
    result = annotate(models, "xx", TEXTS["es"])
    assert isinstance(result.exception, CardionerError)
    assert "there are no context rules for the language 'xx'" in str(result.exception)
    assert "one of en, es, it, with --lang" in str(result.exception)
    result = annotate(models, "xx", TEXTS["es"], "--lang", "de")
    assert "for the language 'de'" in str(result.exception)


def test_a_pipeline_with_context_stays_as_it_is(models: Path) -> None:
    result = annotate(models, "own", TEXTS["es"])
    assert [true(entity) for entity in json.loads(result.stdout)["entities"]] == [
        [name] for name in TRUE
    ]
    result = annotate(models, "own", TEXTS["es"], "--lang", "it")
    assert "the pipeline has a context component: leave out --lang" in str(result.exception)


def test_a_language_needs_the_context(models: Path) -> None:
    arguments = ["annotate", "-", "-m", str(models / "es"), "--lang", "es"]
    result = CliRunner().invoke(get_command(app), arguments, input="")
    assert result.exit_code == 2


def test_tsv_has_the_columns_of_context(models: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.tsv"
    assert annotate(models, "es", TEXTS["es"], "-o", out).exit_code == 0
    header, first, *_ = [line.split("\t") for line in out.read_text("utf-8").splitlines()]
    assert dict(zip(header, first, strict=True))["negated"] == "true"


@pytest.mark.parametrize("change", [["--lang", "it"], []])
def test_a_run_is_resumed_only_with_the_same_context(
    models: Path, tmp_path: Path, change: list[str]
) -> None:
    (tmp_path / "n.txt").write_text(TEXTS["es"], encoding="utf-8")

    def run(*options: str) -> Result:
        fixed = [tmp_path / "n.txt", "-m", models / "es", "-o", tmp_path / "out"]
        arguments = ["annotate", *fixed, "--part-size", "1", "--resume", *options]
        return CliRunner().invoke(get_command(app), list(map(str, arguments)))

    assert run("--context", "--lang", "es").exit_code == 0
    assert run("--context", "--lang", "es").exit_code == 0
    manifest = json.loads((tmp_path / "out/_manifest.json").read_bytes())
    assert manifest["options"]["context"] == "es"
    assert len(manifest["model"]["context"]) == 64
    assert "medspacy" in manifest["software"]
    result = run(*(["--context", *change] if change else []))
    assert "cannot be resumed" in str(result.exception)


def test_the_rules_are_part_of_the_identity(models: Path) -> None:
    sums = [
        Annotator(Settings(str(models / "es"), context=lang)).identity["context"]
        for lang in ("es", "it")
    ]
    assert sums[0] != sums[1]


def test_from_python_with_a_pipeline_that_stays_as_it_is() -> None:
    nlp = pipeline("es")
    before = (nlp.pipe_names, nlp.meta)
    [found] = spacy_cardioner.annotate([TEXTS["es"]], nlp, context=True)
    assert [true(mention.attributes) for mention in found.mentions] == [[name] for name in TRUE]
    assert (nlp.pipe_names, nlp.meta) == before
    [found] = spacy_cardioner.annotate([TEXTS["es"]], nlp)
    assert {mention.negated for mention in found.mentions} == {None}
    with pytest.raises(CardionerError, match="from Python, with context='en'"):
        list(spacy_cardioner.annotate(["bien"], pipeline("xx"), context=True))
    [found] = spacy_cardioner.annotate([TEXTS["it"]], pipeline("xx"), context="it")
    assert [true(mention.attributes) for mention in found.mentions] == [[name] for name in TRUE]


def test_from_python_with_workers_and_a_frame(models: Path) -> None:
    pd = pytest.importorskip("pandas", reason='needs "spacy_cardioner[spark]"')
    frame = pd.DataFrame({"text": [TEXTS["es"]]})
    found = spacy_cardioner.annotate(frame, str(models / "es"), context=True, workers=1)
    assert found[TRUE].to_numpy().tolist() == [
        [True, False, False], [False, True, False], [False, False, True]
    ]  # fmt: skip


def test_a_pipeline_without_sentences_is_an_error_and_no_fault_of_the_notes() -> None:
    import spacy

    nlp = spacy.blank("es")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "ENFERMEDAD", "pattern": "tos"}])
    with pytest.raises(CardionerError, match="the pipeline sets no sentences"):
        list(spacy_cardioner.annotate(["Niega tos."], nlp, context=True))
