"""Threads that share a pipeline get the answers of one thread, from the first call on."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.racing import THREADS

STARTS = 100


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each start is a fork")
def test_a_cold_pipeline_gives_all_threads_the_answers_of_one() -> None:
    command = [sys.executable, "-m", "tests.cold_starts", str(STARTS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert "fibrilación auricular" in found["expected"]
    assert "C07AB07" in found["expected"]
    assert "[(0, 3)])" in found["expected"]  # gated
    assert found["answers"] == STARTS * (THREADS + 1)
    assert found["wrong"] == []
