"""Cross-validation: each document predicted once by a model that never saw it."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
from spacy.vocab import Vocab
from thinc.api import Config

from spacy_cardioner.brat import read_tsv
from spacy_cardioner.corpus import convert, read_docbin, write_docbin
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.tokenizer import blank
from spacy_cardioner.training.crossval import Experiment, cross_validate
from spacy_cardioner.training.folds import make_folds
from tests.conftest import ROOT

QUICK = {"nlp.lang": "en", "training.max_epochs": "1", "components.tok2vec.model.depth": "1"}


@pytest.fixture(scope="module")
def docbin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "en.spacy"
    folder = ROOT / "assets/sample/track2/cardioccc_dev/en/brat"
    write_docbin(path, convert([folder], blank("en")))
    return path


def names(path: Path) -> list[str]:
    return [doc.user_data["note_id"] for doc in read_docbin(path, Vocab())]


def test_folds_are_trained_apart_pooled_and_kept(docbin: Path, tmp_path: Path) -> None:
    folds = make_folds(names(docbin), 2)
    experiment = Experiment(ROOT / "configs/baseline_cpu.cfg", [docbin], overrides=QUICK)
    told: list[str] = []

    cross_validate(experiment, folds, tmp_path, chosen=[1], report=told.append)

    assert names(tmp_path / "fold-1/dev.spacy") == folds[1]
    assert names(tmp_path / "fold-1/train.spacy") == folds[0]
    assert (tmp_path / "documents.txt").read_text().split() == folds[1]
    assert not (tmp_path / "fold-0").exists()
    # A finished fold is not trained again: what stands there is taken as it is.
    row = f"{folds[1][0]}\tFARMACO\t0\t3\tabc\n"
    (tmp_path / "fold-1/en.tsv").write_text("filename\tlabel\tstart_span\tend_span\ttext\n" + row)
    cross_validate(experiment, folds, tmp_path, jobs=2, report=told.append)
    assert row in (tmp_path / "en.tsv").read_text()
    assert set(read_tsv(tmp_path / "en.tsv")) <= {name for fold in folds for name in fold}
    assert len(told) == 3

    other = Experiment(experiment.config, [docbin], overrides={**QUICK, "system.seed": "7"})
    with pytest.raises(CardionerError, match="holds results of other"):
        cross_validate(other, folds, tmp_path)


def test_a_fold_is_trained_with_each_seed(docbin: Path, tmp_path: Path) -> None:
    folds = make_folds(names(docbin), 2)
    config = Config().from_disk(ROOT / "configs/en_cpu.cfg", interpolate=False)
    config["initialize"] = {}
    model = config["components"]["tok2vec"]["model"]
    model["embed"]["tok2vec"]["tok2vec"]["include_static_vectors"] = False
    model["encode"]["depth"] = 1
    config.to_disk(tmp_path / "config.cfg")
    overrides = {"training.max_epochs": "1", "training.optimizer.learn_rate": "0.00{seed}"}
    experiment = Experiment(tmp_path / "config.cfg", [docbin], overrides=overrides, seeds=[4, 7])

    cross_validate(experiment, folds, tmp_path / "cv", chosen=[0])

    members = [spacy.load(tmp_path / f"cv/fold-0/seed-{seed}/model-last") for seed in (4, 7)]
    assert [nlp.config["system"]["seed"] for nlp in members] == [4, 7]
    assert [nlp.config["training"]["optimizer"]["learn_rate"] for nlp in members] == [0.004, 0.007]
    together = spacy.load(tmp_path / "cv/fold-0/model-last")
    assert together.config["components"]["tok2vec"]["model"]["count"] == 2
    other = Experiment(tmp_path / "config.cfg", [docbin], overrides=overrides, seeds=[4])
    with pytest.raises(CardionerError, match="holds results of other"):
        cross_validate(other, folds, tmp_path / "cv")


def test_what_does_not_fit_is_said(docbin: Path, tmp_path: Path) -> None:
    experiment = Experiment(ROOT / "configs/baseline_cpu.cfg", [docbin], overrides=QUICK)
    folds = make_folds(names(docbin), 3)

    with pytest.raises(CardionerError, match="there is no fold 3: they are 0 to 2"):
        cross_validate(experiment, folds, tmp_path / "a", chosen=[3])
    with pytest.raises(CardionerError, match="en.spacy: its documents are not those of the folds"):
        cross_validate(experiment, folds[:2], tmp_path / "b")
    broken = Experiment(experiment.config, [docbin], overrides={"training.max_epochs": "many"})
    with pytest.raises(CardionerError, match=r"fold-0/seed-13/train.log: the training failed"):
        cross_validate(broken, folds, tmp_path / "c")
