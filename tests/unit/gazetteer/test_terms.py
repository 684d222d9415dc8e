from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.gazetteer.build import build
from spacy_cardioner.gazetteer.lexicon import EXACT, NORMALISED
from spacy_cardioner.gazetteer.names import TERM
from spacy_cardioner.gazetteer.patterns import Pattern, to_pattern
from spacy_cardioner.gazetteer.readers import read, recognise
from spacy_cardioner.gazetteer.report import Report
from spacy_cardioner.gazetteer.terms import Terms

DISEASE = "ENFERMEDAD"
OBO = r"""format-version: 1.2
ontology: hp

[Term]
id: HP:0001645
name: Sudden cardiac death
def: "name: Death." []
synonym: "SCD\, sudden" EXACT []
synonym: "Premature sudden death" RELATED []

[Term]
id: HP:0000057
name: obsolete Clitoromegaly
is_obsolete: true
synonym: "Clitoromegaly" EXACT []

[Term]
id: GO:0000001
name: heart contraction

[Typedef]
id: HP:part_of
name: part of
"""
SNOMED = """\
id	effectiveTime	active	moduleId	conceptId	languageCode	typeId	term	case
2	20200131	1	9	22298006	es	900000000000013009	ataque "al corazón	9
1	20200131	1	9	22298006	es	900000000000003001	infarto de miocardio (trastorno)	9
3	20200131	0	9	22298006	es	900000000000013009	viejo	9
6	20200131	1	9	22298006	es	900000000000550004	Una definición.	9
4	20200131	1	9	80891009	es	900000000000003001	corazón (estructura corporal)	9
5	20200131	1	9	80891009	es	900000000000013009	corazón	9
"""
TABLE = """\
name	lang	source	id	licence
angina	es	doid	DOID:8805	CC0 1.0
"""
CLASSIFICATION = """\
code,code_0,description,level
ICD10:I21,I20-I25,"Infarto agudo, de miocardio",2
"""
CLASSIFICATION_ES = "Código;Descripción\nICD10ES:I21;Infarto agudo de miocardio\n"
BABELON = """\
lang	translation_language	subject_id	source_value	predicate_id	translation_value	ok
en	es	HP:0001279	Syncope	rdfs:label	Síncope	OFFICIAL
en	es	HP:0001279	Faint	oboInOwl:hasExactSynonym	Desmayo	OFFICIAL
en	es	HP:0001279	Faint	oboInOwl:hasBroadSynonym	Caída	OFFICIAL
en	es	HP:0000001	obsolete All	rdfs:label	Todos	OFFICIAL
en	es	HP:0000002	Height	rdfs:label		CANDIDATE
"""
FILES = {
    "hp.obo": ("obo", OBO),
    "sct2_Description_Snapshot-es.txt": ("snomed", SNOMED),
    "mine.tsv": ("terms", TABLE),
    "cie-10.csv": ("terms", CLASSIFICATION),
    "cie10es.csv": ("terms", CLASSIFICATION_ES),
    "hp-es.babelon.tsv": ("translation", BABELON),
}
NAMES = {
    "hp.obo": [
        ("Sudden cardiac death", "HP:0001645", "en", True),
        ("SCD, sudden", "HP:0001645", "en", False),
    ],
    "sct2_Description_Snapshot-es.txt": [
        ("infarto de miocardio", "SNOMEDCT:22298006", "es", True),
        ('ataque "al corazón', "SNOMEDCT:22298006", "es", False),
    ],
    "mine.tsv": [("angina", "DOID:8805", "es", True)],
    "cie-10.csv": [("Infarto agudo, de miocardio", "ICD10:I21", "", True)],
    "cie10es.csv": [("Infarto agudo de miocardio", "ICD10ES:I21", "", True)],
    "hp-es.babelon.tsv": [
        ("Síncope", "HP:0001279", "es", True),
        ("Desmayo", "HP:0001279", "es", False),
    ],
}


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("file", FILES)
def test_a_published_file_is_recognised_and_read(tmp_path: Path, file: str) -> None:
    kind, text = FILES[file]
    path = write(tmp_path / file, text)

    assert recognise(path) == kind
    found = list(read(path))
    assert {name.kind for name in found} == {TERM}
    assert [(n.text, n.code, n.lang, n.preferred) for n in found] == NAMES[file]
    packed = tmp_path / f"{file}.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert list(read(packed)) == found


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("hp.obo", "format-version: 1.2\n", "", "hp.obo: not an ontology in OBO format"),
        ("hp.obo", "Sudden cardiac death", "?", "hp.obo:6: .* is not a name"),
        ("mine.tsv", "DOID:8805", "", "mine.tsv:2: .* is not a code"),
        ("mine.tsv", "DOID:8805", "DOID 8805", "mine.tsv:2: .* is not a code"),
        ("mine.tsv", "angina\t", "\t", "mine.tsv:2: .* is not a name"),
        ("cie10es.csv", ";Infarto agudo de miocardio", "", "cie10es.csv:2: 1 columns"),
    ],
)
def test_a_fault_of_a_vocabulary_is_named_with_its_line(
    tmp_path: Path, file: str, old: str, new: str, said: str
) -> None:
    kind, text = FILES[file]
    with pytest.raises(CardionerError, match=said):
        list(read(write(tmp_path / file, text.replace(old, new, 1)), kind))


def test_a_damaged_packed_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.tsv.gz"
    path.write_bytes(gzip.compress(TABLE.encode())[:30])
    with pytest.raises(CardionerError, match=r"mine\.tsv\.gz: cannot be read"):
        list(read(path))


def patterns(tmp_path: Path, *tables: str, **settings: str) -> list[Pattern]:
    """Build from tables of id and name."""
    paths = [
        write(tmp_path / f"{number}.tsv", f"id\tname\n{table}")
        for number, table in enumerate(tables)
    ]
    return build([(None, path) for path in paths], **settings)  # type: ignore[arg-type]


def test_a_name_of_several_vocabularies_gets_the_code_of_the_first_file(tmp_path: Path) -> None:
    first, second = "HP:1\tSíncope\n", "DOID:2\tsincope\n"

    assert patterns(tmp_path, first, second) == [
        Pattern("Síncope", "HP:1", TERM, ("DOID:2",), DISEASE)
    ]
    assert patterns(tmp_path, second, first) == [
        Pattern("sincope", "DOID:2", TERM, ("HP:1",), DISEASE)
    ]


def test_a_name_of_several_codes_of_a_vocabulary_gets_none(tmp_path: Path) -> None:
    both = "HP:1\tSíncope\nHP:2\tsíncope\n"

    assert patterns(tmp_path, both) == [Pattern("Síncope", "", TERM, ("HP:1", "HP:2"), DISEASE)]
    # Another vocabulary may have one code.
    assert patterns(tmp_path, both, "DOID:2\tSincope\n") == [
        Pattern("Síncope", "DOID:2", TERM, ("HP:1", "HP:2"), DISEASE)
    ]


def test_the_name_of_a_code_comes_before_a_synonym_of_another(tmp_path: Path) -> None:
    obo = OBO.replace("heart contraction", "x") + (
        '[Term]\nid: HP:2\nname: Other\nsynonym: "Sudden cardiac death" EXACT []\n'
    )
    found = build([(None, write(tmp_path / "hp.obo", obo))])

    (one,) = [pattern for pattern in found if pattern.text == "Sudden cardiac death"]
    assert (one.id, one.also) == ("HP:0001645", ("HP:2",))


def test_names_that_would_be_found_wrongly_are_dropped(tmp_path: Path) -> None:
    report = Report()
    table = "id\tname\nD:1\tIC\nD:2\tSMEL\nD:3\tEnfermedad\nD:4\tNeumonía, no especificada\n"
    found = build([(None, write(tmp_path / "a.tsv", table))], report=report)

    assert [(pattern.text, pattern.id) for pattern in found] == [
        ("Neumonía", "D:4"),
        ("Neumonía, no especificada", "D:4"),
    ]
    dropped = {step: report.counts[step] for step in ("short", "abbreviation", "generic")}
    assert dropped == {"short": 1, "abbreviation": 1, "generic": 1}


def test_codes_need_a_vocabulary(tmp_path: Path) -> None:
    with pytest.raises(CardionerError, match="does not say its vocabulary.*--vocabulary ICD10"):
        patterns(tmp_path, "I21\tInfarto\n")
    with pytest.raises(CardionerError, match="not the name of a vocabulary"):
        patterns(tmp_path, "I21\tInfarto\n", vocabulary="CIE 10")
    (found,) = patterns(tmp_path, "I21\tInfarto\n", vocabulary="ICD10")
    assert found.id == "ICD10:I21"
    # J18 is pneumonia in ICD-10, and has the form of an ATC code.
    with pytest.raises(CardionerError, match="needs its vocabulary before it"):
        to_pattern({"label": DISEASE, "pattern": "Neumonía", "id": "I21.9", "kind": TERM})


def test_terms_for_several_labels_and_drugs_in_one_list(tmp_path: Path) -> None:
    drugs = write(tmp_path / "own.tsv", "name\tatc\nbisoprolol\tC07AB07\n")
    terms = write(tmp_path / "mine.tsv", TABLE)
    found = build([("own", drugs), (None, terms)], term_labels=[DISEASE, "SINTOMA"])

    assert [(p.text, p.id, p.kind, p.label) for p in found] == [
        ("bisoprolol", "C07AB07", "ingredient", "FARMACO"),
        ("angina", "DOID:8805", TERM, DISEASE),
        ("angina", "DOID:8805", TERM, "SINTOMA"),
    ]


LISTED = {
    "Infarto agudo de miocardio": "HP:1",
    "Diabetes mellitus tipo 2": "HP:2",
    "Extrasístoles ventriculares": "HP:3",
    "insuficiencia mitral": "HP:4",
    "Bloqueo de rama izquierda": "HP:5",
    "Bloqueo de rama derecha": "HP:6",
    "estenosis": "HP:7",
    "dilatación": "HP:8",
    "Linfoma difuso de células B grandes": "HP:9",
    "crisis sin pérdida de conciencia": "HP:10",
    "stenosi dell'aorta": "HP:11",
    "Heart failure": "HP:12",
    "tos": "HP:13",
    "hipertensión": "HP:14",
}


@pytest.fixture(scope="module")
def terms() -> Terms:
    found = Terms()
    found.add(Pattern(text, code, TERM, label=DISEASE) for text, code in LISTED.items())
    return found


@pytest.mark.parametrize(
    ("mention", "code", "match"),
    [
        ("Infarto agudo de miocardio", "HP:1", EXACT),
        ("INFARTO AGUDO DE MIOCARDIO", "HP:1", NORMALISED),
        ("infarto  agudo\nde miocardio", "HP:1", NORMALISED),
        ("infarto de miocardio agudo", "HP:1", NORMALISED),
        ("Infarto agudo del miocardio", "HP:1", NORMALISED),
        ("infartos agudos de miocardio", "HP:1", NORMALISED),
        ("diabetes mellitus tipo II", "HP:2", NORMALISED),
        ("diabetes mellitus (tipo 2)", "HP:2", NORMALISED),
        ("extrasistole ventricular", "HP:3", NORMALISED),
        ("bloqueo de rama izquierdo", "HP:5", NORMALISED),
        ("linfoma B difuso de células grandes", "HP:9", NORMALISED),
        ("stenosi aorta", "HP:11", NORMALISED),
        ("heart failure", "HP:12", NORMALISED),
    ],
)
def test_a_mention_is_found_in_its_other_forms(
    terms: Terms, mention: str, code: str, match: str
) -> None:
    answer = terms.look_up(mention, DISEASE)
    assert answer is not None
    assert (answer.code, answer.match, answer.candidates) == (code, match, [code])


@pytest.mark.parametrize(
    "mention",
    [
        "",
        ")",
        "infarto de miocardio",
        "infarto agudo",
        "infarto agudo de miocardio inferior",
        "diabetes mellitus tipo 1",
        "diabetes mellitus tipo I",
        "bloqueo de rama",
        "estenosis de la DA",
        "dilatación LA",
        "crisis con pérdida de conciencia",
        "hipotensión",
        "costas",
        "HP:1",
        "linfoma difuso de células A grandes",
    ],
)
def test_other_mentions_are_not(terms: Terms, mention: str) -> None:
    assert terms.look_up(mention, DISEASE) is None


def test_a_term_is_only_for_its_label(terms: Terms) -> None:
    assert terms.labels == {DISEASE}
    assert terms.look_up("tos", "SINTOMA") is None


def test_forms_that_fit_two_codes_are_candidates() -> None:
    terms = Terms()
    terms.add(
        Pattern(text, code, TERM, label=DISEASE)
        for text, code in [("quistes renales", "HP:1"), ("Quiste renal", "HP:2"), ("tos", "D:1")]
    )
    answer = terms.look_up("quiste de renales", DISEASE)
    assert answer is not None
    assert (answer.code, sorted(answer.candidates)) == ("", ["HP:1", "HP:2"])
    # As written, it is one of them.
    exact = terms.look_up("Quiste renal", DISEASE)
    assert exact is not None and exact.code == "HP:2"


def test_codes_that_are_added_come_first() -> None:
    terms = Terms()
    terms.add([Pattern("Tos", "HP:1", TERM, ("HP:3",), DISEASE)])
    assert terms.look_up("tos", DISEASE)
    terms.add([Pattern("tos", "ICD10:R05", TERM, label=DISEASE)])
    answer = terms.look_up("tos", DISEASE)
    assert answer is not None
    assert (answer.code, answer.candidates) == ("ICD10:R05", ["ICD10:R05", "HP:1", "HP:3"])
    assert len(terms) == len(list(terms)) == 2


@given(st.text(max_size=30), st.text(max_size=30))
@example("", "")
@example("İ", "ß")
def test_a_listed_name_is_found_and_no_text_fails(name: str, mention: str) -> None:
    terms = Terms()
    terms.add([Pattern(name, "HP:1", TERM, label=DISEASE)])
    terms.look_up(mention, DISEASE)
    answer = terms.look_up(name, DISEASE)
    assert answer is None or (answer.code, answer.match) == ("HP:1", EXACT)
