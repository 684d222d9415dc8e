"""The lists of requirements/: what setup.cfg asks for, exact, with checksums and known licences."""

from __future__ import annotations

import configparser
import re
import runpy
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement

from tests.conftest import ROOT

LISTS = ("build", "run", "test", "trf", "torch")
EXTRAS = {
    "run": ["train"],
    "test": ["train", "context", "llm", "parquet", "omop", "serve", "dev"],
    "trf": ["trf"],
}
PYTHONS = ("3.10.13", "3.11.7", "3.12.1", "3.13.0")


def entries(name: str) -> list[str]:
    """The requirements of a list, each with its checksums, on a line of its own."""
    text = (ROOT / f"requirements/{name}.txt").read_text().replace("\\\n", "")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pins(name: str, python: str) -> Iterator[Requirement]:
    """What a list installs on Linux with a version of Python."""
    environment = {
        "python_version": python.rpartition(".")[0],
        "python_full_version": python,
        "sys_platform": "linux",
        "platform_machine": "x86_64",
    }
    for entry in entries(name):
        pin = Requirement(entry.partition(" --hash")[0].strip())
        if pin.marker is None or pin.marker.evaluate(environment):
            yield pin


def wanted(extras: list[str]) -> list[Requirement]:
    """What setup.cfg asks for."""
    setup = configparser.ConfigParser(delimiters=["="])
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = setup["options"]["install_requires"]
    lines += "".join(setup["options.extras_require"][extra] for extra in extras)
    return [Requirement(line) for line in lines.splitlines() if line and line[0] != "#"]


@pytest.mark.parametrize("name", [*LISTS, "torch-cpu"])
def test_every_package_is_exact_and_has_checksums(name: str) -> None:
    for entry in entries(name):
        assert re.fullmatch(r"[a-z0-9.-]+==[^ ;]+( ;.*?)?( +--hash=sha256:[0-9a-f]{64})+", entry)


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", EXTRAS)
def test_lists_have_what_setup_cfg_asks_for(name: str, python: str) -> None:
    listed = {pin.name: pin for pin in [*pins(name, python), *pins("torch", python)]}
    for need in wanted(EXTRAS[name]):
        pin = listed[need.name.lower()]
        (exact,) = pin.specifier
        assert need.specifier.contains(exact.version), f"{pin} is not {need}: run `make lock`"


@pytest.mark.parametrize(("python", "spacy", "numpy"), [(3.11, "3.7.", "1."), (3.12, "3.8.", "2.")])
def test_each_spacy_has_its_numpy(python: float, spacy: str, numpy: str) -> None:
    for name in EXTRAS:
        listed = {pin.name: str(pin.specifier) for pin in pins(name, f"{python}.1")}
        assert listed["spacy"].startswith(f"=={spacy}")
        assert listed["numpy"].startswith(f"=={numpy}")


@pytest.mark.parametrize("python", PYTHONS)
def test_lists_agree(python: str) -> None:
    """What two lists install does not depend on their order."""
    versions: dict[str, str] = {}
    for pin in (pin for name in LISTS for pin in pins(name, python)):
        assert versions.setdefault(pin.name, str(pin.specifier)) == str(pin.specifier), pin.name


def test_the_licences_of_all_packages_are_listed() -> None:
    licences = runpy.run_path(str(ROOT / "requirements/licences.py"))
    assert list(licences["written"]()) == list(licences["listed"]()), "run `make licences`"
