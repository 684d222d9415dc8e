"""The configuration of brat: it lists what the notes have, and brat's own rules hold for it."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_cardioner import brat
from spacy_cardioner.audit import Audit
from spacy_cardioner.batch.engine import Annotated
from spacy_cardioner.batch.mentions import CONTEXT, Mention
from spacy_cardioner.batch.readers import SourceNote, open_source
from spacy_cardioner.batch.writers import Output, OutputFormat, make_writer
from spacy_cardioner.batch.writers.base import opened
from spacy_cardioner.batch.writers.brat_conf import annotation_conf, visual_conf
from spacy_cardioner.corpus import convert
from spacy_cardioner.tokenizer import blank

TEXT = "Insuficiencia cardiaca, toma furosemida"
DISEASE = Mention(0, 22, "ENFERMEDAD", TEXT[:22], 0.97456, negated=True, section="chief complaint")
DRUG = Mention(29, 39, "FARMACO", "furosemida", 0.5, "C03CA01", "exact", negated=False, family=True)

# What brat's server (projectconfig.py) takes: names of types, arguments, and its reserved names.
TYPE = r"[A-Za-z0-9_-]+"
ARGUMENT = r"(?P<key>\S+?):(?P<values>\S+)"
RESERVED = {"<ENTITY>", "<ANY>", "<NONE>", "<OVERLAP>", "<OVL-TYPE>"}
SECTIONS = {
    "annotation.conf": ["entities", "relations", "events", "attributes"],
    "visual.conf": ["labels", "drawing"],
}
DRAWING = {
    *("fgColor", "bgColor", "borderColor", "color", "arrowHead"),
    *("glyph", "box", "dashArray", "position"),
}

Conf = dict[str, dict[str, dict[str, list[str]]]]


def parsed(text: str, name: str) -> Conf:
    """Sections, their types, and the arguments of each type, as brat parses them."""
    found: Conf = {}
    for line in text.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if section := re.fullmatch(r"\[(.*)\]", line):
            here = found.setdefault(section[1], {})
            continue
        assert not re.fullmatch(r"\s*-+\s*", line), "a separator"
        assert set(re.findall(r"<.*?>", line)) <= RESERVED
        terms, _, arguments = line.partition("\t")
        kind, *labels = (term.strip() for term in terms.split("|"))
        assert re.fullmatch(TYPE, kind) or kind == "<OVERLAP>"
        assert kind not in here
        values = here[kind] = {"": labels}
        for argument in filter(None, arguments.split(", ")):
            match = re.fullmatch(ARGUMENT, argument)
            assert match, argument
            values[match["key"]] = match["values"].split("|")
            assert all(values[match["key"]])
    assert list(found) == SECTIONS[name]
    return found


def write(out: Path, *notes: tuple[str, list[Mention]]) -> None:
    writer = make_writer(Output(OutputFormat.brat, out), {}, datetime(2024, 2, 29))
    with opened(writer, out) as put:
        for note_id, mentions in notes:
            put(writer.render(Annotated(SourceNote(note_id, TEXT), mentions)))


def confs(out: Path) -> tuple[Conf, Conf]:
    annotation, visual = (parsed((out / name).read_text("utf-8"), name) for name in SECTIONS)
    return annotation, visual


def test_all_that_is_written_is_listed(tmp_path: Path) -> None:
    write(tmp_path / "out", ("a", []), ("2024/b", [DISEASE]), ("c", [DISEASE, DRUG]))
    annotation, visual = confs(tmp_path / "out")

    assert list(annotation["entities"]) == list(visual["labels"]) == ["ENFERMEDAD", "FARMACO"]
    for path in (tmp_path / "out").rglob("*.ann"):
        for line in path.read_text(encoding="utf-8").splitlines():
            kind, *words = line.split("\t")[1].split()
            if line.startswith("T"):
                assert kind in annotation["entities"]
            elif line.startswith("A"):
                attribute = annotation["attributes"][kind]
                assert attribute["Arg"] == ["<ENTITY>"]
                assert (
                    words[1:] == [] if "Value" not in attribute else words[1] in attribute["Value"]
                )
    assert {name.capitalize() for name in CONTEXT} < set(annotation["attributes"])
    assert "Value" not in annotation["attributes"]["Negated"]
    # Entities of several labels overlap, which brat takes for an error otherwise.
    assert annotation["relations"]["<OVERLAP>"]["<OVL-TYPE>"] == ["<ANY>"]
    assert {*annotation["entities"], *annotation["attributes"]} < set(visual["drawing"])
    assert {key for one in visual["drawing"].values() for key in one if key} <= DRAWING
    colours = [visual["drawing"][label]["bgColor"] for label in annotation["entities"]]
    assert len({*map(tuple, colours)}) == 2
    assert visual["drawing"]["Negated"]["box"] == ["crossed"]


def test_the_order_of_the_notes_changes_nothing(tmp_path: Path) -> None:
    notes = ("a", [DISEASE]), ("b", [DRUG]), ("c", [DRUG._replace(label="SINTOMA", match="part")])
    write(tmp_path / "one", *notes)
    write(tmp_path / "two", *reversed(notes))
    for name in SECTIONS:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_later_run_adds_to_the_configuration(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, ("a", [DISEASE]))
    write(out, ("b", [DRUG._replace(label="SINTOMA")]))
    write(out, ("c", []))
    annotation, visual = confs(out)
    assert list(annotation["entities"]) == list(visual["labels"]) == ["ENFERMEDAD", "SINTOMA"]
    assert annotation["attributes"]["Match"]["Value"] == ["exact"]
    assert annotation["attributes"]["Section"]["Value"] == ["chief_complaint"]


@pytest.mark.parametrize("mine", ["[entities]\nMine\n", "", "link", "folder"])
def test_the_files_of_the_user_stay(tmp_path: Path, mine: str) -> None:
    out, conf = tmp_path / "out", tmp_path / "out" / "annotation.conf"
    out.mkdir()
    (tmp_path / "other").write_text("other")
    if mine == "link":
        conf.symlink_to(tmp_path / "other")
    elif mine == "folder":
        conf.mkdir()
    else:
        conf.write_text(mine)
    write(out, ("a", [DISEASE]))
    assert (out / "a.ann").exists() and (out / "visual.conf").exists()
    assert (tmp_path / "other").read_text() == "other"
    assert conf.is_symlink() == (mine == "link")
    assert conf.is_dir() or conf.read_text() == {"link": "other"}.get(mine, mine)


def test_a_file_without_our_line_stays(tmp_path: Path) -> None:
    write(tmp_path, ("a", [DISEASE]))
    conf = tmp_path / "visual.conf"
    kept = (
        conf.read_text(encoding="utf-8").partition("\n")[2].replace("fgColor:black", "fgColor:navy")
    )
    conf.write_text(kept, encoding="utf-8")
    write(tmp_path, ("b", [DRUG]))
    assert conf.read_text(encoding="utf-8") == kept
    assert "FARMACO" in (tmp_path / "annotation.conf").read_text(encoding="utf-8")


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=4))
def test_no_label_or_value_breaks_the_configuration(pairs: list[tuple[str, str]]) -> None:
    from spacy_cardioner.batch.writers.brat_conf import known

    listed = known(DRUG._replace(label=label, section=section) for label, section in pairs)
    annotation = parsed(annotation_conf(listed), "annotation.conf")
    parsed(visual_conf(listed), "visual.conf")
    shown = [label for label, _ in pairs if re.fullmatch(TYPE, label) and label.strip("-_")]
    assert set(shown) <= set(annotation["entities"])


def test_what_is_written_is_read_by_all_others(tmp_path: Path) -> None:
    write(tmp_path, ("a", [DISEASE, DRUG]), ("b", []))
    assert (tmp_path / "a.ann").read_text(encoding="utf-8").splitlines() == [
        "T1\tENFERMEDAD 0 22\tInsuficiencia cardiaca",
        *("A1\tScore T1 0.97", "A2\tSection T1 chief_complaint", "A3\tNegated T1"),
        "T2\tFARMACO 29 39\tfurosemida",
        *("A4\tScore T2 0.50", "A5\tMatch T2 exact", "A6\tFamily T2"),
        "N1\tReference T2 ATC:C03CA01\tfurosemida",
    ]
    audit = Audit()
    docs = convert([tmp_path], blank("es"), audit=audit)
    assert [len(doc.spans["cardioner"]) for doc in docs] == [2, 0]
    assert not audit.changes
    assert audit.not_used == {"attributes": 6, "normalisations": 1}
    assert [note.name for note in brat.read_folder(tmp_path)] == ["a", "b"]
    assert [note.id for note in open_source(str(tmp_path))] == ["a", "b"]
