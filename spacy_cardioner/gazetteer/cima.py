"""The Spanish nomenclator (CIMA): Prescripcion.xml and the dictionaries in the same folder.

source: https://listadomedicamentos.aemps.gob.es/prescripcion.zip
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element
from xml.parsers.expat import ErrorString

from spacy_cardioner.errors import CardionerError, shown
from spacy_cardioner.gazetteer.names import Name, index_names, is_atc, product_names
from spacy_cardioner.gazetteer.tables import check_unique
from spacy_cardioner.texts import opened

ROOT = "aemps_prescripcion"


class Cima:
    """Reads the products, and the substances and codes of the dictionaries."""

    title = "the nomenclator of CIMA (Prescripcion.xml)"

    def recognises(self, head: Sequence[str]) -> bool:
        """Whether these are the first lines of the nomenclator."""
        text = "".join(head)
        return f"<{ROOT}>" in text or f"<{ROOT} " in text

    def read(self, path: Path) -> Iterator[Name]:
        """Read the names. Without the dictionaries, only those of products."""
        folder = path.parent
        substances = _dictionary(
            folder, "PRINCIPIOS_ACTIVOS", "nroprincipioactivo", "principioactivo"
        )
        laboratories = _dictionary(folder, "LABORATORIOS", "codigolaboratorio", "laboratorio")
        for code, text in _dictionary(folder, "ATC", "codigoatc", "descatc").items():
            if is_atc(code):
                yield from index_names(code, text.removeprefix(f"{code} - "), "cima", "es")
        ids: dict[str, int] = {}
        products = (entry for entry in _elements(path, ROOT) if _tag(entry) == "prescription")
        for number, entry in enumerate(products, 1):
            check_unique(ids, _text(entry, "cod_nacion"), number, path, "entry")
            codes = [code for code in _texts(entry, "cod_atc") if is_atc(code)]
            parts = [substances.get(n, "") for n in _texts(entry, "cod_principio_activo")]
            text = "/".join(dict.fromkeys(parts)) if all(parts) else ""
            source_id = _text(entry, "nro_definitivo")
            code = max(codes, key=len, default="")
            substance = Name(text, "ingredient", "cima", source_id, "es", code)
            company = laboratories.get(_text(entry, "laboratorio_titular"), "")
            yield from product_names(substance, _text(entry, "des_nomco"), company)


def _dictionary(folder: Path, name: str, key: str, value: str) -> dict[str, str]:
    path = folder / f"DICCIONARIO_{name}.xml"
    if not path.exists():
        return {}
    return {_text(entry, key): _text(entry, value) for entry in _elements(path)}


def _elements(path: Path, root: str | None = None) -> Iterator[Element]:
    """Read the children of the root, which may need a tag, and forget each before the next."""
    with opened(path) as stream:
        events = ElementTree.iterparse(stream, ("start", "end"))
        try:
            _, top = next(events)
            if root is not None and _tag(top) != root:
                raise CardionerError(
                    f"{path}: not {Cima.title}: its root is {shown(_tag(top))} instead of {root}"
                )
            depth = 0
            for event, element in events:
                depth += 1 if event == "start" else -1
                if event == "end" and depth == 0:
                    yield element
                    top.clear()
        except ElementTree.ParseError as error:
            line, _ = error.position
            raise CardionerError(
                f"{path}:{line}: not well-formed XML ({ErrorString(error.code)}); the file may be "
                "truncated: download it again"
            ) from error


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _texts(entry: Element, tag: str) -> list[str]:
    return [(element.text or "").strip() for element in entry.iter() if _tag(element) == tag]


def _text(entry: Element, tag: str) -> str:
    return next(((child.text or "").strip() for child in entry if _tag(child) == tag), "")
