"""The container file: what it copies is there, and its commands do what they are for."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

Instruction = tuple[str, str]


def stages() -> list[list[Instruction]]:
    """The instructions of each stage: their names and what follows."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Containerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    found: list[list[Instruction]] = []
    for line in filter(None, lines):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append([])
        found[-1].append((name, rest.strip()))
    return found


def of(stage: list[Instruction], wanted: str) -> list[str]:
    return [rest for name, rest in stage if name == wanted]


def test_the_image_is_small_and_its_user_is_not_root() -> None:
    build, final = stages()
    assert {name for stage in (build, final) for name, _ in stage} <= {
        *("ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "RUN"),
        *("STOPSIGNAL", "USER", "WORKDIR"),
    }
    assert all(of(stage, "FROM")[0].split()[0].endswith("-slim") for stage in (build, final))
    names = [name for name, _ in final]
    assert int(of(final, "USER")[0]) > 0
    assert names.index("USER") > names.index("RUN")
    assert names.index("ENTRYPOINT") > names.index("USER")
    # Only the first stage needs a network, and only one folder of it is kept.
    assert not re.search(r"pip|curl|wget|apt", " ".join(of(final, "RUN")))
    assert of(final, "COPY") == ["--from=build /opt/cardioner /opt/cardioner"]


def test_what_is_copied_is_there_and_the_shell_understands_what_runs() -> None:
    build, final = stages()
    sources = [copied.split()[0] for copied in of(build, "COPY")]
    assert sources == ["dist/*.whl", "assets/pipelines/*.whl"]
    assert list(ROOT.glob(sources[1]))
    (default,) = (value.partition("=")[2] for value in of(build, "ARG"))
    assert list((ROOT / "assets/pipelines").glob(f"{default}-*.whl"))
    for command in (*of(build, "RUN"), *of(final, "RUN")):
        subprocess.run(["sh", "-n", "-c", command], check=True)


@pytest.mark.slow
def test_the_commands_make_an_environment_that_serves(tmp_path: Path) -> None:
    """All but the download of other packages: those of this environment are used."""
    pytest.importorskip("fastapi", reason='needs "spacy_cardioner[serve]"')
    build, final = stages()
    root = tmp_path / "root"
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns(".*", "runs", "assets", "__pycache__", "*.egg-info", "build")
    shutil.copytree(ROOT, source, ignore=ignored)
    subprocess.run([*wheel, "--wheel-dir", source / "dist", source], check=True)
    place = root / "build/wheels"
    place.mkdir(parents=True)
    for pattern in (source / "dist/*.whl", ROOT / "assets/pipelines/*.whl"):
        for path in pattern.parent.glob(pattern.name):
            shutil.copy(path, place)
    env = {**os.environ, "PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIPELINE": "es_cardioner"}
    env.pop("PYTHONPATH", None)
    for command in of(build, "RUN"):
        command = command.replace("/opt/", f"{root}/opt/").replace(
            "python -m", f"{sys.executable} -m"
        )
        subprocess.run(["sh", "-ec", command], check=True, cwd=root / "build", env=env)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    shell = {
        name: value.replace("/opt/", f"{root}/opt/").replace("$PATH", os.environ["PATH"])
        for name, value in (pair.split("=", 1) for pair in of(final, "ENV")[0].split())
    }
    others = [sysconfig.get_paths()["purelib"], *filter(None, [os.environ.get("EXTRA_PATH")])]
    env = {**os.environ, **shell, "PYTHONPATH": os.pathsep.join(others)}
    start = json.loads(of(final, "ENTRYPOINT")[0]) + json.loads(of(final, "CMD")[0])
    start = [word.replace("8000", port) for word in start]
    start[0] = str(root / "opt/cardioner/bin" / start[0])
    check = json.loads(of(final, "HEALTHCHECK")[0].partition("CMD ")[2])
    check = [sys.executable, *(word.replace("8000", port) for word in check[1:])]
    with subprocess.Popen(start, env=env, cwd=tmp_path) as process:
        try:
            end = time.monotonic() + 120
            while subprocess.run(check, capture_output=True).returncode:
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.5)
        finally:
            process.terminate()
    assert process.returncode == 0
