from __future__ import annotations

import shutil
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.gazetteer.names import Name
from spacy_cardioner.gazetteer.readers import REGISTRIES, read, recognise
from spacy_cardioner.gazetteer.tables import MAX_LINE
from tests.conftest import ROOT

DATA = ROOT / "tests/data" / "gazetteer"
FILES = {
    "aifa_class_a.csv": "aifa",
    "aifa_class_h.csv": "aifa",
    "aifa_equivalents.csv": "aifa",
    "drugbank.csv": "drugbank",
    "products.txt": "fda",
    "RXNCONSO.RRF": "rxnorm",
    "rxnorm_names.tsv": "rxnorm",
    "atc.csv": "atc",
    "cima/Prescripcion.xml": "cima",
    "own.tsv": "own",
    "by_language.tsv": "own",
}
Edit = Callable[[bytes], bytes]


def names(file: str) -> set[tuple[str, str, str]]:
    """Text, kind and code of every name of a file."""
    return {(name.text, name.kind, name.code) for name in read(DATA / file)}


@pytest.mark.parametrize(("file", "registry"), FILES.items())
def test_a_file_is_known_by_its_content(tmp_path: Path, file: str, registry: str) -> None:
    copy = tmp_path / "download"
    shutil.copy(DATA / file, copy)

    assert recognise(copy) == registry


def test_aifa_class_a_has_no_header() -> None:
    found = names("aifa_class_a.csv")

    assert ("Bisoprololo fumarato", "ingredient", "") in found
    assert ("CARDINVENTA*28 cpr riv 5 mg", "brand", "") in found
    assert ("Attività inventata", "ingredient", "") in found
    (brand,) = (name for name in read(DATA / "aifa_class_a.csv") if name.text.startswith("CARD"))
    assert brand.substance == "Bisoprololo fumarato"
    assert brand.company == "AZIENDA PROVA SpA"
    assert brand.source_id == "099001012"


def test_aifa_class_h_is_read_in_windows_encoding_with_stray_columns() -> None:
    assert ("Eparina sodica", "ingredient", "") in names("aifa_class_h.csv")
    assert len(names("aifa_class_h.csv")) == 4


def test_aifa_equivalents_have_codes() -> None:
    assert names("aifa_equivalents.csv") == {
        ("Bisoprololo", "ingredient", "C07AB07"),
        ("BISOPROLOLO DITTA FINTA", "brand", "C07AB07"),
        ("Valsartan e idroclorotiazide", "ingredient", "C09DA03"),
        ("VALFINTO", "brand", "C09DA03"),
    }


def test_encodings_may_be_mixed_line_by_line(tmp_path: Path) -> None:
    mixed = tmp_path / "mixed.csv"
    lines = (DATA / "aifa_equivalents.csv").read_bytes().split(b"\r\n")
    lines[1] = lines[1].decode("cp1252").replace("DITTA FINTA S", "SOCIETÀ S").encode()
    mixed.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(lines))

    companies = {name.company for name in read(mixed)}

    assert companies == {"", "SOCIETÀ S.R.L.", "SOCIETÀ PROVA S.P.A."}


def test_drugbank_has_an_extra_header_row_and_synonyms() -> None:
    found = names("drugbank.csv")

    assert {("Atropine", "ingredient", ""), ("Atropinum", "ingredient", "")} <= found
    assert not any(text == "Common name" for text, _, _ in found)


def test_drugbank_as_published_has_commas(tmp_path: Path) -> None:
    published = tmp_path / "vocabulary.csv"
    published.write_text(
        "DrugBank ID,Accession Numbers,Common name,CAS,UNII,Synonyms,Standard InChI Key\n"
        'DB90001,X,Atropine,51-55-8,X,"Atropina | Atropinol, racemic",XX\n'
    )

    assert {name.text for name in read(published)} == {
        "Atropine",
        "Atropina",
        "Atropinol, racemic",
    }


def test_fda_joins_the_substances_of_a_product() -> None:
    found = names("products.txt")

    assert ("HYDROCHLOROTHIAZIDE/LOSARTAN POTASSIUM", "ingredient", "") in found
    assert ("INVENTAZAAR", "brand", "") in found


def test_rxnorm_keeps_names_and_takes_codes_from_atc() -> None:
    assert names("RXNCONSO.RRF") == {
        ("bisoprolol", "ingredient", "C07AB07"),
        ("Inventol", "brand", ""),
    }
    assert ("amlodipine / valsartan", "ingredient", "") in names("rxnorm_names.tsv")


def test_atc_has_groups_and_substances_and_no_organ_systems() -> None:
    found = names("atc.csv")

    assert ("BETA BLOCKING AGENTS", "group", "C07A") in found
    assert ("atropine", "ingredient", "A03BA01") in found
    assert ("atropine", "ingredient", "S01FA01") in found
    assert not any(text == "CARDIOVASCULAR SYSTEM" for text, _, _ in found)


def test_cima_reads_the_dictionaries_beside_it(tmp_path: Path) -> None:
    found = {name.text: name for name in read(DATA / "cima" / "Prescripcion.xml")}

    assert found["BISOPROLOL FUMARATO"].code == "C07AB07"
    assert found["AMLODIPINO BESILATO/VALSARTAN"].code == "C09DB01"
    assert found["CARDIOINVENTO 5 mg/80 mg COMPRIMIDOS"].company == "INVENTOS FARMA, S.L."
    assert found["Agentes betabloqueantes"].code == "C07"

    alone = tmp_path / "Prescripcion.xml"
    shutil.copy(DATA / "cima" / "Prescripcion.xml", alone)
    assert {name.kind for name in read(alone)} == {"brand"}


def test_own_tables_are_curated() -> None:
    by_language = list(read(DATA / "by_language.tsv"))
    own = list(read(DATA / "own.tsv"))

    assert all(name.curated for name in (*by_language, *own))
    assert ("aspirina", "es") in {(name.text, name.lang) for name in by_language}
    (short,) = (name for name in by_language if name.text == "AAS")
    assert (short.kind, short.code, short.also) == (
        "abbreviation",
        "B01AC06",
        ("A01AD05", "N02BA01"),
    )
    assert [(name.text, name.code, name.kind) for name in own] == [
        ("Inventol Forte", "C07AB07", "brand"),
        ("fármaco nuevo", "", "ingredient"),
    ]


def semicolons_to_bars(raw: bytes) -> bytes:
    return raw.replace(b";", b"|")


def tabs_to_commas(raw: bytes) -> bytes:
    return raw.replace(b"\t", b",")


def cut_off(raw: bytes) -> bytes:
    return raw[: len(raw) - 60]


def doubled(raw: bytes) -> bytes:
    return raw.rstrip() + b"\r\n" + raw.rstrip().splitlines()[-1] + b"\r\n"


def doubled_entry(raw: bytes) -> bytes:
    start = raw.index(b"<prescription>")
    end = raw.index(b"</prescription>") + len(b"</prescription>")
    return raw[:end] + raw[start:end] + raw[end:]


@pytest.mark.parametrize(
    ("file", "edit", "line", "said"),
    [
        (
            "aifa_equivalents.csv",
            semicolons_to_bars,
            0,
            "delimited by bars, but .* uses semicolons",
        ),
        ("products.txt", tabs_to_commas, 0, "delimited by commas, but .* uses tabs"),
        ("atc.csv", lambda raw: raw.replace(b",", b";"), 0, "delimited by semicolons"),
        ("aifa_class_a.csv", cut_off, 5, "columns"),
        ("aifa_class_a.csv", doubled, 6, "occurs twice, in line 5 and line 6"),
        ("aifa_equivalents.csv", doubled, 4, "occurs twice"),
        ("aifa_equivalents.csv", lambda raw: raw.replace(b";99202012;", b";;"), 3, "AIC"),
        ("drugbank.csv", doubled, 7, "occurs twice"),
        ("drugbank.csv", cut_off, 5, "columns"),
        ("products.txt", doubled, 5, "occurs twice"),
        ("rxnorm_names.tsv", doubled, 6, "occurs twice"),
        ("rxnorm_names.tsv", lambda raw: raw + b"XX\t1\ttext\n", 6, "not a type"),
        ("RXNCONSO.RRF", doubled, 6, "occurs twice"),
        ("RXNCONSO.RRF", cut_off, 5, "columns"),
        ("atc.csv", lambda raw: raw + b"C07AB07,other,NA,NA,NA,NA\n", 16, "two names"),
        ("atc.csv", lambda raw: raw + b"C07AB7,other,NA,NA,NA,NA\n", 16, "not an ATC code"),
        ("cima/Prescripcion.xml", cut_off, 6, "not well-formed XML"),
        ("cima/Prescripcion.xml", doubled_entry, 0, "occurs twice, in entry 1 and entry 2"),
        ("own.tsv", lambda raw: raw.replace(b"C07AB07", b"C07AB7"), 2, "not an ATC code"),
        ("own.tsv", lambda raw: raw.replace(b"brand", b"marca"), 2, "is not a kind"),
    ],
)
def test_a_fault_is_named_with_its_line(
    tmp_path: Path, file: str, edit: Edit, line: int, said: str
) -> None:
    faulty = tmp_path / Path(file).name
    faulty.write_bytes(edit((DATA / file).read_bytes()))

    where = f"{faulty}:{line}: " if line else f"{faulty}"
    with pytest.raises(CardionerError, match=f"^{where}.*{said}"):
        list(read(faulty, FILES[file]))


@pytest.mark.parametrize("registry", REGISTRIES)
@pytest.mark.parametrize("content", [b"", b" \n", b"PK\x03\x04\0\0", b"nothing\nlike it\n"])
def test_no_registry_takes_a_file_of_none(tmp_path: Path, registry: str, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)

    with pytest.raises(CardionerError, match="(?s)file: .*(empty|not)"):
        list(read(path))
    with pytest.raises(CardionerError, match="file(:1)?: "):
        list(read(path, registry))


@pytest.mark.parametrize("file", FILES)
def test_a_file_of_another_kind_is_named_as_such(file: str) -> None:
    other = "fda" if FILES[file] != "fda" else "atc"

    with pytest.raises(CardionerError, match=f"it looks like .* .{FILES[file]}."):
        list(read(DATA / file, other))


def test_a_missing_file_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(CardionerError, match="none.csv: cannot be read"):
        list(read(tmp_path / "none.csv"))


def test_an_endless_line_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_bytes((DATA / "atc.csv").read_bytes() + b"x" * (MAX_LINE + 1))

    with pytest.raises(CardionerError, match="long.csv:16: not a text file"):
        list(read(path))


def test_a_quotation_mark_that_is_never_closed(tmp_path: Path) -> None:
    path = tmp_path / "quote.csv"
    lines = b'C07AB07,"bisoprolol,NA,NA,NA,NA\n' + b"C07AB08,celiprolol,NA,NA,NA,NA\n" * 10_000
    path.write_bytes(b"atc_code,atc_name,ddd,uom,adm_r,note\n" + lines)

    with pytest.raises(CardionerError, match=r"quote.csv:\d+: a cell is too long"):
        list(read(path))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(file=st.sampled_from(sorted(FILES)), data=st.data())
def test_damage_gives_names_or_a_message(tmp_path: Path, file: str, data: st.DataObject) -> None:
    raw = bytearray((DATA / file).read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged"
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))])

    try:
        assert all(isinstance(name, Name) for name in read(path, FILES[file]))
    except CardionerError as error:
        assert str(error).startswith(f"{path}:")


def many_lines(path: Path, file: str, rows: int) -> int:
    """Write a file of this many rows that all have different ids; its size in megabytes."""
    raw = (DATA / file).read_bytes()
    if file.endswith(".xml"):
        start, end = raw.index(b"<prescription>"), raw.rindex(b"</prescription>") + 15
        entry = raw[start : raw.index(b"</prescription>") + 15]
        head, tail, old = raw[:start], raw[end:], b"900001"
    else:
        lines = raw.splitlines(keepends=True)
        head, entry, tail, old = b"".join(lines[:1]), lines[1], b"", b"900001\t"
    with path.open("wb") as stream:
        stream.write(head)
        for number in range(rows):
            stream.write(entry.replace(old, b"%06d" % number + old[6:]))
        stream.write(tail)
    return path.stat().st_size >> 20


@pytest.mark.parametrize("file", ["cima/Prescripcion.xml", "products.txt"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, file: str) -> None:
    path = tmp_path / Path(file).name
    used = []
    for rows in (2_000, 20_000):
        many_lines(path, file, rows)
        tracemalloc.start()
        count = sum(1 for _ in read(path))
        used.append(tracemalloc.get_traced_memory()[1] - sys.getsizeof(dict.fromkeys(range(rows))))
        tracemalloc.stop()
        assert count >= rows

    # What is left is the ids, which must be remembered to find those that occur twice.
    assert used[1] - used[0] < 18_000 * 150
