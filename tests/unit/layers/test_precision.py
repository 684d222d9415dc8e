"""An encoder in lower precision: nearly the same vectors, and the same weights on disk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc

from spacy_cardioner.layers import transformer as layer
from spacy_cardioner.tokenizer import blank
from tests.racing import THREADS, quick_switches
from tests.tiny_encoder import encoder_config, save_tiny_encoder

TEXT = "Alérgico a penicilina. Tratamiento: bisoprolol 2,5 mg y apixabán 5 mg cada 12 h.\n"
WINDOWS = {"@span_getters": "spacy_cardioner.context_windows.v1", "window": 24, "context": 6}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline whose config says nothing of precision, as those trained before."""
    pytest.importorskip("spacy_transformers", reason="needs the extra trf")
    encoder = save_tiny_encoder(tmp_path_factory.mktemp("encoder"), [TEXT])
    nlp = blank("es")
    nlp.add_pipe("transformer", config=encoder_config(encoder, WINDOWS))
    nlp.initialize()
    folder = tmp_path_factory.mktemp("pipeline")
    nlp.to_disk(folder)
    config = (folder / "config.cfg").read_text().splitlines(keepends=True)
    (folder / "config.cfg").write_text("".join(x for x in config if 'precision = "' not in x))
    return folder


def load(folder: Path, precision: str = "bfloat16") -> Language:
    return spacy.load(folder, config={"components.transformer.model.precision": precision})


def vectors(nlp: Language) -> Any:
    doc: Doc = nlp(TEXT * 4)
    return doc._.trf_data.model_output.last_hidden_state


def weights(nlp: Language) -> dict[str, Any]:
    state = nlp.get_pipe("transformer").model.transformer.state_dict()  # type: ignore[attr-defined]
    return {name: tensor.numpy() for name, tensor in state.items()}


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return first.keys() == second.keys() and all(
        numpy.array_equal(first[name], second[name]) for name in first
    )


def test_vectors_are_nearly_the_same(saved: Path) -> None:
    exact, near = vectors(spacy.load(saved)), vectors(load(saved))

    error = numpy.linalg.norm(near - exact) / numpy.linalg.norm(exact)
    assert near.dtype == exact.dtype
    assert 0 < error < 0.1


def test_threads_leave_the_weights_as_they_are(saved: Path) -> None:
    nlp = load(saved)

    with quick_switches(), ThreadPoolExecutor(THREADS) as threads:
        found = [*threads.map(lambda _: vectors(nlp), range(2 * THREADS))]

    assert all(numpy.array_equal(each, vectors(nlp)) for each in found)
    assert same(weights(nlp), weights(spacy.load(saved)))


def test_weights_are_saved_as_they_are(saved: Path, tmp_path: Path) -> None:
    nlp = load(saved)
    near = vectors(nlp)

    nlp.to_disk(tmp_path)

    assert same(weights(nlp), weights(spacy.load(saved)))
    assert same(weights(spacy.load(tmp_path)), weights(spacy.load(saved)))
    assert numpy.array_equal(vectors(spacy.load(tmp_path)), near)
    assert numpy.array_equal(vectors(load(tmp_path, "float32")), vectors(spacy.load(saved)))


def test_copy_follows_the_weights(saved: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    nlp = load(saved)
    before = vectors(nlp)
    encoder: Any = nlp.get_pipe("transformer")
    encoder.model([nlp.make_doc(TEXT)], is_train=True)
    for parameter in encoder.model.transformer.parameters():
        parameter.data = parameter.data * 0.5  # as thinc's optimizers do
    trained = vectors(nlp)
    with torch.no_grad():
        for parameter in encoder.model.transformer.parameters():
            parameter.mul_(2)
    doubled = vectors(nlp)

    assert not numpy.allclose(before, trained, atol=0.01)
    assert numpy.allclose(before, doubled, atol=0.01)
    nlp.to_disk(tmp_path)
    assert numpy.array_equal(vectors(spacy.load(tmp_path)), doubled)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=80), st.integers(0, 500))
def test_parts_are_little_padded(lengths: list[int], padding: int) -> None:
    array = numpy.array(lengths)

    parts = [part.tolist() for part in layer._batches(array, padding)]

    assert sorted(number for part in parts for number in part) == list(range(len(lengths)))
    for part in parts:
        size = len(part) * max(array[part])
        assert len(part) == 1 or size <= layer.MAX_PIECES
        assert size - sum(array[part]) <= padding
