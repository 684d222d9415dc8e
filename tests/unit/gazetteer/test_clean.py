from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spacy_cardioner.gazetteer.clean import clean, reason_to_drop, strip_salt
from spacy_cardioner.gazetteer.names import Kind, Name, code_rank, is_atc
from spacy_cardioner.gazetteer.normalise import fold, key, pieces, split_combination, stem
from spacy_cardioner.gazetteer.report import Report


def cleaned(text: str, kind: Kind = "brand", **more: str) -> list[str]:
    """What a name of a registry becomes, in lower case."""
    name = Name(text=text, kind=kind, source="test", source_id="1", **more)  # type: ignore[arg-type]
    return [found.text.lower() for found in clean(name, Report())]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ABASAGLAR*5 cart 3 ml 100UI", "abasaglar"),
        ("Atorvastatina 10 mg comprimidos recubiertos con película EFG", "atorvastatina"),
        ("INVENTOL 2,5 mg/ml SOLUCION INYECTABLE EN JERINGA PRECARGADA", "inventol"),
        ("INVENTOL 49/51 mg", "inventol"),
        ("DEXTROSE 5% IN PLASTIC CONTAINER", "dextrose"),
        ("5% DEXTROSE IN PLASTIC CONTAINER", "dextrose"),
        ("INVENTOL (PRESERVATIVE FREE)", "inventol"),
        ("Inventol XR", "inventol"),
        ("INVENTOL RETARD", "inventol"),
        ("Inventol Oral Solution", "inventol"),
        ("FLIXOTIDE 250", "flixotide"),
        ("Inventol 2024-2025", "inventol"),
        ("INVENTOL® 10 mg compresse", "inventol"),
        ("Vitamin E", "vitamin e"),
        ("omega 3", "omega 3"),
        ("Factor VIII", "factor viii"),
        ("interferón beta-1a", "interferón beta-1a"),
    ],
)
def test_packages_doses_and_forms_are_taken_off(text: str, expected: str) -> None:
    assert cleaned(text) == [expected]


@pytest.mark.parametrize(
    ("text", "company", "substance", "expected"),
    [
        ("ACARBOSIO DOC GENERICI", "DOC GENERICI S.R.L.", "", "acarbosio"),
        ("ACARBOSIO TECNIGEN", "TECNIMEDE S.A.", "Acarbosio", "acarbosio"),
        ("ATORVASTATINA CINFA 10 mg comprimidos", "LABORATORIOS CINFA, S.A.", "", "atorvastatina"),
        ("CINFA", "LABORATORIOS CINFA, S.A.", "", "cinfa"),
        ("PEPTIREX", "ISTITUTO BIOCHIMICO S.R.L.", "Lansoprazolo", "peptirex"),
    ],
)
def test_companies_are_taken_off(text: str, company: str, substance: str, expected: str) -> None:
    assert cleaned(text, company=company, substance=substance) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HEPARIN SODIUM", {"heparin sodium", "heparin"}),
        ("clorhidrato de diltiazem", {"clorhidrato de diltiazem", "diltiazem"}),
        ("Bisoprololo fumarato", {"bisoprololo fumarato", "bisoprololo"}),
        ("candesartan cilexetil", {"candesartan cilexetil", "candesartan"}),
        ("lithium carbonate", {"lithium carbonate"}),
        ("cloruro potásico", {"cloruro potásico"}),
        ("iron sucrose", {"iron sucrose"}),
        ("Potassium metal", {"potassium metal"}),
    ],
)
def test_salts_are_taken_off_where_something_is_left(text: str, expected: set[str]) -> None:
    assert set(cleaned(text, "ingredient")) == expected


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Amoxicillina/acido clavulanico", ["amoxicillina", "acido clavulanico"]),
        ("Valsartan e idroclorotiazide", ["valsartan", "idroclorotiazide"]),
        ("losartan and hydrochlorothiazide", ["losartan", "hydrochlorothiazide"]),
        ("amlodipine / valsartan", ["amlodipine", "valsartan"]),
        ("ATORVASTATINA + EZETIMIBA", ["atorvastatina", "ezetimiba"]),
        ("sodio y potasio con magnesio", ["sodio", "potasio", "magnesio"]),
        ("vitamina E", []),
        ("vitamina E acetato", []),
    ],
)
def test_combinations_are_split_and_kept_whole(text: str, parts: list[str]) -> None:
    found = cleaned(text, "ingredient")

    assert found[0] == text.lower()
    assert [part for part in found[1:] if part in parts] == parts
    assert parts or split_combination(text) == [text]


def test_a_list_with_commas_is_a_combination_and_a_qualification_is_not() -> None:
    assert cleaned("atorvastatin, amlodipine and ramipril", "ingredient") == [
        "atorvastatin/amlodipine and ramipril",
        "atorvastatin",
        "amlodipine",
        "ramipril",
    ]
    assert cleaned("Dornase alfa, recombinant", "ingredient") == []


def test_a_part_has_no_code_and_no_id_of_its_own() -> None:
    name = Name("amlodipine/valsartan", "ingredient", "test", "7", code="C09DB01")

    whole, *parts = clean(name, Report())

    assert (whole.code, whole.source_id) == ("C09DB01", "7")
    assert {(part.code, part.source_id) for part in parts} == {("", "")}


@pytest.mark.parametrize(
    "text",
    [
        "(S)-2-amino-3-(4-imidazolyl)propanoic acid",
        "4-{[4-Ethyl-6-Methylamino]Methyl}-Benzene",
        "N-1H-indazol-5-yl-2-(6-methylpyridin-2-yl)quinazolin-4-amine",
        "a name of far more words than a drug ever has",
    ],
)
def test_chemists_names_are_left_out(text: str) -> None:
    assert cleaned(text, "ingredient") == []


def test_acids_and_groups_are_put_as_notes_have_them() -> None:
    assert cleaned("ACETILSALICILICO ACIDO", "ingredient") == ["acido acetilsalicilico"]
    assert cleaned("Agentes betabloqueantes", "group", lang="es")[1:] == ["agente betabloqueante"]
    assert cleaned("Inhibidores selectivos", "group", lang="es")[1:] == ["inhibidor selectivo"]
    assert cleaned("ACE inhibitors", "group", lang="en")[1:] == ["ace inhibitor"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("mg", "unit"),
        ("100 ml", "unit"),
        ("His", "short"),
        ("as", "short"),
        ("combinations", "generic"),
        ("Other diuretics", "generic"),
        ("otros preparados", "generic"),
        ("oral", "generic"),
        ("Acid complex", "generic"),
        ("acido folico", None),
        ("vita", None),
        ("bisoprolol", None),
    ],
)
def test_names_that_are_none_are_left_out(text: str, reason: str | None) -> None:
    name = Name(text, "ingredient", "test", "1")

    assert reason_to_drop(name) == reason
    assert reason_to_drop(Name(text, "ingredient", "test", "1", curated=True)) is None


def test_a_curated_name_is_kept_as_it_is() -> None:
    name = Name("K 10 mg comprimidos*", "ingredient", "own", "1", curated=True)

    assert [found.text for found in clean(name, Report())] == ["K 10 mg comprimidos*"]


def test_every_step_is_counted_with_examples() -> None:
    report = Report()
    for number in range(5):
        list(clean(Name(f"INVENTOL{number}L*5 cpr", "brand", "test", "1"), report))

    assert report.counts["read"] == report.counts["pack"] == 5
    assert report.examples["pack"] == [
        f"INVENTOL{number}L*5 cpr → INVENTOL{number}L" for number in (0, 1, 3)
    ]
    assert "        5  packages after an asterisk removed" in report.table()


@pytest.mark.parametrize(
    "variants",
    [
        ("heparin", "heparina", "eparina"),
        ("atropine", "atropina", "atropinum"),
        ("spironolactone", "espironolactona", "spironolattone"),
        ("hydrochlorothiazide", "hidroclorotiazida", "idroclorotiazide"),
        ("dexamethasone", "dexametasona", "desametasone"),
        ("quinidine", "quinidina", "chinidina"),
        ("amphotericin", "anfotericina", "amfotericina"),
        ("erythropoietin", "eritropoyetina", "eritropoietina"),
        ("statins", "estatinas", "statine"),
        ("enalapril", "enalapril", "enalaprilum"),
        ("bisoprolol", "bisoprolol", "bisoprololo"),
    ],
)
def test_one_stem_for_the_languages(variants: tuple[str, ...]) -> None:
    assert len({stem(variant) for variant in variants}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("factor vii", "factor viii"),
        ("estradiol", "estriol"),
        ("cefotaxime", "cefoxitin"),
        ("prednisone", "prednisolone"),
        ("vitamin e", "vitamin d"),
        ("interferon alfa", "interferon beta"),
        ("hydralazine", "hydroxyzine"),
    ],
)
def test_different_drugs_have_different_keys(one: str, other: str) -> None:
    assert key(one) != key(other)


def test_a_key_forgets_order_links_and_accents() -> None:
    assert key("ácido acetilsalicílico") == key("acetylsalicylic acid")
    assert key("mononitrato de isosorbida") == key("isosorbide mononitrate")


def test_pieces_part_words_and_numbers_and_join_hyphens() -> None:
    assert pieces("β-Bloqueantes") == pieces("beta bloqueantes") == ("beta", "bloqueantes")
    assert pieces("T-DM1") == ("t", "dm", "1")
    assert pieces("omega3") == pieces("Omega-3") == ("omega", "3")
    assert pieces("a + b") == pieces("A/B") == ("a", "/", "b")
    assert pieces("a - b") == ("a", "-", "b")
    assert pieces("Áçïdo™") == ("acido",)


@given(st.text())
@example("Ω")
def test_spelling_matters_to_no_name(text: str) -> None:
    assert pieces(unicodedata.normalize("NFD", text)) == pieces(unicodedata.normalize("NFC", text))
    assert fold(fold(text)) == fold(text)
    assert all(piece and not piece.isspace() for piece in pieces(text))


@given(st.text(alphabet=st.characters(codec="utf-8")), st.sampled_from(["ingredient", "brand"]))
def test_any_text_can_be_cleaned(text: str, kind: Kind) -> None:
    for name in clean(Name(text, kind, "test", "1", company=text, substance=text), Report()):
        reason_to_drop(name)
        assert strip_salt(name.text) or not name.text
        key(name.text)


def test_codes_have_the_form_of_atc() -> None:
    assert all(map(is_atc, ["C", "C07", "C07A", "C07AB", "C07AB07", "V03AN01"]))
    assert not any(map(is_atc, ["", "E01", "C7", "C07AB7", "c07ab07", "C07AB07 ", "C07AB070"]))


def test_the_likeliest_code_is_of_use_in_the_whole_body() -> None:
    lidocaine = ["D04AB01", "C01BB01", "C05AD01", "S01HA07", "R02AD02"]

    assert min(lidocaine, key=code_rank) == "C01BB01"
    assert min(["DRUGBANK:DB1", "S01HA07"], key=code_rank) == "S01HA07"
    assert min(["C07BB07", "C07BB57"], key=code_rank) == "C07BB07"
