"""The campaign of docs/experiments.md: every piece makes a pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest
from spacy.cli._util import import_code
from spacy.util import load_model_from_config

from spacy_cardioner.training.campaign import ALWAYS, read_campaign
from tests.conftest import ROOT

CAMPAIGN = read_campaign(ROOT / "configs/experiments.yml")
# What stands for itself; all else is put on top of the last of them.
WHOLE = ("ner", "crf", "softmax", "crf+vectors", "crf+vectors-gazetteer")
PARTS = sorted(
    set(CAMPAIGN.pieces) - {ALWAYS} - {part for name in WHOLE for part in name.split("+")}
)


@pytest.mark.parametrize("name", [*WHOLE, *(f"{WHOLE[-1]}+{part}" for part in PARTS)])
def test_every_piece_makes_a_pipeline(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    import_code(Path(str(CAMPAIGN.code)))
    for stage in ("stage1", "stage2"):
        config = CAMPAIGN.make_config(name, "es", stage)
        nlp = load_model_from_config(config, auto_fill=True)
        assert nlp.pipe_names[-1] == "ner"
        # spaCy takes vectors of the pipeline's own language alone.
        vectors = config["initialize"].get("vectors")
        assert vectors is None or vectors.startswith(f"runs/vectors/{nlp.lang}_")


def test_what_pieces_need_is_made() -> None:
    named = {
        path
        for part in PARTS
        for stage in ("stage1", "stage2")
        for config in [CAMPAIGN.make_config(f"{WHOLE[-1]}+{part}", "{lang}", stage)]
        for path in CAMPAIGN.inputs("{lang}", [config])
        if path.startswith("runs/") and "/cardioccc/" not in path
    }
    # Of names that may be measured with and not shipped: a user builds it, see docs/gazetteer.md.
    assert named - set(CAMPAIGN.prepare) == {"runs/gazetteer-large/{lang}.jsonl"}
