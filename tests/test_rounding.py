"""Rounded weights: small in a package, the same pipeline otherwise."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from typer.testing import CliRunner

from spacy_cardioner.cli import app
from spacy_cardioner.training.rounding import round_floats

FLOATS = st.floats(-(2.0**99), 2.0**99, width=32, allow_subnormal=False)


@given(arrays("f4", (3, 4), elements=FLOATS), st.integers(1, 23))
def test_the_relative_error_is_bounded(array: numpy.ndarray, bits: int) -> None:
    rounded = round_floats(array, bits)
    assert rounded.dtype == numpy.float32
    assert rounded.shape == array.shape
    error = numpy.abs(rounded.astype("f8") - array)
    assert (error <= numpy.abs(array.astype("f8")) * 2.0 ** -(bits + 1)).all()


@pytest.mark.parametrize(
    ("number", "bits", "expected"), [(1.3, 1, 1.5), (-1.2, 1, -1.0), (1.3, 23, 1.3)]
)
def test_known_numbers(number: float, bits: int, expected: float) -> None:
    assert round_floats(numpy.array([number], "f4"), bits)[0] == numpy.float32(expected)


def test_the_command_writes_a_pipeline_that_packs_well(tmp_path: Path) -> None:
    nlp = spacy.blank("es")
    nlp.add_pipe("ner").add_label("FARMACO")  # type: ignore[attr-defined]
    nlp.initialize()
    nlp.vocab.set_vector("bisoprolol", numpy.linspace(0.1, 1, 300, dtype="f4"))
    nlp.to_disk(tmp_path / "large")
    arguments = ["shrink", str(tmp_path / "large"), "-o", str(tmp_path / "small")]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0

    def packed(name: str, file: str) -> int:
        return len(zlib.compress((tmp_path / name / file).read_bytes()))

    assert packed("small", "ner/model") < 0.7 * packed("large", "ner/model")
    assert packed("small", "vocab/vectors") < 0.7 * packed("large", "vocab/vectors")
    small = spacy.load(tmp_path / "small")
    before, after = (numpy.asarray(each.vocab.vectors.data) for each in (nlp, small))
    numpy.testing.assert_allclose(after, before, rtol=2**-5)
    assert not numpy.array_equal(after, before)
