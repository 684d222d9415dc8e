"""A run over many notes, at once or in parts that can be resumed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

from spacy.language import Language
from tqdm import tqdm

from spacy_cardioner.batch.engine import Annotate, Annotated, started
from spacy_cardioner.batch.manifest import Counts, Manifest, Reading
from spacy_cardioner.batch.readers import Source, SourceNote
from spacy_cardioner.batch.readers.note import SAME_IDS, with_same_ids
from spacy_cardioner.batch.settings import Settings
from spacy_cardioner.batch.writers import Output, OutputFormat, Writer, make_writer
from spacy_cardioner.batch.writers.base import Put, opened
from spacy_cardioner.errors import CardionerError, tell
from spacy_cardioner.files import LOCK, PARTIAL, locked, refuse_overlap, remove, versions
from spacy_cardioner.loading import identity
from spacy_cardioner.spans import add_counts

PART = re.compile(r"part-([0-9]+)")
# Settings that change nothing in what is written, or are recorded otherwise.
NOT_RECORDED = {"model", "batch_size", "workers", "gpu", "timeout", "with_docs", "only"}
# How many notes with the id of another are named.
NAMED = 10

Failure = tuple[SourceNote, str]  # a note that failed, and why


@dataclass
class Job:
    """What to annotate, and what to write.

    inputs (Sequence[Path]): What else no output may be, hold or lie in, beside the files of
        `source`: the folder or database that it is in, the pipeline.
    outputs (Sequence[Output]): Formats and their files or folders. In parts, all are folders.
    with_text, with_attributes (bool): More columns, see `make_writer`.
    max_errors (int | None): Stop when more notes than this fail.
    part_size (int | None): Notes in a part. None writes each output at once.
    progress (bool): Report progress on standard error, and failed notes unless a file lists them.
    """

    source: Source
    settings: Settings
    outputs: Sequence[Output]
    inputs: Sequence[Path] = ()
    with_text: bool = False
    with_attributes: bool = False
    max_errors: int | None = None
    part_size: int | None = None
    resume: bool = False
    overwrite: bool = False
    progress: bool = False

    @property
    def paths(self) -> list[Path]:
        """The files or folders to write. The first folder of a run in parts has its record."""
        return [output.path for output in self.outputs if output.path is not None]


def run(job: Job) -> Counts:
    """Annotate all notes and write the results.

    RAISES (CardionerError): The pipeline cannot be loaded, too many notes failed, the run cannot be
        resumed, or an output exists, cannot be written, is written by another process, or overlaps
        with what is read.
    """
    written = [output.path or Path("/dev/stdout") for output in job.outputs]
    refuse_overlap([*job.inputs, *job.source.files], written)
    with_docs = any(kind is OutputFormat.docbin for kind, _ in job.outputs)
    settings = job.settings._replace(with_docs=with_docs)
    in_parts = job.part_size is not None
    with ExitStack() as stack:
        for kind, path in job.outputs:
            if path is not None:
                folder = in_parts or kind is OutputFormat.brat
                stack.enter_context(locked(path, folder=folder))
        if job.part_size is None:
            return _at_once(job, settings)
        return _in_parts(job, settings, job.part_size)


@contextmanager
def _started(settings: Settings) -> Iterator[tuple[Annotate, dict[str, Any]]]:
    """Start the engine, see `started`, and identify a pipeline that is given as an object too."""
    with started(settings) as (annotate, known):
        yield annotate, identity(settings.model) if isinstance(settings.model, Language) else known


def _at_once(job: Job, settings: Settings) -> Counts:
    for kind, path in job.outputs:
        if job.overwrite or path is None:
            continue
        if path.is_file() or (kind is OutputFormat.brat and _holds_files(path)):
            raise CardionerError(f"{path}: exists already; --overwrite replaces it")

    def report(failure: Failure) -> None:
        if job.progress:
            note, fault = failure
            tell(f"skipped {note.called}: {fault}")

    total = Counts()
    with _started(settings) as (annotate, pipeline):
        writers = _writers(job, pipeline, datetime.now())
        _write(job, _annotated(job, annotate, job.source, 0), writers, total, report)
    return total


def _in_parts(job: Job, settings: Settings, size: int) -> Counts:
    manifest = _existing(job)
    with _started(settings) as (annotate, pipeline):
        about = _describe(job, pipeline)
        if manifest is None or job.overwrite:
            manifest = Manifest(job.paths[0], about)
            manifest.save()
        manifest.check(about, job.paths)
        total = manifest.done
        left = _left(job, manifest)
        if manifest.finished is None:
            _clean(job, manifest)
            writers = _writers(job, pipeline, datetime.fromisoformat(manifest.about["started"]))
            notes = _annotated(job, annotate, left, total.notes + total.errors)
            for first in notes:
                part = chain([first], islice(notes, size - 1))
                failures: list[Failure] = []
                read = Reading()
                number = len(manifest.parts)
                _write(job, read.passed(part), writers, total, failures.append, number)
                reasons = [{"id": note.id, "reason": fault} for note, fault in failures]
                paths = map(_part_path, job.paths, writers, repeat(number))
                manifest.add(total, reasons, read, paths)
            manifest.finished = datetime.now().isoformat(timespec="seconds")
            manifest.save()
    return total


def _write(
    job: Job,
    notes: Iterable[Annotated],
    writers: Sequence[Writer],
    total: Counts,
    failed: Callable[[Failure], None],
    part: int | None = None,
) -> None:
    """Write each note to all outputs or to none, and count it.

    part (int | None): Number of the part to write, None for the whole outputs.
    RAISES (CardionerError): Too many notes failed.
    """
    # Folders first: they alone can refuse a note that is rendered.
    ordered = sorted(zip(writers, job.outputs, strict=True), key=lambda pair: bool(pair[0].ending))
    with ExitStack() as stack:
        puts = []
        for writer, (_, path) in ordered:
            if path is not None and part is not None:
                path = _part_path(path, writer, part)
            output = opened(writer, path, first=total.mentions + 1, is_part=part is not None)
            puts.append(stack.enter_context(output))
        for found in notes:
            results, fault = rendered(found, [writer.render for writer, _ in ordered])
            fault = fault or _put(puts, results)
            if not fault:
                total.notes += 1
                total.mentions += len(found.mentions)
                add_counts(total.of_components, found.counts or {})
                continue
            total.errors += 1
            if job.max_errors is not None and total.errors > job.max_errors:
                raise CardionerError(
                    f"{total.errors} notes failed, more than --max-errors {job.max_errors}; "
                    f"the last is {found.note.called}: {fault}"
                )
            failed((found.note, fault))


def _part_path(folder: Path, writer: Writer, number: int) -> Path:
    return folder / f"part-{number:05}{writer.ending}"


def _put(puts: Sequence[Put], results: Sequence[Any]) -> str:
    """Write a rendered note to all outputs. RETURNS (str): Why the first one refuses it, or ""."""
    try:
        for put, result in zip(puts, results, strict=True):
            put(result)
    except CardionerError as error:
        return str(error)
    return ""


def rendered(
    found: Annotated, renderers: Iterable[Callable[[Annotated], Any]]
) -> tuple[list[Any], str]:
    """Render a note for all outputs. RETURNS (tuple[list[Any], str]): The results, or the fault."""
    if found.note.fault:
        return [], found.note.fault
    try:
        return [render(found) for render in renderers], ""
    except CardionerError as error:
        return [], str(error)
    except UnicodeEncodeError:
        return [], "its id or text holds what is not Unicode"


def _annotated(
    job: Job, annotate: Annotate, notes: Iterable[SourceNote], skipped: int
) -> Iterator[Annotated]:
    hidden = None if job.progress else True  # None hides the bar if there is no terminal
    total = job.source.total
    twice = 0

    def report(note: SourceNote) -> None:
        nonlocal twice
        twice += 1
        if job.progress and twice <= NAMED:
            tell(f"{note.called}: an earlier note has the same id")

    if job.source.columns.id is not None:  # other ids are unique
        notes = with_same_ids(notes, report)
    with tqdm(total=total, initial=skipped, unit="note", delay=2, disable=hidden) as bar:
        for found in annotate(notes):
            yield found
            bar.update()
    if job.progress and twice:
        tell(f"notes with the id of an earlier note: {twice} (--id-column); {SAME_IDS}")


def _writers(job: Job, pipeline: dict[str, Any], when: datetime) -> list[Writer]:
    options = {"with_text": job.with_text, "with_attributes": job.with_attributes}
    keep = job.source.columns.keep
    return [make_writer(output, pipeline, when, keep=keep, **options) for output in job.outputs]


def _existing(job: Job) -> Manifest | None:
    """Read the record of an earlier run in these folders.

    RAISES (CardionerError): A folder has something that must not be overwritten.
    """
    first = job.paths[0]
    manifest = Manifest.read(first)
    if manifest is not None and not (job.resume or job.overwrite):
        if manifest.finished:
            raise CardionerError(f"{first}: has a finished run; --overwrite replaces it")
        raise CardionerError(
            f"{first}: has a stopped run; --resume continues it, --overwrite starts again"
        )
    known = [path for _, path in manifest.about["options"]["outputs"]] if manifest else []
    for folder in job.paths:
        if _relative(folder, first) not in known and _holds_files(folder):
            raise CardionerError(
                f"{folder}: has files that no run in parts wrote; give another folder"
            )
    return manifest


def _holds_files(folder: Path) -> bool:
    """Whether a folder has more than our lock, and what killed runs left."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return any(name != LOCK and not name.startswith(PARTIAL) for name in names)


def _left(job: Job, manifest: Manifest) -> Iterator[SourceNote]:
    """The notes that are not in a finished part.

    A description of files has their checksum. Of other sources, such as the rows of a database, the
    finished parts are read again.

    RAISES (CardionerError): The notes of a finished part changed.
    """
    done = manifest.done
    if job.source.files:
        return job.source.after(done.notes + done.errors)
    notes = iter(job.source)
    for part in manifest.parts:
        manifest.check_read(part, islice(notes, part.notes + part.errors))
    return notes


def _clean(job: Job, manifest: Manifest) -> None:
    """Remove all parts that are not recorded, complete or not."""
    manifest.restore()
    for path in chain.from_iterable(list(folder.iterdir()) for folder in job.paths):
        number = PART.match(path.name)
        if path.name.startswith(PARTIAL) or (number and int(number[1]) >= len(manifest.parts)):
            remove(path)


def _relative(folder: Path, first: Path) -> str:
    """The path of an output from the first one, so that all can be moved together."""
    return os.path.relpath(folder.resolve(), first.resolve())


def _describe(job: Job, pipeline: dict[str, Any]) -> dict[str, Any]:
    """Describe a run for its record: what it reads, and all that decides what it writes."""
    return {
        "software": versions("medspacy"),
        "model": pipeline,
        "inputs": job.source.describe(),
        "options": {
            "outputs": [
                [kind.value, _relative(path, job.paths[0])] for kind, path in job.outputs if path
            ],
            "part_size": job.part_size,
            "with_text": job.with_text,
            "with_attributes": job.with_attributes,
            "columns": [job.source.columns.text, job.source.columns.id],
            "keep": list(map(list, job.source.columns.keep.items())),
            "reader": type(job.source).__name__,
            "only": list(job.settings.only),
            **{k: v for k, v in job.settings._asdict().items() if k not in NOT_RECORDED},
        },
        "started": datetime.now().isoformat(timespec="seconds"),
    }
