"""Recipes: what a file says, and that every recipe of configs/ makes pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import srsly
from spacy.util import load_model_from_config

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.training.recipe import ALWAYS, Recipe, Stage, read_recipe
from tests.conftest import ROOT

EXPERIMENTS = read_recipe(ROOT / "configs/experiments.yml")
# Experiments that stand for themselves; other pieces are added to the last.
WHOLE = ("ner", "crf", "softmax", "crf+vectors", "crf+vectors-gazetteer")
PARTS = sorted(
    set(EXPERIMENTS.pieces) - {ALWAYS} - {part for name in WHOLE for part in name.split("+")}
)
BASELINE = str(ROOT / "configs/baseline.cfg")


def recipe(**pieces: Any) -> Recipe:
    stages = [Stage(["temist"], BASELINE), Stage(["cardioccc"])]
    return Recipe(stages, seeds=[1], pieces=pieces)


@pytest.mark.parametrize("name", [*WHOLE, *(f"{WHOLE[-1]}+{part}" for part in PARTS)])
def test_every_piece_makes_a_pipeline(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for stage in (0, 1):
        config = EXPERIMENTS.experiment(name).config(stage, "es")
        config["paths"]["gazetteer"] = "drugs.jsonl"
        nlp = load_model_from_config(config, auto_fill=True)
        assert nlp.pipe_names[-1] == "ner"
        assert config["training"]["max_epochs"] == (3, 5)[stage]


@pytest.mark.parametrize("name", ["single", "members", "one-stage"])
@pytest.mark.parametrize("lang", ["es", "en", "it", "xx"])
def test_the_configs_of_every_recipe_exist(
    name: str, lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    for family in ("cpu", "trf"):
        read = read_recipe(ROOT / f"configs/{name}.yml", family)
        for stage in range(len(read.stages)):
            config = read.config(stage, lang)
            assert config["nlp"]["lang"] == lang
            assert ("stage1" in config["paths"]) == (stage > 0)


def test_later_settings_replace_earlier_ones() -> None:
    settings = {
        "always": {"training.max_epochs": 1, "stage1": {"training.max_epochs": 2}},
        "wide": {"components.tok2vec.model": {"@architectures": "none for {lang}"}},
        "long": {"stage2": {"training.max_epochs": 8}},
    }
    made = recipe(**settings).experiment("wide+long")
    first, second = (made.config(stage, "en") for stage in (0, 1))
    assert first["components"]["tok2vec"]["model"] == {"@architectures": "none for en"}
    assert (first["training"]["max_epochs"], second["training"]["max_epochs"]) == (2, 8)
    changed = made.with_settings({"training.max_epochs": 3})
    assert [changed.config(stage, "en")["training"]["max_epochs"] for stage in (0, 1)] == [3, 3]


def test_faulty_settings_are_named() -> None:
    made = recipe(typo={"trainig.max_epochs": 1}, deep={"nlp.lang.x": 1})
    with pytest.raises(CardionerError, match="no piece is called 'vectors'; .*: deep, typo"):
        made.experiment("typo+vectors")
    with pytest.raises(CardionerError, match="trainig.max_epochs: the config has no section"):
        made.experiment("typo").config(0, "en")
    with pytest.raises(CardionerError, match="nlp.lang.x: 'lang' is a setting, not a section"):
        made.experiment("deep").config(0, "en")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"seeds": [1]}, "'stages'"),
        ({"seeds": [1], "stages": {"trf": []}}, "'cpu'"),
        ({"seeds": [], "stages": {"cpu": [{"config": "a", "parts": ["temist"]}]}}, "one seed"),
        ({"seeds": [1], "stages": {"cpu": [{"parts": ["temist"]}]}}, "first stage with a config"),
        ({"seeds": [1], "stages": {"cpu": [{"config": "a", "parts": ["x"]}]}}, "no part 'x'"),
        ({"seeds": [1], "stages": {"cpu": [{"cfg": "a"}]}}, "perhaps 'config'"),
        ([], "not a recipe"),
    ],
)
def test_faulty_files_are_named(data: Any, reason: str, tmp_path: Path) -> None:
    srsly.write_yaml(tmp_path / "bad.yml", data)
    with pytest.raises(CardionerError, match="bad.yml: ") as raised:
        read_recipe(tmp_path / "bad.yml")
    assert reason in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CardionerError, match="missing.yml: not a recipe"):
        read_recipe(tmp_path / "missing.yml")
