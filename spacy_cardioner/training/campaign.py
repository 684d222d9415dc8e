"""A file of experiments: where the data is, and variants of a training config by name.

The file (YAML) names *pieces*, each a few settings of a training config:

    languages: [es, en]
    seeds: [1, 2, 3]
    config: configs/{lang}_cpu.cfg
    corpus: runs/corpus/{lang}/{part}/{source}.spacy
    sources: {xx: [es, en, it]}
    folds: runs/folds.json
    code: benchmarks/tried.py
    prepare:
      runs/vectors/{lang}: cardioner pretrain vectors --lang {lang} --texts TEXTS -o {path}
    gold:
      es: {ENFERMEDAD: "${MULTICARDIONER_DIR}/track1/cardioccc_dev/brat"}
    pieces:
      always:
        nlp.lang: "{lang}"
        stage1: {training.max_epochs: 3}
        stage2: {training.max_epochs: 5}
      crf: {components.ner.model.decoder: crf}

An experiment is some pieces joined by "+", as in "crf+vectors". Its config is the base config with
the settings of the piece "always" and of its own pieces, later ones winning; a value replaces the
whole section of that name. Settings under "stage1" and "stage2" hold for that stage alone. A piece
with the entry ``runs: 3`` has three second stages with other seeds, whose weights are averaged.

`code`, which may be left out, is a Python file with registered functions that settings name.
`prepare`, which may be left out too, says how what an experiment needs is made where it is not
there: a path that settings or later entries name, and a command, as in a project.yml. Of two
entries for one path the last counts.

A pipeline learns from the corpora of its language, or of the languages that `sources` gives it, and
is scored on each of them.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import srsly
from thinc.api import Config
from weasel.cli.run import run_commands

from spacy_cardioner.errors import CardionerError

STAGE1, STAGE2 = "temist", "cardioccc"
ALWAYS = "always"
RUNS = "runs"


@dataclass(frozen=True)
class Campaign:
    """What a file of experiments says. The module's description explains each entry."""

    languages: Sequence[str]
    seeds: Sequence[int]
    config: str
    corpus: str
    folds: str
    gold: Mapping[str, Mapping[str, str]]
    pieces: Mapping[str, Mapping[str, Any]]
    sources: Mapping[str, Sequence[str]] = field(default_factory=dict)
    code: str | None = None
    prepare: Mapping[str, str] = field(default_factory=dict)

    def part(self, lang: str, part: str) -> dict[str, Path]:
        """The DocBins of a part of the corpus for a pipeline's language, by their own languages."""
        pattern = _expanded(self.corpus).replace("{lang}", lang).replace("{part}", part)
        sources = self.sources.get(lang, [lang])
        return {source: Path(pattern.replace("{source}", source)) for source in sources}

    def tasks(self, lang: str) -> dict[str, tuple[str, str, Path]]:
        """What a pipeline is scored on, by its name: language, label and gold folder."""
        return {
            f"{label} {source}": (source, label, Path(_expanded(gold)))
            for source in self.part(lang, STAGE2)
            for label, gold in self.gold[source].items()
        }

    def make_config(self, name: str, lang: str, stage: str) -> Config:
        """The training config of an experiment, without the paths of the data.

        name (str): The experiment: pieces joined by "+".
        lang (str): The language, also put in place of ``{lang}`` in settings.
        stage (str): "stage1" or "stage2".
        RAISES (CardionerError): There is no piece of such a name, or no section that it sets.
        """
        config = Config().from_disk(self.config.format(lang=lang), interpolate=False)
        own = name.split("+")
        if unknown := [piece for piece in own if piece not in self.pieces]:
            known = ", ".join(sorted(set(self.pieces) - {ALWAYS}))
            raise CardionerError(f"there is no piece '{unknown[0]}' of experiments; known: {known}")
        sections = {*config, "pretraining"}
        for piece in (ALWAYS, *own):
            found = self.pieces.get(piece) or {}
            for key, value in {**found, **(found.get(stage) or {})}.items():
                if key in (RUNS, "stage1", "stage2"):
                    continue
                if key.partition(".")[0] not in sections:
                    raise CardionerError(f"the piece '{piece}' sets {key}; no section is called so")
                _put(config, key, _formatted(value, lang))
        return config

    def runs(self, name: str) -> int:
        """How many second stages of an experiment are averaged."""
        found = [(self.pieces[piece] or {}).get(RUNS) for piece in name.split("+")]
        return max(filter(None, found), default=1)

    def inputs(self, lang: str, configs: Iterable[Config]) -> set[str]:
        """What an experiment in a language may read: paths, and all other texts in its configs."""
        corpora = [*self.part(lang, STAGE1).values(), *self.part(lang, STAGE2).values()]
        return {self.folds, self.code or self.folds, *map(str, corpora), *_strings(list(configs))}


def read_campaign(path: Path) -> Campaign:
    """Read a file of experiments.

    RAISES (CardionerError): The file is missing, no YAML, or lacks an entry.
    """
    try:
        campaign = Campaign(**srsly.read_yaml(path))
    except (OSError, ValueError, TypeError) as error:
        reason = str(error).replace("Campaign.__init__() ", "")
        raise CardionerError(f"{path}: not a file of experiments ({reason})") from error
    if isinstance(campaign.languages, str) or isinstance(campaign.seeds, int):
        raise CardionerError(f"{path}: languages and seeds are lists, as in [es, en]")
    return campaign


def prepare(campaign: Campaign, names: Sequence[str]) -> None:
    """Make the files and folders that experiments need and that are not there yet.

    campaign (Campaign): The data and the pieces.
    names (Sequence[str]): The experiments.
    RAISES (CardionerError): A command failed, or an environment variable that one needs is not set.
    """
    for lang in campaign.languages:
        configs = [campaign.make_config(n, lang, s) for n in names for s in ("stage1", "stage2")]
        named = campaign.inputs(lang, configs)
        commands = []
        for pattern, template in reversed(list(campaign.prepare.items())):
            path = pattern.replace("{lang}", lang)
            if path in named and not Path(path).exists():
                command = template.replace("{lang}", lang).replace("{path}", path)
                named = (named | set(shlex.split(command))) - {path}
                commands.append(_expanded(command))
        for command in commands[::-1]:
            try:
                run_commands([command])
            except SystemExit as error:
                raise CardionerError(
                    f"a command that experiments need failed ({error}): {command}"
                ) from error


def _expanded(text: str) -> str:
    """A path or command with the values of its environment variables."""
    text = os.path.expandvars(text)
    if unset := re.search(r"\$\{?([A-Za-z_]\w*)", text):
        raise CardionerError(f"the environment variable {unset[1]} is not set; needed for: {text}")
    return text


def _put(config: Config, key: str, value: Any) -> None:
    """Set a section or a setting by its dotted name; sections on the way are made."""
    *sections, last = key.split(".")
    target: dict[str, Any] = config
    for section in sections:
        target = target.setdefault(section, {})
        if not isinstance(target, dict):
            raise CardionerError(f"an experiment sets {key}; but {section} is no section")
    target[last] = value


def _formatted(value: Any, lang: str) -> Any:
    """A copy of a setting in which ``{lang}`` is the language."""
    return json.loads(json.dumps(value).replace("{lang}", lang))


def _strings(value: Any) -> Iterator[str]:
    """All texts in a nested setting."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(each)
