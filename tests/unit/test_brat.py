"""Standoff in and out: every byte kept, every fault named, no entity moved."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from spacy_cardioner.brat import (
    Change,
    Note,
    check_labels,
    count_labels,
    entities,
    note_from_entities,
    read_folder,
    read_note,
    read_table,
    read_tsv,
    write_note,
    write_tsv,
)
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.spans import Entity

TEXT = "Alergia a penicilina.\nToma bisoprolol 2,5 mg."
BOM = b"\xef\xbb\xbf"
# A busy machine is no fault of the code: time fails no property.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def put(folder: Path, text: str | bytes, ann: str | bytes | None, name: str = "nota") -> Path:
    txt = folder / f"{name}.txt"
    txt.write_bytes(text if isinstance(text, bytes) else text.encode())
    txt.with_suffix(".ann").unlink(missing_ok=True)
    if ann is not None:
        (folder / f"{name}.ann").write_bytes(ann if isinstance(ann, bytes) else ann.encode())
    return txt


def spans(note: Note, **options: object) -> list[tuple[int, int, str]]:
    return [entity[:3] for entity in entities(note, **options)]  # type: ignore[arg-type]


def kinds(changes: list[Change]) -> Counter[str]:
    return Counter(change.kind for change in changes)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all the examples of a property; each overwrites the last."""
    return tmp_path_factory.mktemp("scratch")


# Reading


def test_a_t_line_is_an_entity(tmp_path: Path) -> None:
    note = read_note(put(tmp_path, TEXT, "T1\tFARMACO 10 20\tpenicilina\n"))

    assert (note.name, note.text, note.annotated) == ("nota", TEXT, True)
    assert entities(note) == [Entity(10, 20, "FARMACO", "penicilina")]


def test_entities_are_sorted(tmp_path: Path) -> None:
    ann = "T1\tB 22 26\tToma\nT2\tB 0 7\tAlergia\nT3\tA 0 7\tAlergia\nT4\tA 0 9\tAlergia a\n"
    note = read_note(put(tmp_path, TEXT, ann))

    assert spans(note) == [(0, 7, "A"), (0, 7, "B"), (0, 9, "A"), (22, 26, "B")]


@pytest.mark.parametrize("ann", ["", None])
def test_empty_and_missing_ann(tmp_path: Path, ann: str | None) -> None:
    note = read_note(put(tmp_path, TEXT, ann))

    assert note.annotated is (ann is not None)
    assert note.lines == []


def test_offsets_count_code_points_and_no_byte_order_mark(tmp_path: Path) -> None:
    text = "👩‍⚕️ e\u0301 \r\n\ufeffasma"
    start = text.index("asma")
    ann = BOM + f"T1\tENFERMEDAD {start} {start + 4}\tasma\r\n".encode()
    note = read_note(put(tmp_path, BOM + text.encode(), ann))

    assert note.text == text
    assert note.bom
    assert note.ann_bom
    assert entities(note) == [Entity(start, start + 4, "ENFERMEDAD", "asma")]


@pytest.mark.parametrize("inside", ["\t", "\u2028", "\x0b", "\x0c", "\x85", "\x1c", "\u3000", '"'])
def test_only_a_line_feed_ends_a_line(tmp_path: Path, inside: str) -> None:
    text = f"dolor{inside}torácico y fiebre"
    ann = f"T1\tS 0 14\t{text[:14]}\r\nT2\tS 17 23\tfiebre"
    note = read_note(put(tmp_path, text, ann))

    assert [line.number for line in note.lines] == [1, 2]
    assert [line.eol for line in note.lines] == ["\r\n", ""]
    assert spans(note) == [(0, 14, "S"), (17, 23, "S")]


@pytest.mark.parametrize(
    ("line_end", "spelled"),
    [("\n", " "), ("\r\n", " "), ("\r\n", "  "), ("\r\n", "\r "), ("\r", "\r"), ("\r", " ")],
)
def test_a_line_end_in_the_mention_is_spelled_as_a_space(
    tmp_path: Path, line_end: str, spelled: str
) -> None:
    text = f"dolor{line_end}torácico"
    note = read_note(put(tmp_path, text, f"T1\tS 0 {len(text)}\tdolor{spelled}torácico\n"))

    assert entities(note) == [Entity(0, len(text), "S", text)]


def test_other_lines_are_kept(tmp_path: Path) -> None:
    ann = (
        "T1\tFARMACO 10 20\tpenicilina\n"
        "E1\tAlergia:T1 \n"
        "R1\tCausa Arg1:T1 Arg2:T1\n"
        "A1\tNegated T1\n"
        "M1\tNegation E1\n"
        "N1\tReference T1 ATC:J01CE\tpenicilinas\n"
        "*\tEquiv T1 T1\n"
        "*\tEquiv T1 T1\n"
        "#1\tAnnotatorNotes T1\tver\n"
        "# libre\n"
        "\n"
    )
    changes: list[Change] = []
    note = read_note(put(tmp_path, TEXT, ann), changes=changes)

    assert not changes
    assert len(note.lines) == 11
    assert len(note.textbounds) == 1


def test_names_with_spaces_and_dots(tmp_path: Path) -> None:
    for name in ("b c", "b", "a.ann.v2", "b.txt"):
        put(tmp_path, TEXT, "T1\tFARMACO 10 20\tpenicilina\n", name)

    notes = list(read_folder(tmp_path))

    assert [note.name for note in notes] == ["a.ann.v2", "b", "b c", "b.txt"]
    assert all(note.annotated for note in notes)


ENDINGS = [(".TXT", ".ANN"), (".txt", ".ANN"), (".TXT", ".ann"), (".Txt", ".aNn")]


@pytest.mark.parametrize(("txt", "ann"), ENDINGS)
def test_endings_in_capitals(tmp_path: Path, txt: str, ann: str) -> None:
    (tmp_path / f"Nota.TXT{txt}").write_text(TEXT)
    (tmp_path / f"Nota.TXT{ann}").write_text("T1\tFARMACO 10 20\tpenicilina\n")
    (tmp_path / "annotation.conf").write_text("[entities]\n")

    [note] = read_folder(tmp_path)

    assert note == read_note(tmp_path / f"Nota.TXT{txt}")
    assert (note.name, spans(note)) == ("Nota.TXT", [(10, 20, "FARMACO")])


@pytest.mark.parametrize("other", ["n.TXT", "n.ANN"])
def test_two_files_of_one_note(tmp_path: Path, other: str) -> None:
    put(tmp_path, TEXT, "", "n")
    put(tmp_path, TEXT, "", "m")
    (tmp_path / other).write_text("")
    if len(list(tmp_path.iterdir())) < 5:
        pytest.skip("the file system does not tell capitals apart")

    with pytest.raises(CardionerError, match=rf"{other} and n.\w+ are files of one note"):
        list(read_folder(tmp_path))
    changes: list[Change] = []
    assert [one.name for one in read_folder(tmp_path, lenient=True, changes=changes)] == ["m"]
    assert kinds(changes) == {"unreadable note": 1}


def test_hidden_files_are_no_notes(tmp_path: Path) -> None:
    put(tmp_path, TEXT, None)
    put(tmp_path, b"\x00\x05\x16\x07\xff", None, "._nota")

    assert [note.name for note in read_folder(tmp_path)] == ["nota"]


# Continuous, clean entities


@pytest.mark.parametrize("gap", ["\n", "\r\n", " \n\t ", "\u2028"])
def test_fragments_over_white_space_are_merged(tmp_path: Path, gap: str) -> None:
    text = f"dolor{gap}torácico"
    ann = f"T1\tS 0 5;{len(text) - 8} {len(text)}\tdolor torácico\n"
    changes: list[Change] = []

    assert entities(read_note(put(tmp_path, text, ann)), changes=changes) == [
        Entity(0, len(text), "S", text)
    ]
    assert kinds(changes) == {"merged": 1}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("first", [(0, 5, "S")]),
        ("longest", [(19, 28, "S")]),
        ("cover", [(0, 28, "S")]),
        ("skip", []),
    ],
)
def test_policies_for_discontinuous_mentions(
    tmp_path: Path, policy: str, expected: list[tuple[int, int, str]]
) -> None:
    text = "dolor y molestia o abdominal"
    ann = "T1\tS 19 28;0 5\tabdominal dolor\n"
    changes: list[Change] = []
    note = read_note(put(tmp_path, text, ann))

    assert spans(note, discontinuous=policy, changes=changes) == expected
    left_out = {"left out": 1} if policy == "skip" else {}
    assert kinds(changes) == {"discontinuous": 1, **left_out}
    assert (note.textbounds[0].start, note.textbounds[0].end) == (0, 28)


def test_the_default_covers(tmp_path: Path) -> None:
    note = read_note(put(tmp_path, "dolor o molestia", "T1\tS 0 5;8 16\tdolor molestia\n"))

    assert spans(note) == [(0, 16, "S")]


def test_edges_are_trimmed_and_empty_mentions_left_out(tmp_path: Path) -> None:
    text = "\u00a0asma \n\nfin"
    ann = "T1\tE 0 7\t\u00a0asma \nT2\tE 5 6\t \nT3\tE 0 1;1 5\t\u00a0 asma\n"
    changes: list[Change] = []
    note = read_note(put(tmp_path, text, ann))

    assert entities(note, changes=changes) == [Entity(1, 5, "E", "asma")]
    assert kinds(changes) == {"trimmed": 2, "empty": 1, "duplicate": 1}


def test_reports_name_the_line_of_an_ann(tmp_path: Path) -> None:
    ann = "# libre\nT1\tA 0 7\tAlergia\nT2\tA 0 7\t Alergia\n"
    changes: list[Change] = []

    entities(read_note(put(tmp_path, TEXT, ann)), changes=changes)

    assert [change.describe() for change in changes] == [
        f"{tmp_path}/nota.ann:3: trimmed A 0 7",
        f"{tmp_path}/nota.ann:3: duplicate A 0 7",
    ]


@pytest.mark.parametrize(
    ("rename", "only", "message"),
    [
        ({"Drug": "X"}, None, "--label: no entity has the label Drug; there are A, B"),
        ({}, ["B", "C", "D"], "--only: no entity has the label C, D; there are A, B"),
        ({"A": "X"}, ["A"], "--only: no entity has the label A; there are B, X"),
        ({}, [], ""),
        ({"A": "B"}, ["B"], ""),
    ],
)
def test_labels_must_occur(rename: dict[str, str], only: list[str] | None, message: str) -> None:
    if not message:
        return check_labels({"A", "B"}, rename, only)
    with pytest.raises(CardionerError) as caught:
        check_labels({"A", "B"}, rename, only)
    assert str(caught.value) == message
    with pytest.raises(CardionerError, match="there is no entity"):
        check_labels((), {"A": "B"}, None)


def test_duplicates_need_the_same_label(tmp_path: Path) -> None:
    ann = "T1\tA 0 7\tAlergia\nT2\tA 0 7\tAlergia\nT3\tB 0 7\tAlergia\n"
    changes: list[Change] = []

    assert spans(read_note(put(tmp_path, TEXT, ann)), changes=changes) == [(0, 7, "A"), (0, 7, "B")]
    assert kinds(changes) == {"duplicate": 1}


def test_a_change_tells_the_mention_only_when_asked(tmp_path: Path) -> None:
    changes: list[Change] = []
    entities(read_note(put(tmp_path, "asma ", "T1\tE 0 5\tasma \n")), changes=changes)
    (change,) = changes

    place = f"{tmp_path}/nota.ann:1"
    assert change.describe() == f"{place}: trimmed E 0 5"
    assert "text" not in change.to_dict()
    assert "asma" in change.describe(show_text=True)
    assert change.to_dict(show_text=True)["text"] == "asma "


# Faults

MALFORMED = {
    "end out of range": f"T2\tA 38 47\t{TEXT[38:]}",
    "all out of range": "T2\tA 400 401\t",
    "end before start": "T2\tA 7 0\tAlergia",
    "end is start": "T2\tA 7 7\t",
    "other mention": "T2\tA 0 7\talergia",
    "mention cut": "T2\tA 0 7\tAlergi",
    "mention with more": "T2\tA 0 7\tAlergia a",
    "spaces are not the text's": "T2\tA 0 20\tAlergia  a penicilina",
    "no mention": "T2\tA 0 7",
    "negative": "T2\tA -1 7\tAlergia",
    "float": "T2\tA 0.0 7\tAlergia",
    "letters": "T2\tA x y\tAlergia",
    "digits of another script": "T2\tA ٠ ٧\tAlergia",
    "an underscore": "T2\tA 0 0_7\tAlergia",
    "more digits than int() takes": f"T2\tA 0 {'9' * 5000}\tAlergia",
    "one offset": "T2\tA 0\tAlergia",
    "three offsets": "T2\tA 0 7 8\tAlergia",
    "fragment of one offset": "T2\tA 0;1 7\tAlergia",
    "empty fragment": "T2\tA 0 7;\tAlergia",
    "overlapping fragments": "T2\tA 0 5;4 7\tAlerg gia",
    "label missing": "T2\t0 7\tAlergia",
    "spaces for tabs": "T2 A 0 7 Alergia",
    "nothing after the id": "T2\t",
    "id without a number": "T\tA 0 7\tAlergia",
    "id used before": "T1\tA 0 7\tAlergia",
    "unknown kind": "Z1\tA 0 7\tAlergia",
    "free text": "hola",
    "line starts with a space": " T2\tA 0 7\tAlergia",
    "relation without anything": "R1",
    "undecodable": b"T2\tA 0 7\tAl\xffergia",
    "half a surrogate pair": b"T2\tA 0 7\tAl\xed\xa0\x80ergia",
}


@pytest.mark.parametrize("line", MALFORMED.values(), ids=MALFORMED)
def test_malformed_lines_are_named_or_skipped(tmp_path: Path, line: str | bytes) -> None:
    raw = line if isinstance(line, bytes) else line.encode()
    good = b"T1\tFARMACO 10 20\tpenicilina\n"
    txt = put(tmp_path, TEXT, good + raw + b"\nT9\tFARMACO 27 37\tbisoprolol\n")
    changes: list[Change] = []

    with pytest.raises(CardionerError) as caught:
        read_note(txt)
    note = read_note(txt, lenient=True, changes=changes)

    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'nota.ann'}:2: ")
    assert "lergi" not in message, "no text of a note in a message"
    assert spans(note) == [(10, 20, "FARMACO"), (27, 37, "FARMACO")]
    assert kinds(changes) == {"malformed": 1}


def test_what_is_read_leniently_and_written_reads_strictly(tmp_path: Path) -> None:
    lines = [line if isinstance(line, bytes) else line.encode() for line in MALFORMED.values()]
    txt = put(tmp_path, TEXT, b"\n".join([b"T1\tFARMACO 10 20\tpenicilina", *lines]))

    write_note(read_note(txt, lenient=True), tmp_path / "out")

    assert spans(read_note(tmp_path / "out" / "nota.txt")) == [(10, 20, "FARMACO")]


def test_a_text_that_is_not_utf8_names_its_line(tmp_path: Path) -> None:
    txt = put(tmp_path, "uno\r\ndos\x85\n".encode() + "día".encode("latin-1"), None)

    with pytest.raises(CardionerError, match=r"nota\.txt:3: "):
        read_note(txt)
    with pytest.raises(CardionerError):
        read_note(txt, lenient=True)


def test_lenient_folder_skips_notes_that_cannot_be_read(tmp_path: Path) -> None:
    put(tmp_path, TEXT, "T1\tFARMACO 10 20\tpenicilina\n", "a")
    put(tmp_path, b"\xff\xfe", "", "b")
    put(tmp_path, TEXT, "T1\tFARMACO 10 20\tpenicilina\n", "d")
    (tmp_path / "c.ann").write_text("")
    changes: list[Change] = []

    assert [note.name for note in read_folder(tmp_path, lenient=True, changes=changes)] == [
        "a",
        "d",
    ]
    assert kinds(changes) == {"unreadable note": 2}
    with pytest.raises(CardionerError, match=r"b\.txt:1: "):
        list(read_folder(tmp_path))


def test_an_ann_without_its_txt(tmp_path: Path) -> None:
    put(tmp_path, TEXT, "")
    (tmp_path / "sola.ann").write_text("")

    with pytest.raises(CardionerError, match=r"sola\.txt: .*sola\.ann"):
        list(read_folder(tmp_path))
    with pytest.raises(CardionerError, match=r"sola\.txt: "):
        read_note(tmp_path / "sola.txt")


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "carpeta.txt").mkdir()
    for path in ("no.txt", "carpeta.txt", "nota.ann", "a\0b.txt", "x" * 300 + ".txt"):
        with pytest.raises(CardionerError):
            read_note(tmp_path / path)
    for path in ("no", "a\0b"):
        with pytest.raises(CardionerError):
            list(read_folder(tmp_path / path))
        with pytest.raises(CardionerError):
            read_tsv(tmp_path / path)


def test_a_folder_without_notes(tmp_path: Path) -> None:
    for lenient in (False, True):
        with pytest.raises(CardionerError, match=r"no \.txt"):
            list(read_folder(tmp_path, lenient=lenient))


# No bytes whatsoever

piece = st.one_of(
    st.binary(max_size=6),
    st.integers(-1, 30).map(lambda number: str(number).encode()),
    st.sampled_from(
        [b"T1", b"T2", b"A1", b"R1", b"#", b"*", b"\t", b"\t", b" ", b";", b"\n", b"\r\n", b"X"]
        + [
            b"Alergia",
            "día".encode(),
            BOM,
            "\u2028".encode(),
            b"0 7",
            b"T1\tX 0 7\tAlergia\n",
        ]
    ),
)
anything = st.one_of(st.binary(), st.lists(piece).map(b"".join))


@unhurried
@given(text=st.one_of(anything, st.just(b"Alergia d\xc3\xada\n")), ann=anything)
@example(text=b"a", ann=b"T1\tX 0;1 1\ta")
def test_no_bytes_make_reading_fail_otherwise(scratch: Path, text: bytes, ann: bytes) -> None:
    txt = put(scratch, text, ann)
    for lenient in (False, True):
        try:
            note = read_note(txt, lenient=lenient)
        except CardionerError as error:
            assert str(error).startswith((f"{txt}:", f"{txt.with_suffix('.ann')}:"))
            continue
        for policy in ("first", "longest", "cover", "skip"):
            for entity in entities(note, discontinuous=policy):  # type: ignore[arg-type]
                assert note.text[entity.start : entity.end] == entity.text == entity.text.strip()
        write_note(note, scratch / "out")
        if not lenient:
            assert (scratch / "out" / "nota.txt").read_bytes() == text
            assert (scratch / "out" / "nota.ann").read_bytes() == ann
        assert read_note(scratch / "out" / "nota.txt").textbounds == note.textbounds


@unhurried
@given(rows=anything)
def test_no_bytes_make_reading_a_table_fail_otherwise(scratch: Path, rows: bytes) -> None:
    path = scratch / "any.tsv"
    for data in (rows, b"filename\tlabel\tstart_span\tend_span\ttext\n" + rows):
        path.write_bytes(data)
        for lenient in (False, True):
            try:
                read_tsv(path, lenient=lenient)
            except CardionerError as error:
                assert str(error).startswith(f"{path}:")


# Round trips

# Letters of several planes, and everything that some tool takes for white space or a line end.
character = st.one_of(
    st.characters(exclude_categories=["Cs"]),
    st.sampled_from("\n\r\t \x0b\x0c\x1c\x85\u00a0\u2028\u2029\u3000\ufeff\"';é🫀"),
)
texts = st.text(character, min_size=1, max_size=40)
labels = st.from_regex(r"[A-Z_;\-]{1,8}", fullmatch=True)


@st.composite
def texts_with_entities(draw: st.DrawFn) -> tuple[str, list[Entity]]:
    """A text and, as `entities` would give them, some clean spans of it; they may overlap."""
    text = draw(texts)
    found = set()
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(text) - 1))
        end = draw(st.integers(start + 1, len(text)))
        mention = text[start:end]
        if mention == mention.strip():
            found.add(Entity(start, end, draw(labels), mention))
    return text, sorted(found)


BREAKS = "a\tb\nc\r\nd\x0be\x0cf\x1cg\x1dh\x1ei\x85j\u2028k\u2029l"


@unhurried
@example((BREAKS, [Entity(0, len(BREAKS), "S", BREAKS)]), "nota")
@example(("\ufeffasma", [Entity(1, 5, "S", "asma")]), "nota")
@given(texts_with_entities(), st.sampled_from(["nota", "nota con espacios", "a.b", "ñ"]))
def test_entities_survive_writing_and_reading(
    scratch: Path, generated: tuple[str, list[Entity]], name: str
) -> None:
    text, given_entities = generated
    write_note(note_from_entities(name, text, given_entities), scratch)
    note = read_note(scratch / f"{name}.txt")
    ann = (scratch / f"{name}.ann").read_bytes().decode()

    assert len(ann.splitlines()) == len(given_entities), "for tools that end lines elsewhere, too"
    assert note.text == text
    assert entities(note) == given_entities


@unhurried
@given(texts_with_entities(), st.booleans(), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_files_survive_reading_and_writing(
    scratch: Path, generated: tuple[str, list[Entity]], bom: bool, ann_bom: bool, eol: str
) -> None:
    text, found = generated
    lines = [line.raw for line in note_from_entities("n", text, found).lines] + ["#1\tX T1\tñ"]
    put(scratch, BOM * bom + text.encode(), BOM * ann_bom + eol.join(lines).encode())
    assume(bom or not text.startswith("\ufeff"))  # it would be a mark itself
    note = read_note(scratch / "nota.txt")
    write_note(note, scratch / "copy")

    assert entities(note) == found
    for name in ("nota.txt", "nota.ann"):
        assert (scratch / "copy" / name).read_bytes() == (scratch / name).read_bytes()


WIDTHS = {"utf-8": 1, "utf-16-le": 2, "utf-32-le": 4}
ends = st.sampled_from(["\n", "\r\n"])


@unhurried
@given(texts_with_entities(), st.sampled_from([*WIDTHS]), ends, ends, st.booleans(), st.booleans())
def test_offsets_of_other_tools_fit_or_are_explained(
    scratch: Path,
    generated: tuple[str, list[Entity]],
    encoding: str,
    end: str,
    counted_end: str,
    marked: bool,
    counted_mark: bool,
) -> None:
    """Offsets may count bytes, other line ends than those of the file, and a byte order mark."""
    text, found = generated
    assume("\r" not in text and not text.startswith("\ufeff"))

    def counted(part: str) -> int:
        read = "\ufeff" * counted_mark + part.replace("\n", counted_end)
        return len(read.encode(encoding)) // WIDTHS[encoding]

    words = [" ".join(one.text.split()) for one in found]
    spelled = [
        gist if "\n" in one.text else re.sub(r"\s", " ", one.text)
        for one, gist in zip(found, words, strict=True)
    ]
    ann = ""
    for number, (one, mention) in enumerate(zip(found, spelled, strict=True)):
        offsets = f"{counted(text[: one.start])} {counted(text[: one.end])}"
        ann += f"T{number}\t{one.label} {offsets}\t{mention}\n"
    put(scratch, BOM * marked + text.replace("\n", end).encode(), ann)
    characters = encoding == "utf-32-le" and (end == counted_end or "\n" not in text)
    try:
        read = [one.text for one in entities(read_note(scratch / "nota.txt"))]
    except CardionerError as error:
        assert "; the offsets fit if they count " in str(error)
        assert not characters or counted_mark > marked
    else:
        assert {" ".join(one.split()) for one in read} == {*words}


@unhurried
@given(texts_with_entities())
def test_entities_survive_the_table(scratch: Path, generated: tuple[str, list[Entity]]) -> None:
    _, found = generated
    write_tsv(scratch / "n.tsv", {"a b": found, "vacía": []})
    read = read_tsv(scratch / "n.tsv").get("a b", [])

    assert [entity[:3] for entity in read] == [entity[:3] for entity in found]
    for before, after in zip(found, read, strict=True):
        assert after.text.split() == before.text.split()


PUBLISHED = ["filename mark label off0 off1 span", "filename ann_id label start_span end_span text"]


@unhurried
@given(texts_with_entities(), st.sampled_from(PUBLISHED))
def test_a_published_table_is_read_like_standoff(
    scratch: Path, generated: tuple[str, list[Entity]], header: str
) -> None:
    text, found = generated
    assume(not text.startswith("\ufeff"))  # it would be a mark
    folder = scratch / "texts"
    write_note(note_from_entities("a b", text, found), folder)
    table = scratch / "published.tsv"
    write_tsv(table, {"a b": found})
    rows = [line.split("\t", 1) for line in table.read_text("utf-8").split("\n")[1:-1]]
    lines = ["\t".join(header.split()), *(f"{name}\tT1\t{rest}" for name, rest in rows)]
    table.write_bytes("\n".join(lines).encode())

    (by_table,), (by_standoff,) = read_table(folder, table), read_folder(folder)
    assert entities(by_table) == entities(by_standoff) == found
    assert count_labels(table) == count_labels(folder) == Counter(one.label for one in found)


@pytest.mark.parametrize("ann", ["T1\tA 0 7\tAlergia", "\r\n\n", "", None])
def test_missing_ends_and_missing_files_stay_missing(tmp_path: Path, ann: str | None) -> None:
    (tmp_path / "in").mkdir()
    write_note(read_note(put(tmp_path / "in", TEXT, ann)), tmp_path / "out")

    assert files(tmp_path / "out") == files(tmp_path / "in")


# Writing


@pytest.mark.parametrize(
    ("code", "reference"),
    [
        ("C03CA01", "ATC:C03CA01"),
        ("C03", "ATC:C03"),
        ("A02A", "ATC:A02A"),
        ("AIFA:12345", "AIFA:12345"),
        ("I50.9", "KB:I50.9"),
        ("dos  partes", "KB:dos_partes"),
        (":x", "KB::x"),
    ],
)
def test_a_code_becomes_an_n_line(tmp_path: Path, code: str, reference: str) -> None:
    text = "Toma AAS y furosemida\r\n40 mg."
    found = [
        Entity(5, 8, "FARMACO", "AAS"),
        Entity(11, 28, "FARMACO", text[11:28], kb_id=code),
        Entity(11, 21, "FARMACO", "furosemida", kb_id=code),
    ]
    write_note(note_from_entities("n", text, found, [None, {"Negated": True}, None]), tmp_path)

    assert (tmp_path / "n.ann").read_text() == (
        "T1\tFARMACO 5 8\tAAS\n"
        "T2\tFARMACO 11 21;23 28\tfurosemida 40 mg\n"
        "A1\tNegated T2\n"
        f"N1\tReference T2 {reference}\tfurosemida 40 mg\n"
        "T3\tFARMACO 11 21\tfurosemida\n"
        f"N2\tReference T3 {reference}\tfurosemida\n"
    )
    assert spans(read_note(tmp_path / "n.txt")) == [one[:3] for one in sorted(found)]


def test_the_lines_of_a_new_note(tmp_path: Path) -> None:
    text = "Niega dolor\r\ntorácico\ty asma."
    found = [Entity(6, 21, "S", text[6:21]), Entity(24, 28, "E", "asma")]
    note = note_from_entities(
        "n", text, found, [{"Negated": True, "Certainty": "Low", "Family": False}, None]
    )
    write_note(note, tmp_path)

    assert (tmp_path / "n.txt").read_bytes() == text.encode()
    assert (tmp_path / "n.ann").read_text() == (
        "T1\tS 6 11;13 21\tdolor torácico\n"
        "A1\tNegated T1\n"
        "A2\tCertainty T1 Low\n"
        "T2\tE 24 28\tasma\n"
    )
    assert entities(read_note(tmp_path / "n.txt")) == found


@pytest.mark.parametrize(
    "entity",
    [
        Entity(0, 7, "A", "alergia"),
        Entity(0, 700, "A", TEXT),
        Entity(-1, 46, "A", "."),
        Entity(3, 3, "A", ""),
        Entity(0, 7, "DOS PALABRAS", "Alergia"),
        Entity(0, 7, "", "Alergia"),
        Entity(21, 22, "A", "\n"),
    ],
)
def test_entities_that_standoff_cannot_hold(entity: Entity) -> None:
    with pytest.raises(CardionerError, match="entity 1: "):
        note_from_entities("n", TEXT, [entity])


@pytest.mark.parametrize("attributes", [{"A b": True}, {"": True}, {"A": "x\ty"}, {"A": ""}])
def test_attributes_that_standoff_cannot_hold(attributes: dict[str, bool | str]) -> None:
    with pytest.raises(CardionerError, match="entity 1: "):
        note_from_entities("n", TEXT, [Entity(0, 7, "A", "Alergia")], [attributes])


@pytest.mark.parametrize("name", ["", "../n", "a/b", "a\0", "x" * 300])
def test_names_that_are_no_file_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(CardionerError):
        write_note(note_from_entities(name, TEXT, []), tmp_path / "out")


def test_nothing_is_written_of_a_note_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(
        CardionerError, match=r"the note <1 characters, sha256 \w{4}> cannot be written"
    ):
        write_note(note_from_entities("n", "a\ud800", []), tmp_path)
    assert not list(tmp_path.iterdir())


# The table of the task

HEADER = "filename\tlabel\tstart_span\tend_span\ttext\n"


def test_the_table_is_written_unquoted(tmp_path: Path) -> None:
    found = [Entity(0, 9, "S", 'tos "seca'), Entity(10, 26, "S", "dolor \r\n torácico")]
    write_tsv(tmp_path / "t.tsv", {"caso 1": found})

    rows = 'caso 1\tS\t0\t9\ttos "seca\ncaso 1\tS\t10\t26\tdolor torácico\n'
    assert (tmp_path / "t.tsv").read_bytes().decode() == HEADER + rows


def test_a_table_with_a_mark_line_ends_of_windows_and_tabs_in_the_text(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    rows = 'b\tS\t3\t9\t"a\tb"\nb\tS\t0\t2\t\u2028x\na\tS\t0\t1\tx\na\tS\t0\t1\tx\n'
    path.write_bytes(BOM + (HEADER + rows).replace("\n", "\r\n").encode())
    changes: list[Change] = []

    assert read_tsv(path, changes=changes) == {
        "b": [Entity(0, 2, "S", "\u2028x"), Entity(3, 9, "S", '"a\tb"')],
        "a": [Entity(0, 1, "S", "x")],
    }
    assert kinds(changes) == {"duplicate": 1}
    assert len(read_tsv(path, repeated=True)["a"]) == 2


@pytest.mark.parametrize(
    "row",
    [
        b"a\tS\t0\t1",
        b"a\tS\tx\t1\tx",
        b"a\tS\t1\t1\tx",
        b"a\tS\t-1\t1\tx",
        b"a\t\t0\t1\tx",
        b"\tS\t0\t1\tx",
        b"a\tS S\t0\t1\tx",
        b"a\tS\t0\t1\t\xff",
        b"",
    ],
)
def test_malformed_rows_are_named_or_skipped(tmp_path: Path, row: bytes) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes(HEADER.encode() + b"a\tS\t0\t1\tx\n" + row + b"\na\tS\t2\t3\ty\n")
    changes: list[Change] = []

    with pytest.raises(CardionerError) as caught:
        read_tsv(path)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert len(read_tsv(path, lenient=True, changes=changes)["a"]) == 2
    assert kinds(changes) == {"malformed": 1}


@pytest.mark.parametrize("header", ["", "filename,label\n", "a\tS\t0\t1\tx\n"])
def test_a_table_with_another_header(tmp_path: Path, header: str) -> None:
    (tmp_path / "t.tsv").write_text(header)

    for lenient in (False, True):
        with pytest.raises(CardionerError, match=r"t\.tsv:1: "):
            read_tsv(tmp_path / "t.tsv", lenient=lenient)


@pytest.mark.parametrize(
    ("name", "entity"),
    [
        ("a\tb", Entity(0, 1, "S", "x")),
        ("a\nb", Entity(0, 1, "S", "x")),
        ("", Entity(0, 1, "S", "x")),
        ("\udcff", Entity(0, 1, "S", "x")),
        ("a", Entity(0, 1, "S S", "x")),
        ("a", Entity(0, 1, "", "x")),
        ("a", Entity(1, 1, "S", "")),
        ("a", Entity(-1, 1, "S", "x")),
    ],
)
def test_rows_that_the_table_cannot_hold(tmp_path: Path, name: str, entity: Entity) -> None:
    with pytest.raises(CardionerError, match=r"t\.tsv: "):
        write_tsv(tmp_path / "t.tsv", {name: [entity]})
    assert not (tmp_path / "t.tsv").exists()


# The real corpus


@pytest.mark.skipif(
    "MULTICARDIONER_DIR" not in os.environ,
    reason="set MULTICARDIONER_DIR to the folder of the MultiCardioNER corpus",
)
def test_the_real_corpus_reads_whole(tmp_path: Path) -> None:
    folders = sorted(Path(os.environ["MULTICARDIONER_DIR"]).rglob("brat"))
    assert len(folders) == 8
    for index, folder in enumerate(folders):
        copy = tmp_path / str(index)
        changes: list[Change] = []
        found: dict[str, list[Entity]] = {}
        for note in read_folder(folder, changes=changes):
            write_note(note, copy)
            found[note.name] = entities(note, changes=changes)
        assert not changes, "nothing merged, trimmed, skipped or kept aside"
        assert files(copy) == files(folder)

        with_entities = {name: rows for name, rows in found.items() if rows}
        (table,) = (folder.parent / "tsv").glob("*.tsv")
        assert read_tsv(table) == with_entities
        write_tsv(copy / "table.tsv", with_entities)
        assert read_tsv(copy / "table.tsv") == with_entities
