"""The trained pipelines of assets/pipelines, installed apart from the environment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT

WHEELS = ROOT / "assets/pipelines"
RunPython = Callable[[str], str]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all wheels installed."""
    folder = tmp_path_factory.mktemp("installed")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    listed = ["--requirement", WHEELS / "requirements.txt"]
    subprocess.run([*install, "--target", folder, *listed], check=True)
    return folder


@pytest.fixture
def run_python(installed: Path, tmp_path: Path) -> RunPython:
    """Runs code that can load the installed pipelines, in a process and a folder of its own."""

    def run(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(installed)!r})\n{code}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
