"""Recipes: which configs are trained, in which order, on which parts of the corpus.

A recipe is a YAML file such as ``configs/members.yml``. Its `seeds` are trained separately and
stacked. A stage starts from the pipeline of the stage before, which its config names as
``paths.stage1``; without a config, it continues with the config of the stage before. In the path of
a config, ``{lang}`` stands for the language. Cross-validation trains the `folds`, or all.

A file of experiments, such as ``configs/experiments.yml``, is a recipe with named *pieces*. Each is
a few settings of the configs; those under "stage1" and "stage2" hold for that stage. An experiment
is some pieces joined by "+". The settings of "always" come first, and later settings replace
earlier ones; a value replaces the whole section of that name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import srsly
from thinc.api import Config

from spacy_cardioner.errors import CardionerError, reason
from spacy_cardioner.layout import PARTS

ALWAYS = "always"
# Raw texts that another pipeline annotated, its teacher.
SILVER = "silver"


@dataclass(frozen=True)
class Stage:
    """One training.

    parts (Sequence[str]): Parts of the corpus to train on, see `layout.PARTS`, and "silver".
    config (str | None): Path of the config, or None for that of the stage before.
    """

    parts: Sequence[str]
    config: str | None = None


@dataclass(frozen=True)
class Recipe:
    """What to train. The module's docstring describes the fields of the file.

    settings (Sequence[Mapping[str, Any]]): Settings of the configs by dotted name, later ones
        replacing earlier ones.
    """

    stages: Sequence[Stage]
    seeds: Sequence[int]
    folds: Sequence[int] | None = None
    pieces: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    settings: Sequence[Mapping[str, Any]] = ()

    def with_settings(self, settings: Mapping[str, Any]) -> Recipe:
        """The recipe with further settings in all configs."""
        return replace(self, settings=[*self.settings, settings])

    def without(self, part: str) -> Recipe:
        """The recipe without a part, and without the stages that train on nothing else."""
        stages = [replace(s, parts=[p for p in s.parts if p != part]) for s in self.stages]
        return replace(self, stages=[stage for stage in stages if stage.parts])

    def experiment(self, name: str) -> Recipe:
        """The recipe with the settings of an experiment: pieces joined by "+".

        RAISES (CardionerError): There is no such piece.
        """
        names = name.split("+")
        if unknown := [piece for piece in names if piece not in self.pieces]:
            known = ", ".join(sorted(set(self.pieces) - {ALWAYS}))
            raise CardionerError(f"no piece is called '{unknown[0]}'; the pieces are: {known}")
        chosen = [self.pieces.get(piece) or {} for piece in (ALWAYS, *names)]
        return replace(self, settings=[*self.settings, *chosen])

    def config(self, stage: int, lang: str) -> Config:
        """The training config of a stage, counted from 0, without the paths of the data.

        RAISES (CardionerError): A setting is in no section of the config.
        """
        path = next(s.config for s in reversed(self.stages[: stage + 1]) if s.config)
        config = Config().from_disk(Path(path.replace("{lang}", lang)), interpolate=False)
        config["nlp"]["lang"] = lang
        for settings in self.settings:
            for key, value in {**settings, **settings.get(f"stage{stage + 1}", {})}.items():
                if not key.startswith("stage"):
                    _put(config, key, json.loads(json.dumps(value).replace("{lang}", lang)))
        return config


def read_recipe(path: Path, family: str = "cpu") -> Recipe:
    """Read a recipe with the stages of a family, "cpu" or "trf".

    RAISES (CardionerError): The file is missing, is not YAML, or lacks an entry.
    """
    try:
        data: dict[str, Any] = srsly.read_yaml(path)
        stages = [Stage(**stage) for stage in data.pop("stages")[family]]
        recipe = Recipe(stages, **data)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CardionerError(
            f"{path}: not a recipe: needs 'seeds', and under 'stages' a list for '{family}' of "
            f"stages, each with 'parts' and perhaps 'config' ({reason(error)})"
        ) from error
    if not recipe.seeds or not stages or not stages[0].config:
        raise CardionerError(f"{path}: needs at least one seed, and a first stage with a config")
    parts = (*PARTS, SILVER)
    if unknown := {part for stage in stages for part in stage.parts} - set(parts):
        raise CardionerError(f"{path}: no part '{unknown.pop()}'; the parts are {', '.join(parts)}")
    return recipe


def _put(config: Config, key: str, value: Any) -> None:
    """Set a setting or a section by its dotted name. Missing subsections are created."""
    *sections, last = key.split(".")
    if not sections or sections[0] not in config:
        raise CardionerError(f"{key}: the config has no section '{key.partition('.')[0]}'")
    target: dict[str, Any] = config
    for section in sections:
        target = target.setdefault(section, {})
        if not isinstance(target, dict):
            raise CardionerError(f"{key}: '{section}' is a setting, not a section")
    target[last] = value
