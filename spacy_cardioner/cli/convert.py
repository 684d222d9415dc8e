"""``cardioner convert`` and ``cardioner audit``: BRAT folders to DocBin, with all changes named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import srsly
import typer

from spacy_cardioner.errors import CardionerError

if TYPE_CHECKING:
    from spacy.tokens import Doc

    from spacy_cardioner.audit import Audit

Folders = Annotated[list[Path], typer.Argument(help="Folders with .txt and .ann files.")]
Lang = Annotated[str, typer.Option(help="Language of the texts: es, en, it, or xx for several.")]
Label = Annotated[list[str], typer.Option(help="Rename a label: OLD=NEW. Repeat for more.")]
Only = Annotated[list[str], typer.Option(help="Keep this label alone. Repeat for more.")]
Lenient = Annotated[bool, typer.Option(help="Skip and count malformed input, keep the rest.")]
Strict = Annotated[bool, typer.Option(help="Any lost entity is an error.")]
ShowText = Annotated[bool, typer.Option(help="Show the texts of mentions (patients' data).")]
Parts = Annotated[
    str,
    typer.Option(
        help="Entities in several parts: 'cover' all from first to last, take the 'first' or the "
        "'longest' part, or 'skip' them."
    ),
]


def convert(
    folders: Folders,
    output: Annotated[Path, typer.Option("--output", "-o", help="The DocBin (.spacy) to write.")],
    lang: Lang,
    label: Label = [],  # noqa: B006
    only: Only = [],  # noqa: B006
    discontinuous: Parts = "cover",
    lenient: Lenient = False,
    strict: Strict = False,
    show_text: ShowText = False,
) -> None:
    """Turn BRAT folders into a DocBin for spaCy, whole notes with all their entities.

    Notes of the same name are joined: give the folders of all layers of one language. What was
    merged, trimmed, moved or lost is printed.
    """
    from spacy_cardioner.corpus import write_docbin

    docs, audit = _read(folders, lang, label, only, discontinuous, lenient, strict)
    write_docbin(output, docs)
    typer.echo(audit.table(show_text))


def audit(
    folders: Folders,
    lang: Lang,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Also write the audit as JSON."),
    ] = None,
    label: Label = [],  # noqa: B006
    only: Only = [],  # noqa: B006
    discontinuous: Parts = "cover",
    lenient: Lenient = False,
    strict: Strict = False,
    show_text: ShowText = False,
) -> None:
    """Show what `convert` would make of BRAT folders: counts, and changes by file and offset."""
    _, report = _read(folders, lang, label, only, discontinuous, lenient, strict)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        srsly.write_json(output, report.to_dict(show_text))
    typer.echo(report.table(show_text))


def _read(
    folders: list[Path],
    lang: str,
    label: list[str],
    only: list[str],
    discontinuous: str,
    lenient: bool,
    strict: bool,
) -> tuple[list[Doc], Audit]:
    from spacy_cardioner.audit import Audit
    from spacy_cardioner.corpus import convert as convert_folders
    from spacy_cardioner.tokenizer import blank

    if bad := [pair for pair in label if pair.count("=") != 1]:
        raise typer.BadParameter(f"'{bad[0]}' is not OLD=NEW", param_hint="--label")
    if discontinuous not in ("first", "longest", "cover", "skip"):
        raise typer.BadParameter(f"'{discontinuous}' is unknown", param_hint="--discontinuous")
    report = Audit()
    docs = convert_folders(
        folders,
        blank(lang),
        rename=dict(pair.split("=") for pair in label),
        only=only or None,
        discontinuous=discontinuous,  # type: ignore[arg-type]
        lenient=lenient,
        audit=report,
    )
    if strict and report.lost:
        named = "\n".join(change.describe() for change in report.lost)
        raise CardionerError(f"{len(report.lost)} entities would be lost:\n{named}")
    return docs, report
