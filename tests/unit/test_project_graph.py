"""The dependency graph of project.yml: who writes what, and who reads it."""

from __future__ import annotations

import os
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import srsly
from weasel.util.config import load_project_config

from tests.conftest import ROOT

USERS = ("corpus", "rawtext", "card")
SIZE = 15_000


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The project with all variables filled in; the user's inputs have recognisable paths."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "project.yml").write_text((ROOT / "project.yml").read_text())
    overrides = {f"vars.{name}": f"user/{name}" for name in USERS}
    return load_project_config(folder, overrides=overrides)


def paths_in(command: dict[str, Any]) -> Iterator[str]:
    """The paths that the script of a command names."""
    for line in command["script"]:
        for word in shlex.split(line)[3:]:
            value = word.partition("=")[2] if re.match(r"(--|own=)", word) else word
            if "/" in value and " " not in value:
                yield value


def within(path: str, folders: list[str]) -> bool:
    """Whether a path is one of the paths, lies in one of them, or holds one of them."""
    return any(
        os.path.commonpath([path, folder]) in (os.path.normpath(path), os.path.normpath(folder))
        for folder in folders
    )


def test_the_project_is_small() -> None:
    assert (ROOT / "project.yml").stat().st_size < SIZE


def test_no_two_commands_share_an_output(project: dict[str, Any]) -> None:
    outputs = Counter(out for command in project["commands"] for out in command.get("outputs", ()))
    assert [out for out, count in outputs.items() if count > 1] == []
    nested = [
        (one, other)
        for one in outputs
        for other in outputs
        if one != other and Path(one) in Path(other).parents
    ]
    assert nested == []


def test_every_path_that_is_read_is_declared(project: dict[str, Any]) -> None:
    for command in project["commands"]:
        declared = [*command.get("deps", ()), *command.get("outputs", ())]
        undeclared = [
            path
            for path in paths_in(command)
            if not within(path, declared) and not path.startswith("user/")
        ]
        if "project run" in " ".join(command["script"]) or command["name"] in ("experiment",):
            # A project that is called declares its own paths; results of experiments are read by
            # people only.
            undeclared = [p for p in undeclared if not p.startswith("runs/")]
        assert undeclared == [], command["name"]


def test_every_dependency_is_made_or_given(project: dict[str, Any]) -> None:
    made = [out for command in project["commands"] for out in command.get("outputs", ())]
    for command in project["commands"]:
        for path in command.get("deps", ()):
            given = path.startswith("user/") or (ROOT / path).exists()
            nested = path.startswith("runs/members/xx/")  # made by `release-xx`, which runs `build`
            assert given or nested or within(path, made), (command["name"], path)


@pytest.mark.parametrize("lang", ["es", "xx"])
@pytest.mark.parametrize("recipe", ["single", "members"])
def test_recipes_and_languages_do_not_share_folders(
    lang: str, recipe: str, tmp_path: Path, project: dict[str, Any]
) -> None:
    (tmp_path / "project.yml").write_text((ROOT / "project.yml").read_text())
    changed = load_project_config(
        tmp_path, overrides={"vars.lang": lang, "vars.recipe": recipe, "vars.family": "trf"}
    )
    for default, other in zip(project["commands"], changed["commands"], strict=True):
        same = set(default.get("outputs", ())) & set(other.get("outputs", ()))
        own = {out for out in same if out.startswith("runs/single/")}
        assert not own or (lang, recipe) == ("es", "single")


def test_workflows_name_commands_that_explain_themselves() -> None:
    project = srsly.read_yaml(ROOT / "project.yml")
    commands = {command["name"]: command for command in project["commands"]}
    assert set(project["workflows"]) >= {"all", "demo", "pipeline", "release"}
    for workflow in project["workflows"].values():
        assert set(workflow) <= set(commands)
    assert all(command["help"] for command in commands.values())
    assert len(commands) <= 20
