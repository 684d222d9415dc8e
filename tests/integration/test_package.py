"""The installed package: what it imports, what it advertises, what its wheel carries."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from importlib.metadata import EntryPoint, distribution
from pathlib import Path

import pytest
import spacy
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from spacy.util import registry

import spacy_cardioner
from spacy_cardioner.assembly.card import deliver
from spacy_cardioner.files import checksum

PACKAGE = Path(spacy_cardioner.__file__).parent
ROOT = PACKAGE.parent
CONSOLE_COMMAND = str(Path(sys.executable).with_name("cardioner"))
OPTIONAL = ("torch", "transformers", "spacy_transformers", "medspacy")
# They use classes of medspaCy, and are imported when the context component is created.
IMPORT_EVERYTHING = """
import importlib, pkgutil, spacy_cardioner
for module in pkgutil.walk_packages(spacy_cardioner.__path__, "spacy_cardioner."):
    if not module.name.endswith(("__main__", ".context.linear", ".context.conditions")):
        importlib.import_module(module.name)
"""
LOADED = f"\nimport sys; print(*sorted({set(OPTIONAL)} & set(sys.modules)))"


def run(*arguments: str) -> str:
    """Run this Python, and give back what it prints."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def advertised() -> set[tuple[str, str, str]]:
    """Group, name and target of every entry point in setup.cfg."""
    setup = configparser.ConfigParser(delimiters=["="])
    setup.optionxform = str  # type: ignore[assignment,method-assign]
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    return {
        (group, *map(str.strip, line.split("=")))
        for group, lines in setup["options.entry_points"].items()
        for line in lines.strip().splitlines()
    }


@pytest.fixture(scope="module")
def core_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every installed package but those of the extras."""
    folder = tmp_path_factory.mktemp("site-packages")
    for item in Path(spacy.__file__).parents[1].iterdir():
        if item.name.partition("-")[0] not in OPTIONAL:
            (folder / item.name).symlink_to(item)
    return folder


def run_core_only(folder: Path, code: str) -> str:
    """Run code where only the core install can be seen."""
    return run("-S", "-c", f"import sys; sys.path += {[str(folder), str(ROOT)]}\n{code}")


def test_import_brings_neither_torch_nor_medspacy() -> None:
    assert run("-c", "import spacy_cardioner" + LOADED) == ""


def test_no_module_brings_medspacy() -> None:
    assert "medspacy" not in run("-c", IMPORT_EVERYTHING + LOADED).split()


def test_every_module_imports_in_the_core_install(core_only: Path) -> None:
    run_core_only(core_only, IMPORT_EVERYTHING)


@pytest.mark.parametrize("extra", OPTIONAL)
def test_core_install_lacks_the_extras(core_only: Path, extra: str) -> None:
    look = f"from importlib.util import find_spec; print(find_spec({extra!r}))"
    assert run_core_only(core_only, look) == "None"


def test_cpu_pipeline_is_saved_loaded_and_run_in_the_core_install(
    core_only: Path, tmp_path: Path
) -> None:
    code = f"""
import spacy
from spacy_cardioner.tokenizer import blank
blank("es").to_disk({str(tmp_path)!r})
print(*spacy.load({str(tmp_path)!r})("Toma bisoprolol."), sep="|")
"""
    assert run_core_only(core_only, code) == "Toma|bisoprolol|."


def test_help_does_not_wait_for_spacy() -> None:
    code = """
import sys
sys.argv = ["cardioner", "--help"]
from spacy_cardioner.cli import main
try:
    main()
except SystemExit:
    print("spacy" in sys.modules)
"""
    assert run("-c", code).splitlines()[-1] == "False"


def test_an_interrupt_while_the_command_loads_gives_no_traceback() -> None:
    code = """
import sys
from importlib.abc import MetaPathFinder

class Interrupted(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "spacy_cardioner.cli":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
from spacy_cardioner.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("command", [["-m", "spacy_cardioner"], [CONSOLE_COMMAND]])
def test_help_and_version(command: list[str]) -> None:
    assert run(*command, "--version") == spacy_cardioner.__version__
    assert "Usage: " in run(*command, "--help")


def test_installed_entry_points_are_those_of_setup_cfg() -> None:
    installed = distribution("spacy_cardioner").entry_points
    assert {(point.group, point.name, point.value) for point in installed} == advertised()


@pytest.mark.parametrize(("group", "name", "target"), sorted(advertised()))
def test_advertised_name_resolves(group: str, name: str, target: str) -> None:
    advertised_object = EntryPoint(name, target, group).load()
    assert callable(advertised_object)
    if group == "spacy_factories":
        assert spacy.blank("xx").has_factory(name)
    elif group == "spacy_span_getters" and not hasattr(registry, "span_getters"):
        pytest.skip("spacy-transformers has this registry")
    elif group != "console_scripts":
        assert getattr(registry, group.partition("_")[2]).get(name) is advertised_object


def test_wheel_carries_every_file_of_the_package(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(PACKAGE, source / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    files = {
        path.relative_to(source).as_posix()
        for path in (source / PACKAGE.name).rglob("*")
        if path.is_file()
    }

    run("-m", "pip", "wheel", str(source), "--no-deps", "--no-build-isolation", "-w", str(tmp_path))

    (wheel,) = tmp_path.glob("spacy_cardioner-*.whl")
    packed = zipfile.ZipFile(wheel).namelist()
    assert "spacy_cardioner/py.typed" in packed
    assert any(name.endswith("/LICENSE") for name in packed)
    assert {name for name in packed if ".dist-info/" not in name} == files


def install_pipelines(folder: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """Install what `requirements.txt` of a folder lists into another folder."""
    listed = ["--no-deps", "--requirement", str(folder / "requirements.txt")]
    install = [sys.executable, "-m", "pip", "install", *listed, "--target", str(target)]
    return subprocess.run(install, capture_output=True, text=True, cwd=target.parent)


def test_a_changed_wheel_is_refused(tmp_path: Path) -> None:
    wheel = next((ROOT / "assets/pipelines").glob("es_*.whl"))
    deliver(wheel, tmp_path / "shipped")
    assert install_pipelines(tmp_path / "shipped", tmp_path / "before").returncode == 0

    with (tmp_path / "shipped" / wheel.name).open("r+b") as stream:
        stream.seek(1_000_000)
        changed = bytes([stream.read(1)[0] ^ 1])
        stream.seek(1_000_000)
        stream.write(changed)

    done = install_pipelines(tmp_path / "shipped", tmp_path / "after")
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert not (tmp_path / "after").exists()


def test_a_newer_wheel_replaces_the_older_one_in_the_list(tmp_path: Path) -> None:
    for name in ("es_cardioner-0.1.0", "en_cardioner-0.1.0", "es_cardioner-0.2.0"):
        wheel = tmp_path / f"{name}-py3-none-any.whl"
        wheel.write_bytes(name.encode())
        deliver(wheel, tmp_path / "shipped")
    lines = (tmp_path / "shipped/requirements.txt").read_text().splitlines()
    assert [line.partition(" --hash=sha256:")[0] for line in lines] == [
        "--no-index",
        "--find-links .",
        "en_cardioner==0.1.0",
        "es_cardioner==0.2.0",
    ]


def test_shipped_wheels_are_listed_and_take_the_versions_of_spacy_that_we_take() -> None:
    wheels = sorted((ROOT / "assets/pipelines").glob("*.whl"))
    lines = (ROOT / "assets/pipelines/requirements.txt").read_text().splitlines()[2:]
    assert lines == [
        f"{wheel.name.split('-')[0]}==0.1.0 --hash=sha256:{checksum(wheel)}" for wheel in wheels
    ]
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    (ours,) = re.findall(r"^spacy(.*)$", setup["options"]["install_requires"], re.MULTILINE)
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            (path,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
            needs = Parser().parsestr(archive.read(path).decode()).get_all("Requires-Dist")
            metas = [n for n in archive.namelist() if n.endswith("/meta.json")]
            versions = {json.loads(archive.read(name))["spacy_version"] for name in metas}
        assert {Requirement(n).name for n in needs} == {"spacy", "spacy_cardioner"}
        assert all(
            Requirement(n).specifier == SpecifierSet(ours)
            for n in needs
            if Requirement(n).name == "spacy"
        )
        assert {SpecifierSet(version) for version in versions} == {SpecifierSet(ours)}
