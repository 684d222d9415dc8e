"""The matrix multiplication that a config can choose."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import spacy
from thinc.api import NumpyOps, Ops, get_current_ops, set_current_ops

CALLBACK = {"@callbacks": "spacy_cardioner.use_numpy_blas.v1"}


@pytest.fixture(autouse=True)
def _ops_as_before() -> Iterator[None]:
    before = get_current_ops()
    yield
    set_current_ops(before)


def test_a_pipeline_computes_with_numpys_blas_when_its_config_says_so() -> None:
    set_current_ops(NumpyOps())
    nlp = spacy.blank("es", config={"nlp": {"before_creation": CALLBACK}})
    nlp.add_pipe("tok2vec")
    used = [node.ops for node in nlp.get_pipe("tok2vec").model.walk()]  # type: ignore[attr-defined]
    assert used
    assert not any(ops.use_blis for ops in used)


def test_other_operations_stay() -> None:
    class OtherOps(NumpyOps):
        """As those of a GPU or of Apple's library, which thinc makes by the same inheritance."""

    other: Ops = OtherOps()
    set_current_ops(other)
    spacy.blank("es", config={"nlp": {"before_creation": CALLBACK}})
    assert get_current_ops() is other
