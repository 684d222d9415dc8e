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

from spacy_cardioner.assembly.rounding import round_floats
from spacy_cardioner.cli import app

FLOATS = st.floats(-(2.0**60), 2.0**60, width=32, allow_subnormal=False)


@given(arrays("f4", (3, 4), elements=FLOATS), st.integers(1, 12))
def test_the_error_is_bounded(array: numpy.ndarray, bits: int) -> None:
    rounded = round_floats(array, bits)
    assert rounded.dtype == numpy.float32
    assert rounded.shape == array.shape
    error = numpy.abs(rounded.astype("f8") - array)
    # A number far from the others has its own last digit as error.
    digit = numpy.abs(array.astype("f8")) * 2.0**-23
    assert (error <= array.std(dtype="f8") * 2.0 ** -(bits + 1) + digit).all()


@pytest.mark.parametrize(
    ("bits", "expected"), [(0, [-1.0, 0.0, 0.5, 1.0]), (3, [-1.0, -0.1875, 0.5, 1.0])]
)
def test_known_numbers(bits: int, expected: list[float]) -> None:
    # The deviation is 0.75, the power of two below it 0.5: the steps are 0.5 and 0.0625.
    numbers = numpy.array([-1.0, -0.2, 0.5, 1.0], "f4")
    assert round_floats(numbers, bits).tolist() == expected


def test_numbers_that_are_all_the_same_stay() -> None:
    numbers = numpy.full(5, 0.3, "f4")
    assert round_floats(numbers, 1).tolist() == numbers.tolist()


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
    numpy.testing.assert_allclose(after, before, atol=before.std() * 2**-4)
    assert not numpy.array_equal(after, before)
