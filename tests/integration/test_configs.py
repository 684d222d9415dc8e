"""Every config can be checked with `spacy debug`, by the command that its head names."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.cli._util import parse_config_overrides
from spacy.cli.debug_config import debug_config
from spacy.cli.debug_data import debug_data
from spacy.training.initialize import init_nlp
from spacy.util import load_config

from spacy_cardioner.corpus import convert, write_docbin
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.pipeline import LABELS
from spacy_cardioner.tokenizer import blank
from spacy_cardioner.training.schedules import warmup_linear_epochs
from spacy_cardioner.training.vectors import train_vectors
from tests.conftest import ROOT
from tests.tiny_encoder import save_tiny_encoder

# A language model is not trained: test_llm.py assembles the pipeline that asks one.
CONFIGS = sorted({*ROOT.glob("configs/*.cfg")} - {ROOT / "configs/llm.cfg"})
SAMPLE = ROOT / "assets/sample"
ENCODER = "components.transformer.model.name"


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the commands name, except for pipelines. spaCy wants 100 documents at least."""
    folder = tmp_path_factory.mktemp("parts")
    tracks = ("track1/distemist_train/brat", "track2/drugtemist_train/es/brat")
    docs = sorted(convert([SAMPLE / track for track in tracks], blank("es")), key=len)[:5]
    (folder / "CORPUS").mkdir()
    write_docbin(folder / "CORPUS/docs.spacy", docs)
    for name in ("TRAIN", "DEV"):
        write_docbin(folder / f"{name}.spacy", docs * 20)
    pattern = {"label": "FARMACO", "pattern": "bisoprolol", "id": "C07AB07"}
    srsly.write_jsonl(folder / "GAZETTEER", [pattern])
    texts = folder / "texts.txt"
    texts.write_text("\n".join(doc.text for doc in docs), encoding="utf-8")
    nlp = blank("es")
    train_vectors(nlp, [doc.text for doc in docs], dim=8, buckets=50, epochs=1)
    nlp.to_disk(folder / "VECTORS")
    return {path.name.removesuffix(".spacy"): str(path) for path in folder.iterdir()}


def saved(config: str, folder: Path, overrides: dict[str, str]) -> str:
    """Save the pipeline of a config as it is before it is trained."""
    init_nlp(load_config(ROOT / "configs" / config, overrides=overrides)).to_disk(folder)
    return str(folder)


@pytest.fixture(scope="module")
def cpu(tmp_path_factory: pytest.TempPathFactory, parts: dict[str, str]) -> str:
    paths = {f"paths.{name.lower()}": parts[name] for name in ("GAZETTEER", "TRAIN", "DEV")}
    paths |= {"nlp.lang": "es", "paths.vectors": parts["VECTORS"]}
    return saved("cpu.cfg", tmp_path_factory.mktemp("cpu"), paths)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory, parts: dict[str, str]) -> str:
    pytest.importorskip("spacy_transformers", reason='needs "spacy_cardioner[trf]"')
    texts = Path(parts["texts.txt"]).read_text(encoding="utf-8").split("\n")
    return str(save_tiny_encoder(tmp_path_factory.mktemp("encoder"), texts))


@pytest.fixture(scope="module")
def trf(tmp_path_factory: pytest.TempPathFactory, parts: dict[str, str], encoder: str) -> str:
    paths = {f"paths.{name.lower()}": parts[name] for name in ("GAZETTEER", "TRAIN", "DEV")}
    return saved("es_trf.cfg", tmp_path_factory.mktemp("trf"), {**paths, ENCODER: encoder})


def check_command(config: Path) -> list[str]:
    """The words of the command in the comment at the head of a config."""
    head = config.read_text(encoding="utf-8").partition("\n[")[0].replace("\\\n#", " ")
    (command,) = re.findall(r"# Check: +spacy debug data (.*)", head)
    return shlex.split(command)


@pytest.mark.parametrize("config", CONFIGS, ids=[path.name for path in CONFIGS])
def test_a_config_can_be_checked_as_it_lies(
    config: Path,
    parts: dict[str, str],
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, *options = check_command(config)
    assert path == f"configs/{config.name}"
    known = dict(parts)
    pipelines = {"stage2_cpu.cfg": "cpu", "assemble.cfg": "cpu", "stage2_trf.cfg": "trf"}
    if {"STAGE1", "TRAINED"}.intersection(options):
        pipeline = request.getfixturevalue(pipelines.get(config.name, "trf"))
        known |= {"STAGE1": pipeline, "TRAINED": pipeline}
    if config.name[2:] == "_trf.cfg":
        options += [f"--{ENCODER}", request.getfixturevalue("encoder")]
    options = ["es" if word == "en" else known.get(word, word) for word in options]
    overrides = parse_config_overrides(options)
    debug_config(config, overrides=overrides)
    assert "Config is valid" in capsys.readouterr().out
    debug_data(config, config_overrides=overrides, silent=False)
    printed = capsys.readouterr().out
    assert "Pipeline can be initialized with data" in printed
    assert "Corpus is loadable" in printed


def test_spacy_explains_the_labels(cpu: str) -> None:
    nlp = spacy.load(cpu)
    assert set(nlp.get_pipe("ner").labels) <= set(LABELS)  # type: ignore[attr-defined]
    for label, meaning in LABELS.items():
        assert spacy.explain(label) == meaning


def test_an_optimizer_whose_variables_have_no_values_is_created_but_not_used() -> None:
    rates = warmup_linear_epochs(1e-5, 0.1, "${training.max_epochs}", Path("x"), 100)
    assert next(rates) == 0
    with pytest.raises(CardionerError, match="give the optimizer of the interpolated config"):
        next(rates)
