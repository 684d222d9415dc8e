"""The files of registries as they are published: their formats, and the names in their rows."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from spacy_cardioner.errors import CardionerError, shown
from spacy_cardioner.gazetteer.cima import Cima
from spacy_cardioner.gazetteer.names import (
    KINDS,
    Name,
    fault_of,
    index_names,
    is_atc,
    product_names,
)
from spacy_cardioner.gazetteer.obo import Obo
from spacy_cardioner.gazetteer.tables import Row, Table, read_head
from spacy_cardioner.layout import LANGUAGES

# RxNorm's ingredient, precise ingredient, several ingredients, brand. Other types have doses.
RXNORM_TYPES = ("IN", "PIN", "MIN", "BN")

SNOMED_FULL, SNOMED_SYNONYM = "900000000000003001", "900000000000013009"
# The full name of a concept ends with its kind.
SNOMED_TAG = re.compile(r"(?P<name>.+) \((?P<tag>[^()]+)\)")
SNOMED_TAGS = ("disorder", "finding", "trastorno", "hallazgo")


def recognise(path: Path) -> str | None:
    """Detect the registry of a file from its first lines: a key of `REGISTRIES`, or None.

    RAISES (CardionerError): The file cannot be read, is empty, or is not text.
    """
    head = read_head(path)
    for name, formats in REGISTRIES.items():
        if any(known.recognises(head) for known in formats):
            return name
    return None


def read(path: Path, registry: str | None = None) -> Iterator[Name]:
    """Read the names of a file, in its order.

    registry (str | None): A key of `REGISTRIES`. None detects it.
    RAISES (CardionerError): The file is unknown, of another registry, or invalid.
    """
    found = recognise(path)
    wanted = registry or found
    if wanted is None:
        known = "; ".join(f"{name} ({each[0].title})" for name, each in REGISTRIES.items())
        raise CardionerError(
            f"{path}: not a file of a known registry. Known are: {known}. Give the registry to see "
            f"what is missing: KIND={path.name}"
        )
    formats = REGISTRIES[wanted]
    if found is not None and found != wanted:
        raise CardionerError(
            f"{path}: not {formats[0].title}; it looks like {REGISTRIES[found][0].title} ({found})"
        )
    head = read_head(path)
    yield from next((each for each in formats if each.recognises(head)), formats[0]).read(path)


def _aifa(rows: Iterable[Row]) -> Iterator[Name]:
    for row in rows:
        cells = row.cells
        if not re.fullmatch(r"\d{6,9}", cells["id"]):
            raise row.error(
                "the code AIC is not a number; a cell may contain a delimiter: fix the line"
            )
        code = cells.get("code", "")
        if not is_atc(code):
            code = ""
        substance = Name(cells["substance"], "ingredient", "aifa", cells["id"], "it", code)
        yield from product_names(substance, cells["name"], cells["company"])


def _atc(rows: Iterable[Row]) -> Iterator[Name]:
    """Read the index. The rows of a code, one per daily dose, have the same name."""
    names: dict[str, str] = {}
    for row in rows:
        code, text = row.cells["code"], row.cells["name"]
        if not is_atc(code):
            raise row.error(f"{shown(code)} is not an ATC code; fix the line")
        first = names.setdefault(code, text)
        if first != text:
            raise row.error(
                f"the code {code} has two names, {shown(first)} and {shown(text)}; delete one line"
            )
        yield from index_names(code, text, "atc", "en")


def _drugbank(rows: Iterable[Row]) -> Iterator[Name]:
    for row in rows:
        name = row.cells["name"]
        for text in filter(None, [name, *row.cells["synonyms"].split(" | ")]):
            yield Name(text, "ingredient", "drugbank", row.cells["id"], lang="en", substance=name)


def _fda(rows: Iterable[Row]) -> Iterator[Name]:
    for row in rows:
        parts = filter(None, map(str.strip, row.cells["substances"].split(";")))
        substance = Name("/".join(parts), "ingredient", "fda", row.cells["application"], "en")
        yield from product_names(substance, row.cells["name"])


def _own(rows: Iterable[Row]) -> Iterator[Name]:
    for row in rows:
        cells = row.cells
        if "name" in cells:
            if not cells["name"]:
                raise row.error("the name is empty; fill it in, or delete the line")
            yield from _own_names(row, [cells["name"]], cells["lang"])
        else:
            for lang in LANGUAGES:
                yield from _own_names(row, map(str.strip, cells[lang].split("|")), lang)


def _own_names(row: Row, texts: Iterable[str], lang: str) -> Iterator[Name]:
    code, kind = row.cells["code"], row.cells["kind"] or "ingredient"
    also = tuple(filter(None, map(str.strip, row.cells.get("also", "").split("|"))))
    for text in filter(None, texts):
        if fault := fault_of(text):
            raise row.error(f"{shown(text)} is not a name: {fault}")
        for part in (code, *also):
            if part and not is_atc(part):
                raise row.error(f"{shown(part)} is not an ATC code; fix the line")
        if kind not in KINDS:
            raise row.error(f"{shown(kind)} is not a kind of name; use one of {', '.join(KINDS)}")
        source_id = code or f"{row.path.stem}:{row.line}"
        yield Name(text, kind, "own", source_id, lang, code, curated=True, also=also)


def _terms(rows: Iterable[Row]) -> Iterator[Name]:
    for row in rows:
        cells = row.cells
        code, vocabulary = cells["id"], cells["vocabulary"]
        code = f"{vocabulary}:{code}" if code and vocabulary and ":" not in code else code
        yield row.term(cells["name"], code, "terms", cells["lang"])


def _translations(rows: Iterable[Row]) -> Iterator[Name]:
    """Read the names and exact synonyms that have a translation, without obsolete ones."""
    for row in rows:
        cells = row.cells
        kind = cells["predicate"].rpartition(":")[2]
        obsolete = cells["original"].startswith("obsolete")
        if cells["name"] and not obsolete and kind in ("label", "hasExactSynonym"):
            preferred = kind == "label"
            yield row.term(cells["name"], cells["id"], "translation", cells["lang"], preferred)


def _snomed(rows: Iterable[Row]) -> Iterator[Name]:
    """Read the active names of disorders and findings, as the ends of the full names say."""
    full, others = list[Name](), list[Name]()
    wanted: dict[str, bool] = {}
    for row in rows:
        cells = row.cells
        if cells["active"] != "1" or cells["type"] not in (SNOMED_FULL, SNOMED_SYNONYM):
            continue
        text, code = cells["name"], f"SNOMEDCT:{cells['concept']}"
        if cells["type"] == SNOMED_FULL and (tagged := SNOMED_TAG.fullmatch(text)):
            wanted[code] = tagged["tag"] in SNOMED_TAGS
            full.append(row.term(tagged["name"], code, "snomed", cells["lang"]))
        else:
            others.append(row.term(text, code, "snomed", cells["lang"], preferred=False))
    # A file of translations may lack the full names, which are in that of the English edition.
    yield from (name for name in (*full, *others) if wanted.get(name.code, True))


def _rxnorm_list(rows: Iterable[Row]) -> Iterator[Name]:
    for row in rows:
        if row.cells["type"] not in RXNORM_TYPES:
            raise row.error(
                f"not a type ({', '.join(RXNORM_TYPES)}), a number and a name delimited by tabs; "
                "fix the line"
            )
        yield _rxnorm_name(row.cells)


def _rxnorm_release(rows: Iterable[Row]) -> Iterator[Name]:
    # The full release has the ATC codes of substances as names of another vocabulary.
    codes: dict[str, str] = {}
    found: list[dict[str, str]] = []
    for row in rows:
        cells = row.cells
        if cells["vocabulary"] == "ATC" and is_atc(cells["code"]):
            codes[cells["number"]] = cells["code"]
        wanted = cells["vocabulary"] == "RXNORM" and cells["type"] in RXNORM_TYPES
        if wanted and cells["lang"] == "ENG" and cells["suppressed"] in ("N", ""):
            found.append(cells)
    for cells in found:
        yield _rxnorm_name(cells, codes.get(cells["number"], ""))


def _rxnorm_name(cells: dict[str, str], code: str = "") -> Name:
    text, number = cells["name"], cells["number"]
    if cells["type"] == "BN":
        return Name(text, "brand", "rxnorm", number)
    return Name(text, "ingredient", "rxnorm", number, lang="en", code=code)


# source: https://www.aifa.gov.it/liste-farmaci-a-h, https://www.aifa.gov.it/liste-di-trasparenza
AIFA_CLASSES = Table(
    "a list of AIFA (class A, class H or equivalents)",
    ";",
    {
        "substance": "principio attivo",
        "name": "denominazione e confezione",
        "company": "titolare aic",
        "id": "codice aic",
    },
    _aifa,
    unique=["id"],
)
AIFA_EQUIVALENTS = replace(
    AIFA_CLASSES,
    columns={
        "substance": "principio attivo",
        "code": "atc",
        "id": "aic",
        "name": "farmaco",
        "company": "ditta",
    },
)
# Class A is also published without a header.
AIFA_BARE = replace(
    AIFA_CLASSES,
    header=["principio attivo", "", "denominazione e confezione", "", "titolare aic", "codice aic"],
    first_line=re.compile(r"[^;]+;[^;]+;[^;]*\*[^;]*;[^;]*;[^;]*;\d{6,9};"),
)
# source: https://atcddd.fhi.no/atc_ddd_index/
ATC_INDEX = Table(
    "the ATC index as a table with the columns atc_code and atc_name",
    ",",
    {"code": "atc_code", "name": "atc_name"},
    _atc,
)
# source: https://go.drugbank.com/releases/latest#open-data
DRUGBANK = Table(
    "DrugBank's open vocabulary",
    ",;",  # DrugBank uses commas; there are copies with semicolons.
    {"id": "drugbank id", "name": "common name", "synonyms": "synonyms"},
    _drugbank,
    unique=["id"],
)
# source: https://www.fda.gov/drugs/drug-approvals-and-databases/drugsfda-data-files
FDA = Table(
    "Products.txt of Drugs@FDA",
    "\t",
    {
        "application": "applno",
        "product": "productno",
        "name": "drugname",
        "substances": "activeingredient",
    },
    _fda,
    quoting=csv.QUOTE_NONE,
    unique=["application", "product"],
)
# A user's table: one row per name, whose kind is one of `KINDS`, by default an ingredient.
OWN = Table(
    "a table of your own with the column atc, and name or a column for each language",
    "\t",
    {"name": "name", "code": "atc", "kind": "kind", "lang": "lang"},
    _own,
    quoting=csv.QUOTE_NONE,
    optional=["kind", "lang"],
)
# Or one row per code and kind. Names and the further codes of "also" are delimited by bars.
OWN_BY_LANGUAGE = replace(
    OWN,
    columns={"code": "atc", "kind": "kind", **{lang: lang for lang in LANGUAGES}, "also": "also"},
    optional=["also", *LANGUAGES],
)
# source: https://www.nlm.nih.gov/research/umls/rxnorm/docs/techdoc.html
RXNORM_LIST = Table(
    "RxNorm's RXNCONSO.RRF, or its list of type, number and name",
    "\t",
    {"type": "type", "number": "number", "name": "name"},
    _rxnorm_list,
    quoting=csv.QUOTE_NONE,
    unique=["number"],
    header=["type", "number", "name"],
    first_line=re.compile(r"(?:BN|IN|PIN|MIN)\t\d+\t[^\t]+$"),
)
RXNORM_RELEASE = replace(
    RXNORM_LIST,
    delimiters="|",
    columns={
        "number": "rxcui",
        "lang": "lat",
        "atom": "rxaui",
        "vocabulary": "sab",
        "type": "tty",
        "code": "code",
        "name": "str",
        "suppressed": "suppress",
    },
    names=_rxnorm_release,
    unique=["atom"],
    header="rxcui lat ts lui stt sui ispref rxaui saui scui sdui sab tty code str srl suppress "
    "cvf".split(),
    first_line=re.compile(r"C?\d+\|[A-Z]{3}\|(?:[^|]*\|){15}[^|]*\|?$"),
)

# source: https://docs.snomed.org, Release File Specifications, Description File Specification
SNOMED = Table(
    "SNOMED CT's descriptions (RF2, Snapshot)",
    "\t",
    {
        "active": "active",
        "concept": "conceptid",
        "lang": "languagecode",
        "type": "typeid",
        "name": "term",
    },
    _snomed,
    quoting=csv.QUOTE_NONE,
)
# A user's table of terms; the vocabulary may stand before the id, as in "HP:0001645".
TERMS = Table(
    "a table with the columns name and id, or code and description",
    "\t,;",
    {"name": "name", "id": "id", "lang": "lang", "vocabulary": "vocabulary"},
    _terms,
    optional=["lang", "vocabulary"],
)
CLASSIFICATION = replace(TERMS, columns={**TERMS.columns, "name": "description", "id": "code"})
CLASSIFICATION_ES = replace(TERMS, columns={**TERMS.columns, "name": "descripcion", "id": "codigo"})
# source: https://github.com/obophenotype/hpo-translations (Babelon)
TRANSLATION = Table(
    "a translation of HPO or DOID",
    "\t",
    {
        "id": "subject_id",
        "predicate": "predicate_id",
        "original": "source_value",
        "name": "translation_value",
        "lang": "translation_language",
    },
    _translations,
    quoting=csv.QUOTE_NONE,
)
# source: https://github.com/DiseaseOntology/HumanDiseaseOntology, src/translations
TRANSLATION_DOID = replace(
    TRANSLATION,
    columns={
        "id": "source_id",
        "predicate": "predicate",
        "original": "source_text",
        "name": "translation_text",
        "lang": "translation_lang",
    },
)

# The formats of each registry and vocabulary. The title of the first is that of the registry.
REGISTRIES: dict[str, Sequence[Table | Cima | Obo]] = {
    "aifa": [AIFA_CLASSES, AIFA_EQUIVALENTS, AIFA_BARE],
    "atc": [ATC_INDEX],
    "cima": [Cima()],
    "drugbank": [DRUGBANK],
    "fda": [FDA],
    "obo": [Obo()],
    "own": [OWN, OWN_BY_LANGUAGE],
    "rxnorm": [RXNORM_LIST, RXNORM_RELEASE],
    "snomed": [SNOMED],
    "terms": [TERMS, CLASSIFICATION, CLASSIFICATION_ES],
    "translation": [TRANSLATION, TRANSLATION_DOID],
}
