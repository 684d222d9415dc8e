"""What several test files share: the project, run on the sample corpus in a folder of its own."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from weasel.cli.run import project_run

# A busy machine is no failure; and a change is judged by the same examples each time.
settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("local"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

# What the developer added to installed pipelines is no part of them here.
os.environ["CARDIONER_DATA"] = ""

ROOT = Path(__file__).parent.parent
RunProject = Callable[..., str]
# The components of the packaged pipelines.
PIPES = ["sentencizer", "gazetteer", "tok2vec", "ner", "ruler", "postprocess", "linker"]
# Pipelines that find diseases also rerank them.
RERANKED = [*PIPES[:4], "reranker", *PIPES[4:]]


@pytest.fixture(scope="session")
def project_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what `spacy project run` needs, so that tests leave no traces in the real one."""
    directory = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "project.yml", directory)
    for folder in ("assets/gazetteer", "assets/sample", "configs", "benchmarks"):
        shutil.copytree(ROOT / folder, directory / folder)
    return directory


@pytest.fixture(scope="session")
def run_project(project_dir: Path) -> RunProject:
    """Runs a command of the project on the sample corpus, briefly, and returns its output."""
    settings: dict[str, str | int] = {
        "corpus": "assets/sample",
        "rawtext": "",
        "projected": "",
        "silver": "",
        "card": "configs/card_sample.json",
        "folds": 4,
        "jobs": 2,
        "vector_dim": 16,
        "vector_buckets": 500,
        "train_options": "-s training.max_epochs=15",
    }

    def run(command: str, **changed: str | int) -> str:
        variables = {f"vars.{key}": value for key, value in {**settings, **changed}.items()}
        # What `spacy project run` calls, without a process of its own, which takes seconds.
        with contextlib.redirect_stdout(io.StringIO()) as output:
            project_run(project_dir, command, overrides=variables)
        return output.getvalue()

    return run


@pytest.fixture(scope="session")
def es_wheel(project_dir: Path, run_project: RunProject) -> Path:
    """The Spanish pipeline of the sample corpus, built by the project."""
    run_project("build")
    (wheel,) = project_dir.glob("runs/single/es/cpu/dist/*.whl")
    return wheel
