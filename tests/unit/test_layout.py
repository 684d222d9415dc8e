"""Corpora as they were published: found, named, converted, split and scored. All texts are ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from spacy.vocab import Vocab
from typer.main import get_command

from spacy_cardioner import brat, layout
from spacy_cardioner.brat import note_from_entities, write_note
from spacy_cardioner.cli import app
from spacy_cardioner.corpus import read_docbin
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.evaluation.sources import read_gold
from spacy_cardioner.spans import SPANS_KEY, Entity, layers_of
from tests.conftest import ROOT

SAMPLE = ROOT / "assets" / "sample"
CARDIOLOGY = "casos_clinicos_cardiologia1"
ES = "Refiere disnea por asma; toma bisoprolol y se realiza una ecografía."
EN = "Reports dyspnoea due to asthma; takes bisoprolol, and an ultrasound is done."
LABELS = {
    **{"ENFERMEDAD": "asma", "SINTOMA": "disnea", "FARMACO": "bisoprolol"},
    **{"PROCEDIMIENTO": "ecografía"},
}
Mentions = Mapping[str, str]


def cardioner(*arguments: object) -> Result:
    return CliRunner().invoke(get_command(app), [str(word) for word in arguments])


def entities(text: str, mentions: Mentions) -> list[Entity]:
    found = [(text.index(mention), label, mention) for label, mention in mentions.items()]
    return [Entity(at, at + len(word), label, word) for at, label, word in sorted(found)]


def put(folder: Path, name: str, text: str, mentions: Mentions, ann: Path | None = None) -> None:
    """Write a note, with its .ann in the same folder or in another one."""
    note = note_from_entities(name, text, entities(text, mentions))
    write_note(note, folder)
    if ann is not None:
        ann.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.ann").rename(ann / f"{name}.ann")


def put_table(path: Path, header: str, *rows: tuple[object, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [header.split(), *rows]
    path.write_text("".join("\t".join(map(str, line)) + "\n" for line in lines), encoding="utf-8")


def only(*labels: str) -> Mentions:
    return {label: LABELS[label] for label in labels}


def plain(root: Path) -> None:
    put(root / "distemist_train/brat", "caso1", f"{ES}\n", LABELS)
    put(root / "cardioccc_dev/brat", CARDIOLOGY, ES, LABELS)
    put(root / "cardioccc_dev/brat", "casos_clinicos_cardiologia2", f"HTA. {ES}", LABELS)


def distemist(root: Path) -> None:
    training = root / "training"
    put(training / "text_files", "es-S1", f"{ES}\nAlta.", {})
    (training / "text_files/es-S1.ann").unlink()
    put(training / "text_files", "es-S2", "Sin enfermedades.", {})
    (training / "text_files/es-S2.ann").unlink()
    header = "filename mark label off0 off1 span"
    at = ES.index("asma")
    put_table(
        training / "subtrack1_entities/distemist_subtrack1_training_mentions.tsv",
        header,
        ("es-S1", "T1", "ENFERMEDAD", at, at + 4, "asma"),
    )


def symptemist(root: Path) -> None:
    ner = root / "symptemist_train/subtask1-ner"
    put(ner / "brat", "es-S1", ES, only("SINTOMA"))
    put(ner / "txt", "es-S1", ES, {})
    (ner / "txt/es-S1.ann").unlink()
    at = ES.index("disnea")
    header = "filename ann_id label start_span end_span text"
    row = ("es-S1", "T1", "SINTOMA", at, at + 6, "disnea")
    put_table(ner / "tsv/symptemist_tsv_train_subtask1.tsv", header, row)


def medprocner(root: Path) -> None:
    """As some copies are: the texts alone in txt."""
    train = root / "medprocner_train"
    put(train / "txt", "es-S1", ES, only("PROCEDIMIENTO"), ann=train / "brat")


def drugtemist(root: Path) -> None:
    put(root / "drugtemist_train/es/brat", "es-S1", ES, only("FARMACO"))
    put(root / "drugtemist_train/en/brat", "es-S1", EN, only("FARMACO"))


def pharmaconer(root: Path) -> None:
    put(root / "train-set_1.1/train/subtrack1", "S1", ES, {"NORMALIZABLES": "bisoprolol"})


def flat_pharmaconer(root: Path) -> None:
    put(root / "pharmaconer", "caso1", ES, {"NORMALIZABLES": "bisoprolol"})


def codiesp(root: Path) -> None:
    put(root / "codiesp", "caso1", ES, {"DIAGNOSTICO": "asma", "PROCEDIMIENTO_CIE": "ecografía"})


ENGLISH = {"disease": "asthma", "symptom": "dyspnoea", "procedure": "ultrasound"}


def multiclinner(root: Path) -> None:
    """The texts of the labels differ; the general note has a disease alone."""
    train = root / "MultiClinNER-en/MultiClinNER-en-train"
    for kind, mention in ENGLISH.items():
        text = EN if kind != "procedure" else EN.replace(" due", "  due")
        folder = train / f"MultiClinNER-en-train-{kind}"
        mentions = {kind.upper(): mention}
        put(folder / "txt", CARDIOLOGY, text, mentions, ann=folder / "ann")
    folder = train / "MultiClinNER-en-train-disease"
    put(folder / "txt", "en-S1", EN, {"DISEASE": "asthma"}, ann=folder / "ann")


def rebuilt_multiclinner(root: Path) -> None:
    for kind, mention in ENGLISH.items():
        put(root / "multiclinner_en" / kind, CARDIOLOGY, EN, {kind.upper(): mention})


KINDS = {
    "plain": (plain, "BRAT temist es 1, BRAT cardioccc es 2", LABELS),
    "DisTEMIST": (distemist, "DisTEMIST temist es 2", ["ENFERMEDAD"]),
    "SympTEMIST": (symptemist, "SympTEMIST temist es 1", ["SINTOMA"]),
    "MedProcNER": (medprocner, "MedProcNER temist es 1", ["PROCEDIMIENTO"]),
    "DrugTEMIST": (drugtemist, "DrugTEMIST temist es 1, DrugTEMIST temist en 1", ["FARMACO"]),
    "PharmaCoNER": (pharmaconer, "PharmaCoNER temist es 1", ["NORMALIZABLES"]),
    "PharmaCoNER flat": (flat_pharmaconer, "PharmaCoNER temist es 1", ["NORMALIZABLES"]),
    "CodiEsp": (codiesp, "CodiEsp temist es 1", ["DIAGNOSTICO", "PROCEDIMIENTO_CIE"]),
    "MultiClinNER": (
        multiclinner,
        "MultiClinNER temist en 1, " + ", ".join(["MultiClinNER cardioccc en 1"] * 3),
        ["ENFERMEDAD", "SINTOMA", "PROCEDIMIENTO"],
    ),
    "MultiClinNER rebuilt": (
        rebuilt_multiclinner,
        ", ".join(["MultiClinNER cardioccc en 1"] * 3),
        ["ENFERMEDAD", "SINTOMA", "PROCEDIMIENTO"],
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", ["", "unpacked"])
def test_a_published_corpus_is_found_named_and_converted(
    tmp_path: Path, kind: str, depth: str
) -> None:
    make, found, labels = KINDS[kind]
    make(tmp_path / "corpus" / depth)

    done = cardioner("check-corpus", tmp_path / "corpus")

    assert done.exit_code == 0, done.exception
    rows = [line.split() for line in done.stdout.splitlines()[2:]]
    assert sorted(" ".join(row[:4]) for row in rows) == sorted(found.split(", "))
    assert all(f" {label} " in done.stdout for label in labels)
    if depth:
        return
    done = cardioner(
        "convert", "--corpus", tmp_path / "corpus", "--lang", "xx", "-o", tmp_path / "o"
    )
    assert done.exit_code == 0, done.exception
    paths = sorted(tmp_path.glob("o/*/??.spacy"))
    kept = {tuple(row.split()[1:3]) for row in found.split(", ")}
    assert {(path.parent.name, path.stem) for path in paths} == kept
    docs = [doc for path in paths for doc in read_docbin(path, Vocab())]
    mentions = {span.label_: span.text for doc in docs for span in doc.spans[SPANS_KEY]}
    assert set(mentions) == set(labels)
    assert set(mentions.values()) <= {*LABELS.values(), *ENGLISH.values()}


@pytest.mark.parametrize("inside", ["pharmaconer", "multiclinner_en", "distemist_train"])
def test_a_folder_that_a_layout_begins_with_may_be_given_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    for make in (flat_pharmaconer, rebuilt_multiclinner, plain):
        make(tmp_path)
    monkeypatch.chdir(tmp_path / inside)
    for given in (tmp_path / inside, Path()):
        folders = layout.find([given])
        assert {folder.corpus for folder in folders} < {"PharmaCoNER", "MultiClinNER", "BRAT"}
        assert len({folder.corpus for folder in folders}) == 1


def test_notes_whose_texts_differ_become_documents_in_the_same_fold(tmp_path: Path) -> None:
    multiclinner(tmp_path / "c")
    plain(tmp_path / "c")
    train = tmp_path / "c/MultiClinNER-en/MultiClinNER-en-train/MultiClinNER-en-train-disease"
    put(train / "txt", "casos_clinicos_cardiologia2", EN, {"DISEASE": "asthma"}, train / "ann")

    done = cardioner("convert", "--corpus", tmp_path / "c", "--lang", "en", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.exception
    assert "changes: separate 1" in done.stdout
    docs = read_docbin(tmp_path / "out/cardioccc/en.spacy", Vocab())
    layers = {doc.user_data["note_id"]: layers_of(doc) for doc in docs}
    assert layers == {
        CARDIOLOGY: {"ENFERMEDAD", "SINTOMA"},
        f"{CARDIOLOGY}~2": {"PROCEDIMIENTO"},
        "casos_clinicos_cardiologia2": {"ENFERMEDAD"},
    }
    cardioner("split", "--corpus", tmp_path / "c", "--folds", 2, "-o", tmp_path / "folds.json")
    folds = json.loads((tmp_path / "folds.json").read_text())["folds"]
    assert sorted(folds) == [[CARDIOLOGY, f"{CARDIOLOGY}~2"], ["casos_clinicos_cardiologia2"]]

    run = tmp_path / "run"
    found = {
        doc.user_data["note_id"]: [
            Entity(span.start_char, span.end_char, span.label_, span.text)
            for span in doc.spans[SPANS_KEY]
        ]
        for doc in docs
    }
    brat.write_tsv(run / "en.tsv", found)
    (run / "documents.txt").write_text("\n".join(found))
    done = cardioner(
        *("evaluate", "--corpus", tmp_path / "c", "--lang", "en", "--pred", run),
        *("-o", tmp_path / "metrics", "--resamples", 5),
    )
    assert done.exit_code == 0, done.exception
    scores = {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("metrics/*")}
    documents = {name: result["documents"] for name, result in scores.items()}
    assert documents == {"ENFERMEDAD_en": 2, "SINTOMA_en": 1, "PROCEDIMIENTO_en": 1}
    assert all(result["strict"]["micro"]["f1"] == 1 for result in scores.values())
    assert "Not scored, without gold annotations of SINTOMA en: 2 documents" in done.stdout


def test_of_several_corpora_the_first_counts_for_each_label(tmp_path: Path) -> None:
    texts = SAMPLE / "track1/cardioccc_dev/brat"
    for note in brat.read_folder(texts):
        put(tmp_path / "new/cardioccc_dev/brat", note.name, note.text, {})
    put(tmp_path / "new/cardioccc_dev/brat", CARDIOLOGY, ES, only("ENFERMEDAD", "SINTOMA"))
    whole = [(folder.lang, folder.part) for folder in layout.find([SAMPLE])]
    folders = layout.find([tmp_path / "new", SAMPLE])

    ours = [folder for folder in folders if (folder.lang, folder.part) == ("es", layout.SPLIT)]
    assert [(folder.corpus, [*(folder.labels or ())]) for folder in ours] == [
        ("BRAT", ["ENFERMEDAD", "SINTOMA"]),
        ("MultiCardioNER", ["FARMACO"]),
    ]
    assert [(folder.lang, folder.part) for folder in folders[1:]] == whole[:-1]
    # The other way round, the new corpus adds its symptoms, and the note that the other lacks.
    done = cardioner("check-corpus", SAMPLE, "", tmp_path / "new")
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("BRAT")]
    assert row.split()[:8] == ["BRAT", "cardioccc", "es", "13", "ENFERMEDAD", "1,", "SINTOMA", "1"]
    done = cardioner(
        *("convert", "--corpus", SAMPLE, "--corpus", tmp_path / "new", "--lang", "es"),
        *("-o", tmp_path / "out"),
    )
    docs = {
        d.user_data["note_id"]: d for d in read_docbin(tmp_path / "out/cardioccc/es.spacy", Vocab())
    }
    assert layers_of(docs.pop(CARDIOLOGY)) == {"ENFERMEDAD", "SINTOMA"}
    assert {frozenset(layers_of(doc) or ()) for doc in docs.values()} == {
        frozenset({"ENFERMEDAD", "FARMACO", "SINTOMA"})
    }
    diseases = [span for doc in docs.values() for span in doc.spans[SPANS_KEY]]
    assert {span.label_ for span in diseases} == {"ENFERMEDAD", "FARMACO"}, "not those of the other"


def test_a_note_that_the_first_corpus_lacks_has_the_annotations_of_the_next(tmp_path: Path) -> None:
    """Gold annotations of some notes, and projected ones of all."""
    other = "casos_clinicos_cardiologia2"
    put(tmp_path / "gold/multiclinner_en/disease", CARDIOLOGY, EN, {"DISEASE": "asthma"})
    words = {"ENFERMEDAD": "dyspnoea", "SINTOMA": "dyspnoea"}
    for name in (CARDIOLOGY, other):
        put(tmp_path / "projected/en", name, EN, words)

    done = cardioner("check-corpus", tmp_path / "gold", tmp_path / "projected")
    rows = [line.split()[:8] for line in done.stdout.splitlines() if " en " in line]
    assert rows == [
        ["MultiClinNER", "cardioccc", "en", "1", "ENFERMEDAD", "1", *rows[0][6:]],
        ["projected", "cardioccc", "en", "2", "ENFERMEDAD", "1,", "SINTOMA", "2"],
    ]
    both = ("--corpus", tmp_path / "gold", "--corpus", tmp_path / "projected", "--lang", "en")
    cardioner("convert", *both, "-o", tmp_path / "out")
    docs = read_docbin(tmp_path / "out/cardioccc/en.spacy", Vocab())
    found = {
        doc.user_data["note_id"]: {(span.label_, span.text) for span in doc.spans[SPANS_KEY]}
        for doc in docs
    }
    symptom = ("SINTOMA", "dyspnoea")
    assert found == {
        CARDIOLOGY: {("ENFERMEDAD", "asthma"), symptom},
        other: {("ENFERMEDAD", "dyspnoea"), symptom},
    }
    gold = read_gold(layout.find([tmp_path / "gold", tmp_path / "projected"], "en"))
    texts = {name: [e.text for e in of] for name, of in gold["ENFERMEDAD"].entities.items()}
    assert texts == {CARDIOLOGY: ["asthma"], other: ["dyspnoea"]}
    # Without diseases of its own, a note of the first corpus has none.
    put(tmp_path / "gold/multiclinner_en/disease", other, EN, {})
    cardioner("convert", *both, "-o", tmp_path / "out")
    (doc,) = [
        doc
        for doc in read_docbin(tmp_path / "out/cardioccc/en.spacy", Vocab())
        if doc.user_data["note_id"] == other
    ]
    assert {span.label_ for span in doc.spans[SPANS_KEY]} == {"SINTOMA"}
    assert layers_of(doc) == {"ENFERMEDAD", "SINTOMA"}


def test_multicardioner_is_as_it_was(tmp_path: Path) -> None:
    """The layouts that were found before the others were known, folder by folder."""
    done = cardioner("convert", "--corpus", SAMPLE, "--lang", "xx", "-o", tmp_path)
    assert done.exit_code == 0, done.exception
    for part, drugs, diseases in (
        ("temist", "track2/drugtemist_train", "track1/distemist_train"),
        ("cardioccc", "track2/cardioccc_dev", "track1/cardioccc_dev"),
    ):
        for lang in layout.LANGUAGES:
            folders = [SAMPLE / drugs / lang / "brat"]
            folders += [SAMPLE / diseases / "brat"] * (lang == "es")
            same = tmp_path / "same.spacy"
            cardioner("convert", *folders, "--lang", "xx", "-o", same)
            assert (tmp_path / part / f"{lang}.spacy").read_bytes() == same.read_bytes()
    half = tmp_path / "half/track1/cardioccc_dev/brat"
    put(half, CARDIOLOGY, ES, only("ENFERMEDAD"))
    with pytest.raises(
        CardionerError, match="no .txt files in these folders:\n.*track2/drugtemist"
    ):
        layout.find([tmp_path / "half"])


def test_where_nothing_is_known_the_known_layouts_are_named(tmp_path: Path) -> None:
    put(tmp_path / "some/notes", "a", ES, LABELS)
    (tmp_path / "some/cardioccc_dev/brat").mkdir(parents=True)
    done = cardioner("check-corpus", tmp_path / "some")
    assert isinstance(done.exception, CardionerError)
    said = str(done.exception)
    assert said.startswith(f"{tmp_path}/some: no known corpus.")
    assert all(f"  {one.corpus}: {one.path}\n" in said for one in layout.LAYOUTS)
    flat_pharmaconer(tmp_path / "some")
    with pytest.raises(CardionerError, match="some: no notes of cardioccc in es or en or it"):
        layout.find([tmp_path / "some"], part=layout.SPLIT)
    done = cardioner("convert", "--corpus", tmp_path / "some", "--lang", "it", "-o", tmp_path / "o")
    assert "no notes of temist or cardioccc in it" in str(done.exception)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (("es-S1", "T1", "ENFERMEDAD", 1, 5, "asma"), "mention is not the text"),
        (("es-S1", "T1", "ENFERMEDAD", 1, 5), "5 columns instead of 6"),
        (("es-S3", "T1", "ENFERMEDAD", 1, 5, "asma"), "text_files does not have this note"),
    ],
)
def test_a_bad_row_of_a_published_table_is_named(
    tmp_path: Path, row: tuple[object, ...], fault: str
) -> None:
    distemist(tmp_path / "c")
    (table,) = tmp_path.glob("c/*/*/*.tsv")
    with table.open("a") as stream:
        stream.write("\t".join(map(str, row)) + "\n")
    convert = ["convert", "--corpus", tmp_path / "c", "--lang", "es", "-o", tmp_path / "out"]
    done = cardioner(*convert)
    assert isinstance(done.exception, CardionerError)
    assert str(done.exception).startswith(f"{table}:3: ") and fault in str(done.exception)
    done = cardioner(*convert, "--lenient")
    assert done.exit_code == 0 and "malformed 1" in done.stdout
    docs = read_docbin(tmp_path / "out/temist/es.spacy", Vocab())
    assert [len(doc.spans[SPANS_KEY]) for doc in docs] == [1, 0]


def test_a_published_table_may_be_gold(tmp_path: Path) -> None:
    symptemist(tmp_path)
    (table,) = tmp_path.glob("**/*.tsv")
    brat_folder = tmp_path / "symptemist_train/subtask1-ner/brat"
    done = cardioner("evaluate", "--gold", table, "--pred", brat_folder, "--resamples", 5)
    assert done.exit_code == 0 and "1.0000" in done.stdout
