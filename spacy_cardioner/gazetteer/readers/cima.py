"""The Spanish agency's nomenclator: Prescripcion.xml with the dictionaries that come with it.

The dictionaries of substances, laboratories and codes are read where they lie beside it.

source: https://listadomedicamentos.aemps.gob.es/prescripcion.zip
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from spacy_cardioner.gazetteer.names import Name, is_atc
from spacy_cardioner.gazetteer.readers.atc import index_name
from spacy_cardioner.gazetteer.tables import Ids, RegistryError, opened

TITLE = "the nomenclator of CIMA (Prescripcion.xml)"

ROOT = "aemps_prescripcion"
SUBSTANCES = "DICCIONARIO_PRINCIPIOS_ACTIVOS.xml"
LABORATORIES = "DICCIONARIO_LABORATORIOS.xml"
CODES = "DICCIONARIO_ATC.xml"


def recognises(head: list[str]) -> bool:
    """Whether these are the first lines of a file of the nomenclator."""
    text = "".join(head)
    return f"<{ROOT}>" in text or f"<{ROOT} " in text


def read(path: Path) -> Iterator[Name]:
    """Read the products, and the substances and codes of the dictionaries beside the file."""
    beside = path.parent
    substances = _dictionary(beside / SUBSTANCES, "nroprincipioactivo", "principioactivo")
    laboratories = _dictionary(beside / LABORATORIES, "codigolaboratorio", "laboratorio")
    if (beside / CODES).exists():
        yield from _read_codes(beside / CODES)
    ids = Ids(path, "entry")
    for number, entry in enumerate(_elements(path, "prescription", ROOT), 1):
        ids.add(_text(entry, "cod_nacion"), number)
        yield from _read_product(entry, substances, laboratories)


def _read_product(
    entry: Element, substances: dict[str, str], laboratories: dict[str, str]
) -> Iterator[Name]:
    """The product's name and, where it has one substance, the substance with its code."""
    codes = [element.text or "" for element in entry.iter() if _tag(element) == "cod_atc"]
    code = max((code.strip() for code in codes if is_atc(code.strip())), key=len, default="")
    numbers = [e.text or "" for e in entry.iter() if _tag(e) == "cod_principio_activo"]
    parts = list(dict.fromkeys(substances.get(number.strip(), "") for number in numbers))
    substance = "/".join(parts) if all(parts) else ""
    number = _text(entry, "nro_definitivo")
    if substance:
        yield Name(
            text=substance,
            kind="ingredient",
            source="cima",
            source_id=number,
            lang="es",
            code=code,
            substance=substance,
            cased=False,
        )
    if text := _text(entry, "des_nomco"):
        yield Name(
            text=text,
            kind="brand",
            source="cima",
            source_id=number,
            code=code,
            substance=substance,
            company=laboratories.get(_text(entry, "laboratorio_titular"), ""),
            cased=False,
        )


def _read_codes(path: Path) -> Iterator[Name]:
    for entry in _elements(path, "atc"):
        code, text = _text(entry, "codigoatc"), _text(entry, "descatc")
        if is_atc(code):
            text = text.removeprefix(f"{code} - ")
            if name := index_name(code, text, "cima", "es"):
                yield name


def _dictionary(path: Path, key: str, value: str) -> dict[str, str]:
    if not path.exists():
        return {}
    entries = (entry for entry in _elements(path) if len(entry))
    return {_text(entry, key): _text(entry, value) for entry in entries}


def _elements(path: Path, tag: str | None = None, root: str | None = None) -> Iterator[Element]:
    """The entries below the root, each forgotten once the next is asked for.

    path (Path): The file.
    tag (Optional[str]): Give these entries alone.
    root (Optional[str]): What the root must be called.
    """
    with opened(path) as stream:
        try:
            depth, top = 0, None
            for event, element in ElementTree.iterparse(stream, ("start", "end")):
                depth += 1 if event == "start" else -1
                if top is None:
                    top = element
                    if root is not None and _tag(top) != root:
                        raise RegistryError(
                            f"{path}: this is not {TITLE}: its root is {_tag(top)}, not {root}"
                        )
                elif event == "end" and depth == 1:
                    if tag is None or _tag(element) == tag:
                        yield element
                    top.clear()
        except ElementTree.ParseError as error:
            line, _ = error.position
            raise RegistryError(
                f"{path}:{line}: not well-formed XML ({error}); the file may be cut off: download "
                "it again"
            ) from error


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(entry: Element, tag: str) -> str:
    for element in entry:
        if _tag(element) == tag:
            return (element.text or "").strip()
    return ""
