"""What identifies a pipeline; and what a wrong set of transformer packages gives."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.files import locked
from spacy_cardioner.loading import check_transformers, identity, save_pipeline

BRIDGE_NEEDS = (
    "transformers<4.53.3,>=3.4.0",
    "torch>=1.8.0",
    "dataclasses<1.0,>=0.6; python_version < '3.7'",
    "cupy>=5.0.0b4; extra == 'cuda'",
)
CREATE_PIPELINE = """
from spacy.lang.es import Spanish
Spanish.from_config({"nlp": {
    "lang": "es",
    "pipeline": [],
    "before_creation": {"@callbacks": "spacy_cardioner.require_transformers.v1"},
}})
"""


def install(folder: Path, name: str, version: str, *requires: str) -> None:
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {need}" for need in requires]
    (info / "METADATA").write_text("\n".join(lines))


def check(folder: Path) -> None:
    """Check with the packages of one folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(folder)])
        check_transformers()


def message(folder: Path) -> str:
    with pytest.raises(CardionerError) as caught:
        check(folder)
    return str(caught.value)


def test_nothing_installed_names_the_extra(tmp_path: Path) -> None:
    assert "spacy-transformers is not installed" in message(tmp_path)
    assert "pip install 'spacy_cardioner[trf]'" in message(tmp_path)


@pytest.mark.parametrize("version", ["4.53.2", "3.4.0", "4.50.0.dev0"])
@pytest.mark.parametrize("torch", ["2.13.0", "2.13.0+cpu", "2.14.0a0+git1234"])
def test_versions_in_range_pass(tmp_path: Path, version: str, torch: str) -> None:
    install(tmp_path, "spacy-transformers", "1.4.0", *BRIDGE_NEEDS)
    install(tmp_path, "transformers", version)
    install(tmp_path, "torch", torch)
    check(tmp_path)


@pytest.mark.parametrize("version", ["4.53.3", "5.23.0", "3.3.1"])
def test_wrong_version_names_both_versions_and_the_command(tmp_path: Path, version: str) -> None:
    install(tmp_path, "spacy-transformers", "1.4.0", *BRIDGE_NEEDS)
    install(tmp_path, "transformers", version)
    install(tmp_path, "torch", "2.13.0")
    said = message(tmp_path)
    assert "spacy-transformers 1.4.0 needs transformers<4.53.3,>=3.4.0" in said
    assert f"(installed: {version})" in said
    assert said.endswith("pip install 'transformers<4.53.3,>=3.4.0'")
    assert "torch" not in said


def test_everything_unmet_is_named_at_once(tmp_path: Path) -> None:
    install(tmp_path, "spacy-transformers", "1.4.0", *BRIDGE_NEEDS)
    install(tmp_path, "transformers", "5.0.0")
    said = message(tmp_path)
    assert "torch>=1.8.0 (installed: none)" in said
    assert said.endswith("pip install 'transformers<4.53.3,>=3.4.0' 'torch>=1.8.0'")


def test_range_is_read_from_the_installed_bridge(tmp_path: Path) -> None:
    install(tmp_path, "spacy-transformers", "9.0.0", "transformers>=6,<7")
    install(tmp_path, "transformers", "6.1.0")
    check(tmp_path)


def create_pipeline(*shadows: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, shadows))}
    return subprocess.run(
        [sys.executable, "-c", CREATE_PIPELINE], env=environment, capture_output=True, text=True
    )


needs_trf = pytest.mark.skipif(
    find_spec("spacy_transformers") is None, reason="needs the extra trf"
)


@needs_trf
def test_config_names_the_callback_and_stops_before_the_import(tmp_path: Path) -> None:
    install(tmp_path, "transformers", "9.9.9")

    stopped = create_pipeline(tmp_path)

    assert stopped.returncode != 0
    assert "CardionerError: the transformer pipelines cannot run here" in stopped.stderr
    assert "(installed: 9.9.9)" in stopped.stderr
    assert "pip install 'transformers" in stopped.stderr.splitlines()[-1]


@needs_trf
def test_config_passes_where_the_extra_is_installed() -> None:
    assert create_pipeline().returncode == 0


def tagger() -> Language:
    """A pipeline with weights, vectors in the vocabulary, rules and names."""
    nlp = spacy.blank("es")
    nlp.add_pipe("sentencizer")
    gazetteer: Any = nlp.add_pipe("cardioner_gazetteer", name="gazetteer")
    gazetteer.add_patterns([{"pattern": "bisoprolol"}])
    found: Any = nlp.add_pipe("tagger")
    found.add_label("NOUN")
    nlp.initialize()
    nlp.meta.update(name="inventada", version="1.0.0")
    return nlp


def sha256(folder: Path) -> str:
    known = identity(spacy.load(folder))
    assert (known["name"], known["version"]) == ("es_inventada", "1.0.0")
    return str(known["sha256"])


def change_a_weight(path: Path) -> None:
    """Change one bit of the weights, which are zero before training."""
    zeros = bytes(32)
    content = path.read_bytes()
    assert zeros in content
    path.write_bytes(content.replace(zeros, bytes(15) + b"\1" + bytes(16), 1))


def replace(old: str, new: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    return change


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("tagger/model", change_a_weight),
        ("gazetteer/patterns.jsonl", replace("bisoprolol", "bisoprolola")),
        ("sentencizer.json", replace('"?"', '"¿"')),
        ("config.cfg", replace("batch_size = 1000", "batch_size = 999")),
        ("meta.json", replace('"author":""', '"author":"A"')),
    ],
)
def test_each_file_of_a_pipeline_identifies_it(
    tmp_path: Path, file: str, change: Callable[[Path], None]
) -> None:
    tagger().to_disk(tmp_path)
    before = sha256(tmp_path)

    change(tmp_path / file)

    assert sha256(tmp_path) != before


def test_the_place_and_the_use_of_a_pipeline_do_not(tmp_path: Path) -> None:
    tagger().to_disk(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "other" / "es_inventada-1.0.0")
    nlp = spacy.load(tmp_path / "one")
    expected = identity(nlp)
    compiled = tmp_path / "one" / "__pycache__"
    compiled.mkdir()
    (compiled / "x.cpython-311.pyc").write_bytes(b"x")
    (tmp_path / "one" / "gazetteer" / ".patterns.jsonl.lock").write_text("process 1")
    nlp("Toma bisoprolol y nadadenadol.")

    assert identity(nlp) == expected
    assert identity(spacy.load(tmp_path / "one")) == expected
    assert identity(spacy.load(tmp_path / "other" / "es_inventada-1.0.0")) == expected
    code = (
        "import spacy, sys; from spacy_cardioner.loading import identity; "
        "print(identity(spacy.load(sys.argv[1])))"
    )
    other = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "one")],
        env=os.environ | {"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == str(expected)


def test_a_pipeline_without_a_folder_is_identified_by_its_content() -> None:
    nlp = tagger()
    before = identity(nlp)
    assert identity(nlp) == before

    gazetteer: Any = nlp.get_pipe("gazetteer")
    gazetteer.add_patterns([{"pattern": "inventol"}])

    assert identity(nlp) != before


def test_a_pipeline_replaces_another_when_it_is_complete(tmp_path: Path) -> None:
    output = tmp_path / "new" / "pipeline"
    save_pipeline(spacy.blank("en"), output)
    (output / "notes.md").write_text("of the user")
    before = {path.name: path.read_bytes() for path in output.iterdir() if path.is_file()}

    class Fails:
        def __call__(self, doc: Doc) -> Doc:
            return doc

        def to_disk(self, path: Path, **_: Any) -> None:
            raise OSError(28, "No space left on device")

    nlp = tagger()
    Language.component("fails", func=Fails())
    nlp.add_pipe("fails")
    with pytest.raises(OSError, match="No space"):
        save_pipeline(nlp, output)
    assert {path.name: path.read_bytes() for path in output.iterdir() if path.is_file()} == before
    assert [path.name for path in output.parent.iterdir()] == ["pipeline"]

    nlp.remove_pipe("fails")
    save_pipeline(nlp, output)
    assert spacy.load(output).pipe_names == nlp.pipe_names
    assert (output / "notes.md").read_text() == "of the user"
    with locked(output), pytest.raises(CardionerError, match="is writing it"):
        save_pipeline(nlp, output)
