"""`cardioner report`: its figures are those of `evaluate`; its page shows them, and no note."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from spacy_cardioner.brat import entities, read_folder, write_tsv
from spacy_cardioner.cli import main
from spacy_cardioner.spans import Entity
from tests.conftest import ROOT

SAMPLE = ROOT / "assets/sample"
BRAT = SAMPLE / "track2/cardioccc_dev/es/brat"
HEADER = "filename\tlabel\tstart_span\tend_span\ttext\n"
TEXT = "Antecedentes: Zoquitis <b>grave</b>.\nTratamiento: toma bisoprolol y AAS.\n"
ANN = "T1\tENFERMEDAD 14 22\tZoquitis\nT2\tFARMACO 55 65\tbisoprolol\nT3\tFARMACO 68 71\tAAS\n"
PRED = (
    f"{HEADER}n1\tENFERMEDAD\t14\t31\tZoquitis <b>grave\nn1\tFARMACO\t55\t65\tbisoprolol\n"
    "n1\tENFERMEDAD\t68\t71\tAAS\n"
)
# Attributes that a browser does not obey, but for the style, which the policy of the page allows.
HARMLESS = {
    *("class", "id", "href", "lang", "translate", "charset", "content", "name", "http-equiv"),
    *(
        "role",
        "aria-label",
        "aria-hidden",
        "viewbox",
        "width",
        "height",
        "scope",
        "colspan",
        "style",
    ),
    *("d", "x", "y", "cx", "cy", "r", "points", "text-anchor", "open"),
}


class Page(HTMLParser):
    """A page as a strict reader sees it: its elements, links, anchors and text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.anchors: list[str] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self._style = self._cell = False
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        given = dict(attrs)
        self.links += [given["href"] or ""] if "href" in given else []
        self.anchors += [given["id"] or ""] if "id" in given else []
        self._style = tag == "style"
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self._cell = True

    def handle_data(self, data: str) -> None:
        if self._style:
            self._style = False
            return
        self.text += data
        if self._cell:
            self.rows[-1][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in ("td", "th")


def cardioner(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run the command line as the console script does; the exit status."""
    monkeypatch.setattr("sys.argv", ["cardioner", *map(str, arguments)])
    with pytest.raises(SystemExit) as status:
        main()
        raise SystemExit(0)
    return int(status.value.code or 0)


def read(path: str) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def perturbed(notes: Mapping[str, list[Entity]], seed: int) -> dict[str, list[Entity]]:
    """Predictions with errors of all kinds, and scores."""
    chance = random.Random(seed)
    found: dict[str, list[Entity]] = {}
    for name, of_note in notes.items():
        found[name] = []
        for start, end, label, text, *_ in of_note:
            what = chance.random()
            if what < 0.15:
                continue
            if what < 0.3 and end - start > 3:
                end, text = end - 2, text[:-2]
            if what > 0.9:
                label = "ENFERMEDAD"
            one = Entity(start, end, label, " ".join(text.split()), round(chance.random(), 6))
            found[name].append(one)
    return found


def write_jsonl(path: Path, notes: Mapping[str, list[Entity]]) -> None:
    rows = (
        {"id": name, "entities": [dict(zip(Entity._fields, one, strict=True)) for one in of_note]}
        for name, of_note in notes.items()
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def sample_notes(folder: Path) -> dict[str, list[Entity]]:
    return {note.name: entities(note) for note in read_folder(folder)}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two systems on the sample corpus, and a small case by hand."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate("ab"):
        notes = perturbed(sample_notes(BRAT), number)
        write_tsv(Path(f"{name}.tsv"), notes)
        write_jsonl(Path(f"{name}.jsonl"), notes)
    Path("gold").mkdir()
    Path("gold/n1.txt").write_text(TEXT, encoding="utf-8")
    Path("gold/n1.ann").write_text(ANN, encoding="utf-8")
    Path("gold/n2.txt").write_text("Nada.", encoding="utf-8")
    Path("gold/n2.ann").write_text("", encoding="utf-8")
    Path("pred.tsv").write_text(PRED, encoding="utf-8")
    return tmp_path


def test_the_figures_are_those_of_evaluate(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    common = ["--gold", BRAT, "--training", SAMPLE / "track2/drugtemist_train/es/brat"]
    common += ["--resamples", "50", "--seed", "7"]
    scores = ["--compare", "b.tsv", "--calibration", "a.jsonl", "-o", "evaluate.json"]
    assert cardioner(monkeypatch, "evaluate", *common, "--pred", "a.tsv", *scores) == 0
    systems = ["--pred", "a.jsonl", "--pred", "b.jsonl", "--lang", "es", "-o", "report.html"]
    assert cardioner(monkeypatch, "report", *common, *systems) == 0
    expected, [part] = read("evaluate.json"), read("report.json")["parts"]
    first = part["systems"][0]
    for measure in ("strict", "overlapping", "official"):
        figures = expected[measure]
        together = {"all": figures["micro"], "macro": figures["macro"]}
        assert first["scores"][measure] == {**figures["labels"], **together}
    assert part["comparisons"][0]["labels"]["all"] == expected["comparison"]
    assert first["names"] == expected["names"]
    by_label = {label: made for label, made in expected["calibration"].items() if label != "all"}
    assert first["calibration"] == by_label
    counts = expected["strict"]["labels"]
    for label, made in first["scores"]["strict"].items():
        if label in counts:
            gold, predicted, right = (made["counts"][key] for key in ("gold", "predicted", "right"))
            kinds = first["errors"][label].values()
            assert sum(kind["gold"] for kind in kinds) == gold - right
            assert sum(kind["predicted"] for kind in kinds) == predicted - right
            sections = [one[label]["counts"] for one in first["sections"].values() if label in one]
            assert sum(one["gold"] for one in sections) == gold
            assert sum(one["predicted"] for one in sections) == predicted
    rows = part["documents"]
    assert (
        sum(row["systems"][0]["right"] for row in rows)
        == expected["strict"]["micro"]["counts"]["right"]
    )
    found = [sum(one.values()) for one in part["comparisons"][0]["found"].values()]
    assert sum(found) == part["gold"] == expected["strict"]["micro"]["counts"]["gold"]


def test_the_figures_of_runs_are_those_of_evaluate(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("run").mkdir()
    names = set()
    for lang in ("es", "en", "it"):
        notes = sample_notes(SAMPLE / f"track2/cardioccc_dev/{lang}/brat")
        write_tsv(Path(f"run/{lang}.tsv"), perturbed(notes, 3))
        names |= set(notes)
    Path("run/documents.txt").write_text("\n".join(sorted(names)), encoding="utf-8")
    Path("run/folds.json").write_text(json.dumps([sorted(names)[::2], sorted(names)[1::2]]))
    common = ["--corpus", SAMPLE, "--lang", "xx", "--resamples", "20"]
    assert (
        cardioner(monkeypatch, "evaluate", *common, "--pred", "run", "--unseen", "-o", "out") == 0
    )
    assert cardioner(monkeypatch, "report", *common, "--pred", "run", "-o", "report.html") == 0
    data = read("report.json")
    seen = set()
    for part in data["parts"]:
        [system] = part["systems"]
        for label in part["labels"]:
            expected = read(f"out/{label}_{part['lang']}.json")
            for measure in ("strict", "overlapping", "official"):
                made = system["scores"][measure][label]
                assert made == expected[measure]["labels"][label]
            assert system["names"][label] == expected["names"][label]
            assert set(expected["remarks"]) <= set(data["remarks"])
            seen.add(f"{label}_{part['lang']}.json")
    assert seen == {path.name for path in Path("out").iterdir()}


def test_a_label_counts_only_where_it_was_annotated(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotated = {"one": {"n1": "FARMACO 0 3\tAAS", "n2": ""}, "two": {"n1": "ENFERMEDAD 4 7\tIAM"}}
    for corpus, notes in annotated.items():
        folder = Path(corpus) / "cardioccc_dev/en/brat"
        folder.mkdir(parents=True)
        for name, ann in notes.items():
            (folder / f"{name}.txt").write_text("AAS IAM", encoding="utf-8")
            (folder / f"{name}.ann").write_text(f"T1\t{ann}\n" * bool(ann), encoding="utf-8")
    Path("run").mkdir()
    Path("run/documents.txt").write_text("n1\nn2\n", encoding="utf-8")
    Path("run/folds.json").write_text('[["n1"], ["n2"]]', encoding="utf-8")
    rows = "n1\tFARMACO\t0\t3\tAAS\nn1\tENFERMEDAD\t4\t7\tIAM\nn2\tENFERMEDAD\t4\t7\tIAM\n"
    Path("run/en.tsv").write_text(HEADER + rows, encoding="utf-8")
    arguments = ["--corpus", "one", "--corpus", "two", "--lang", "en", "--pred", "run"]
    assert cardioner(monkeypatch, "report", *arguments, "-o", "out.html") == 0
    data = read("out.json")
    [part] = data["parts"]
    [system] = part["systems"]
    assert part["labels"] == {"FARMACO": 2, "ENFERMEDAD": 1}
    assert system["confusion"] == {"ENFERMEDAD": {"ENFERMEDAD": 1}, "FARMACO": {"FARMACO": 1}}
    assert {label: made["f1"] for label, made in system["scores"]["strict"].items()} == {
        "FARMACO": 1.0,
        "ENFERMEDAD": 1.0,
    }
    said = "Not scored, without gold annotations of ENFERMEDAD en: 1 document."
    assert said in data["remarks"]


def test_the_page_shows_the_figures(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systems = ["--pred", "one=a.jsonl", "--pred", "two=b.jsonl", "--lang", "es"]
    options = ["--resamples", "20", "-o", "report.html"]
    assert cardioner(monkeypatch, "report", "--gold", BRAT, *systems, *options) == 0
    page, [part] = Page(Path("report.html")), read("report.json")["parts"]
    rows = {tuple(row) for row in page.rows}
    for number, system in enumerate(part["systems"]):
        for label, made in system["scores"]["strict"].items():
            low, high = made["interval"]["f1"]
            counts = made["counts"] or {}
            numbers = [str(counts[key]) if counts else "" for key in ("gold", "predicted", "right")]
            cells = [f"{made['f1']:.3f}", f"{low:.3f} to {high:.3f}", ""]
            cells += [f"{made['precision']:.3f}", f"{made['recall']:.3f}", *numbers]
            assert (label if number == 0 else "", system["name"], *cells) in rows
        for trait, made in system["traits"]["FARMACO"].items():
            number_of_gold = str(made["gold"]["number"])
            share = f"{made['gold']['share']:.3f}" if made["gold"]["number"] else ""
            cells = [row[2 + 2 * number] for row in rows if row[:2] == (trait, number_of_gold)]
            assert share in cells
    for document in part["documents"][:12]:
        assert any(row[:2] == (document["document"], str(document["gold"])) for row in rows)
    assert {link.removeprefix("#") for link in page.links} == set(page.anchors)
    assert len(page.anchors) == len(set(page.anchors))


def strings(value: Any) -> Iterator[str]:
    """All keys and strings in data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)


@pytest.mark.parametrize("shown", [False, True])
def test_notes_are_quoted_only_on_request(
    files: Path, monkeypatch: pytest.MonkeyPatch, shown: bool
) -> None:
    arguments = ["--gold", "gold", "--pred", "pred.tsv", "--lang", "es", "-o", "out.html"]
    assert cardioner(monkeypatch, "report", *arguments, *["--show-text"] * shown) == 0
    page, data = Page(Path("out.html")), read("out.json")
    text = f"{page.text} {' '.join(strings(data))}"
    for word in ("Zoquitis", "bisoprolol", "grave", "AAS", "Tratamiento"):
        assert bool(re.search(rf"\b{word}\b", text)) == shown
    assert ("patients' data" in page.text) == shown == data["shows_text"]
    if shown:
        assert "Zoquitis <b>grave</b>." in page.text
        examples = data["parts"][0]["systems"][0]["examples"]
        [found] = examples["ENFERMEDAD"]["border right"]
        pieces = found["places"][0]["pieces"]
        assert "".join(text for *_, text in pieces) == TEXT
        assert pieces[1:3] == [[True, True, "Zoquitis"], [False, True, " <b>grave"]]


def test_names_and_mentions_are_no_markup(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evil, name = "<img src=x onerror=alert(1)>", "</title><script>alert(1)</script>"
    Path(f"gold/{evil}.txt").write_text(f"{evil} \x1b[31m", encoding="utf-8")
    Path(f"gold/{evil}.ann").write_text(f"T1\t<script> 0 {len(evil)}\t{evil}\n", encoding="utf-8")
    row = f"{evil}\tFARMACO\t0\t4\t<img\n{evil}\t\"'><svg/onload=x>\t5\t8\tsrc\n"
    Path("pred.tsv").write_text(HEADER + row, encoding="utf-8")
    systems = ["--pred", f"{name}=pred.tsv", "--pred", "\"'<b>=pred.tsv", "--show-text"]
    assert cardioner(monkeypatch, "report", "--gold", "gold", *systems, "-o", "out.html") == 0
    page = Page(Path("out.html"))
    assert not {"script", "img", "iframe", "object", "embed", "link", "base", "form"} & page.tags
    assert page.attributes <= HARMLESS
    assert all(link.startswith("#") for link in page.links)
    assert name in page.text
    assert evil in page.text
    assert "\x1b" not in page.text
    source = Path("out.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in source
    assert not re.search(r"url\(|@import|https?://", source)


def test_ids_of_tables_are_hidden(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("gold.tsv").write_text(f"{HEADER}PatientX\tFARMACO\t0\t3\tAAS\n", encoding="utf-8")
    arguments = ["--gold", "gold.tsv", "--pred", "gold.tsv", "-o", "out.html"]
    assert cardioner(monkeypatch, "report", *arguments) == 0
    written = Path("out.html").read_text(encoding="utf-8") + Path("out.json").read_text(
        encoding="utf-8"
    )
    assert "PatientX" not in written
    assert "8 characters, sha256" in written


def test_splits_and_their_gap(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dev", "test"):
        Path(name).mkdir()
        Path(f"{name}/{name}.txt").write_text("AAS AAS", encoding="utf-8")
        ann = "T1\tFARMACO 0 3\tAAS\nT2\tFARMACO 4 7\tAAS\n"
        Path(f"{name}/{name}.ann").write_text(ann, encoding="utf-8")
    Path("dev.tsv").write_text(f"{HEADER}dev\tFARMACO\t0\t3\tAAS\ndev\tFARMACO\t4\t7\tAAS\n")
    Path("test.tsv").write_text(f"{HEADER}test\tFARMACO\t0\t3\tAAS\n")
    gold = ["--gold", "dev=dev", "--gold", f"test={files / 'test'}"]
    pred = ["--pred", "ours=dev.tsv", "--pred", f"ours={files / 'test.tsv'}", "-o", "out.html"]
    assert cardioner(monkeypatch, "report", *gold, *pred) == 0
    data = read("out.json")
    assert data["systems"] == ["ours"]
    assert [part["split"] for part in data["parts"]] == ["dev", "test"]
    [gap] = data["gaps"]
    assert gap["splits"] == ["dev", "test"]
    made = gap["labels"]["FARMACO"]
    assert (made["first"], made["second"]) == (1.0, pytest.approx(2 / 3))
    # One document in each split: all resamples are equal.
    assert made["interval"] == [pytest.approx(1 / 3)] * 2
    assert "From one split to the next" in Page(Path("out.html")).text


def test_a_threshold_drops_predictions_but_not_from_the_curves(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--gold", BRAT, "--pred", "a.jsonl", "--resamples", "5", "-o", "out.html"]
    assert cardioner(monkeypatch, "report", *arguments, "--threshold", "0.5") == 0
    [system] = read("out.json")["parts"][0]["systems"]
    for label, points in system["curves"].items():
        [chosen] = [point for point in points if point["threshold"] == 0.5]
        made = system["scores"]["strict"][label]
        assert chosen["predicted"] == made["counts"]["predicted"] < points[0]["predicted"]
        assert chosen["f1"] == pytest.approx(made["f1"])


def test_the_same_twice_is_the_same(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        Path(name).mkdir()
        arguments = ["--gold", "gold", "--pred", "pred.tsv", "-o", f"{name}/out.html"]
        assert cardioner(monkeypatch, "report", *arguments) == 0
    for ending in ("html", "json"):
        assert Path(f"one/out.{ending}").read_bytes() == Path(f"two/out.{ending}").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ("--gold gold -o out.html", 2, "--pred"),
        ("--pred pred.tsv -o out.html", 2, "give --gold or --corpus"),
        ("--gold gold --pred pred.tsv -o out.txt", 2, "ends in .html"),
        ("--gold gold --pred pred.tsv --lang fr -o out.html", 2, "es, en or it"),
        ("--gold gold --pred pred.tsv --pred ./pred.tsv -o out.html", 2, "give NAME=PATH"),
        ("--corpus gold --pred gold -o out.html", 2, "--corpus needs --lang"),
        (
            "--corpus gold --lang es --training gold --pred gold -o out.html",
            2,
            "cannot be combined",
        ),
        ("--corpus gold --lang es --pred gold -o out.html", 1, "documents.txt"),
        ("--gold nix --pred pred.tsv -o out.html", 1, "no such folder or file"),
        ("--gold gold --pred pred.tsv --only NIX -o out.html", 1, "no entity has the label NIX"),
        ("--gold gold --pred a.tsv -o out.html", 1, "does not have"),
        (
            "--gold gold --pred pred.tsv --threshold 0.5 -o out.html",
            1,
            "needs predictions with scores",
        ),
        (
            "--gold x=gold --gold y=gold --pred pred.tsv -o out.html",
            1,
            "x and y: both have 2 documents",
        ),
        ("--gold gold --pred bad.jsonl -o out.html", 1, "bad.jsonl:1: not a note with entities"),
        ("--gold gold --pred twice.jsonl -o out.html", 1, "twice.jsonl:2: an earlier note"),
        ("--gold gold --pred pred.tsv -o gold/out.html", 1, "write somewhere else"),
        ("--gold gold --pred pred.json -o pred.html", 1, "write somewhere else"),
        (
            "--gold gold --pred 1=a.tsv --pred 2=a.tsv --pred 3=a.tsv --pred 4=a.tsv "
            "--pred 5=a.tsv -o out.html",
            2,
            "at most 4 systems",
        ),
    ],
)
def test_faults_are_told(
    arguments: str,
    status: int,
    message: str,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("bad.jsonl").write_text('{"id": "n1", "entities": [{"start": 3, "end": 1}]}\n')
    Path("twice.jsonl").write_text('{"id": "n1", "entities": []}\n' * 2)
    Path("pred.json").write_text(PRED, encoding="utf-8")
    assert cardioner(monkeypatch, "report", *arguments.split()) == status
    said = " ".join(re.sub("[│╭╮╰╯─]", " ", capsys.readouterr().err).split())
    assert message in said
    assert not Path("out.html").exists()


def test_odd_but_valid_input_makes_a_page(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("none.tsv").write_text(HEADER, encoding="utf-8")
    Path("none.jsonl").write_text('{"id": "n1", "entities": []}\n', encoding="utf-8")
    Path("empty").mkdir()
    Path("empty/n1.txt").write_text("", encoding="utf-8")
    Path("empty/n1.ann").write_text("", encoding="utf-8")
    for gold, pred in (("gold", "none.tsv"), ("gold", "none.jsonl"), ("empty", "none.jsonl")):
        arguments = [
            "--gold",
            gold,
            "--pred",
            pred,
            "--lang",
            "it",
            "-o",
            "out.html",
            "--show-text",
        ]
        assert cardioner(monkeypatch, "report", *arguments) == 0
        assert "Report: " in Page(Path("out.html")).text
