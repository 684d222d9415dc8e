"""From registries' files to the patterns file: names joined, coded, and the doubtful left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tqdm import tqdm

from spacy_cardioner.gazetteer import readers
from spacy_cardioner.gazetteer.clean import clean, reason_to_drop, strip_salt
from spacy_cardioner.gazetteer.names import KINDS, Kind, Name, code_rank
from spacy_cardioner.gazetteer.normalise import fold, key, pieces
from spacy_cardioner.gazetteer.patterns import LABEL, Pattern
from spacy_cardioner.gazetteer.report import Report
from spacy_cardioner.gazetteer.usage import Usage, count_usage
from spacy_cardioner.texts import read_texts

# An abbreviation has no more letters than this.
SHORT = 5
# How often texts must have a name before they say anything about it.
EVIDENCE = 5
# The share of small letters, or of capitals, from which on a word is always written so.
ALWAYS = 0.9
# Codes of what is given to patients and no drug: allergens, food, dressings, water.
NO_DRUGS = ("V01", "V06", "V07", "V20")


@dataclass
class Entry:
    """A name with everything that the registries say of it.

    read (set[str]): The spellings that were read.
    kinds (set[Kind]): What it is.
    codes (Counter[str]): Its own codes, and how often each was read.
    found (set[str]): Codes that names of the same substance have.
    chosen (list[str]): The codes that a curated list gives, the likeliest first.
    groups (set[tuple[str, str]]): Registry and substance: its names have the same codes.
    ids (set[str]): The registries' own ids.
    curated (bool): Whether a curated list has it.
    """

    read: set[str] = field(default_factory=set)
    kinds: set[Kind] = field(default_factory=set)
    codes: Counter[str] = field(default_factory=Counter)
    found: set[str] = field(default_factory=set)
    chosen: list[str] = field(default_factory=list)
    groups: set[tuple[str, str]] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    curated: bool = False

    def add(self, name: Name) -> None:
        """Join what a registry says of the name."""
        self.curated |= name.curated
        self.kinds.add("abbreviation" if _is_abbreviation(name) else name.kind)
        self.read.add(name.text if name.cased else name.text.lower())
        if name.curated:
            self.chosen += [c for c in (name.code, *name.also) if c and c not in self.chosen]
        elif name.code:
            self.codes[name.code] += 1
        if name.substance:
            self.groups.add((name.source, fold(name.substance)))
        if name.source_id:
            self.ids.add(f"{name.source.upper()}:{name.source_id}")

    @property
    def kind(self) -> Kind:
        """The kind it keeps."""
        return min(self.kinds, key=KINDS.index)

    @property
    def spellings(self) -> list[str]:
        """How it is spelled, accents and hyphens; in small letters but for abbreviations."""
        if self.kind == "abbreviation":
            return sorted(self.read)
        return sorted({spelling.lower() for spelling in self.read})

    @property
    def spelling(self) -> str:
        """One of its spellings."""
        return self.spellings[0]

    @property
    def all_codes(self) -> list[str]:
        """Its codes, the likeliest first."""
        if self.chosen:
            return self.chosen
        codes = self.codes or Counter(self.found)
        return sorted(codes, key=lambda code: (code_rank(code)[:3], -codes[code], code))

    @property
    def is_substance(self) -> bool:
        """Whether a registry gives a code to this very name, as that of a substance or group."""
        return self.kind in ("ingredient", "combination", "group") and any(
            not code.startswith(NO_DRUGS) for code in [*self.chosen, *self.codes]
        )


def _is_abbreviation(name: Name) -> bool:
    letters = [char for char in name.text if char.isalpha()]
    return name.kind == "abbreviation" or (
        name.cased and not name.curated and name.text.isupper() and len(letters) <= SHORT
    )


def build(
    sources: Sequence[tuple[str | None, Path]],
    *,
    texts: Sequence[Path] = (),
    langs: Iterable[str] = (),
    label: str = LABEL,
    report: Report | None = None,
) -> list[Pattern]:
    """Read registries' files and make patterns of them.

    sources (Sequence[tuple[Optional[str], Path]]): Registry, None to find out, and file.
    texts (Sequence[Path]): Raw texts, general and clinical, to know common words by.
    langs (Iterable[str]): Keep names of these languages, and names of none; nothing for all.
    label (str): The label of all patterns.
    report (Optional[Report]): Filled with what each step does.
    RETURNS (list[Pattern]): The patterns, sorted.
    RAISES (CardionerError): A file is at fault.
    """
    report = report if report is not None else Report()
    entries = _join(_read(sources, frozenset(langs)), report)
    _drop_latin(entries, report)
    _find_codes(entries, report)
    for path in texts:
        _drop_common(entries, read_texts(path), report)
    _drop_stop_words(entries, report)
    return sorted(_patterns(entries, label, report))


def _read(sources: Sequence[tuple[str | None, Path]], langs: frozenset[str]) -> Iterator[Name]:
    for registry, path in sources:
        for name in tqdm(readers.read(path, registry), path.name, delay=2, unit="name"):
            if not langs or not name.lang or name.lang in langs:
                yield name


def _join(names: Iterable[Name], report: Report) -> dict[str, Entry]:
    """Clean the names and join those that are the same but for case, accents and hyphens."""
    entries: dict[str, Entry] = {}
    seen: set[Name] = set()
    for raw in names:
        # Registries have a line for each package; one of them is enough.
        if (line := replace(raw, source_id="")) in seen:
            report.note("read", raw.text)
            report.note("duplicate", raw.text)
            continue
        seen.add(line)
        for name in clean(raw, report):
            if reason := reason_to_drop(name):
                report.note(reason, name.text)
                continue
            joined = " ".join(pieces(name.text))
            if joined in entries:
                report.note("duplicate", name.text)
            entries.setdefault(joined, Entry()).add(name)
    return entries


def _drop_latin(entries: dict[str, Entry], report: Report) -> None:
    """Leave out "cetuximabum" where the same substance is also called "cetuximab"."""
    plain: set[tuple[str, str, str]] = set()
    latin: list[tuple[str, Entry]] = []
    for joined, entry in entries.items():
        if joined.endswith("um") and not entry.is_substance and not entry.curated:
            latin.append((joined, entry))
        else:
            plain.update((*group, key(joined)) for group in entry.groups)
    for joined, entry in latin:
        named = any(substance == fold(entry.spelling) for _, substance in entry.groups)
        if not named and any((*group, key(joined)) in plain for group in entry.groups):
            report.note("latin", entry.spelling)
            del entries[joined]


def _find_codes(entries: dict[str, Entry], report: Report) -> None:
    """Give names without a code those of the same substance: by its name, then by its registry.

    A part of a combination that has no code then is left out, for it is no registry's name.
    """
    coded: dict[str, set[str]] = {}
    for entry in entries.values():
        if entry.is_substance:
            coded.setdefault(key(entry.spelling), set()).update(entry.all_codes)
    for entry in entries.values():
        if not entry.all_codes and "brand" not in entry.kinds:
            for text in (entry.spelling, strip_salt(entry.spelling)):
                entry.found = entry.found or coded.get(key(text), set())
    groups: dict[tuple[str, str], set[str]] = {}
    for entry in entries.values():
        if entry.kind != "brand":
            for group in entry.groups:
                groups.setdefault(group, set()).update(entry.all_codes)
    for joined, entry in list(entries.items()):
        if not entry.all_codes:
            entry.found = set().union(*(groups.get(group, set()) for group in entry.groups))
        if entry.found:
            report.note("code", entry.spelling, entry.all_codes[0])
        elif not entry.all_codes and not entry.ids:
            report.note("part", entry.spelling)
            del entries[joined]


def _drop_common(entries: dict[str, Entry], texts: Iterable[str], report: Report) -> None:
    """Leave out names that texts use for something else, see `usage`."""
    usage, total = count_usage(texts, entries)
    per_word = {joined: used.small / max(total, 1) for joined, used in usage.items()}
    substances = {key(entry.spelling) for entry in entries.values() if entry.is_substance}
    known = sorted(
        frequency
        for joined, frequency in per_word.items()
        if frequency and key(joined) in substances
    )
    for joined, used in usage.items():
        entry = entries[joined]
        if entry.curated or key(joined) in substances or used.count < EVIDENCE:
            continue
        step = _what_else(entry, used, per_word[joined], known)
        if step:
            report.note(step, entry.spelling)
            del entries[joined]


def _what_else(entry: Entry, used: Usage, frequency: float, known: Sequence[float]) -> str | None:
    """What texts use a name for, that is neither curated nor the name of a coded substance.

    known (Sequence[float]): The frequencies of the names of coded substances, sorted.
    RETURNS (Optional[str]): "common", "abbreviation", or None.
    """
    letters = sum(char.isalpha() for char in entry.spelling)
    if letters <= SHORT and used.capitals >= ALWAYS * used.count:
        return "abbreviation"
    if used.small < EVIDENCE:
        return None
    # A brand is written with a capital; a word that never is, is another word.
    if entry.kind in ("brand", "abbreviation") and used.small >= ALWAYS * used.inside:
        return "common"
    # A synonym may be as frequent as almost any substance; a name without code, as half of them.
    share = 0.99 if entry.all_codes else 0.5
    if known and frequency > known[int(share * (len(known) - 1))]:
        return "common"
    return None


def _drop_stop_words(entries: dict[str, Entry], report: Report) -> None:
    """Leave out the words that spaCy counts among the most frequent of the three languages."""
    from spacy.lang.en.stop_words import STOP_WORDS as ENGLISH
    from spacy.lang.es.stop_words import STOP_WORDS as SPANISH
    from spacy.lang.it.stop_words import STOP_WORDS as ITALIAN

    for word in ENGLISH | SPANISH | ITALIAN:
        joined = " ".join(pieces(word))
        if joined in entries and not entries[joined].curated:
            report.note("common", entries.pop(joined).spelling)


def _patterns(entries: Mapping[str, Entry], label: str, report: Report) -> Iterator[Pattern]:
    for entry in entries.values():
        first, *also = entry.all_codes or sorted(entry.ids)[:1]
        if not entry.all_codes:
            report.note("source id", entry.spelling, first)
        elif also:
            report.note("ambiguous", entry.spelling, " ".join([first, *also]))
        for spelling in entry.spellings:
            report.note("kept", spelling, first)
            yield Pattern(spelling, first, entry.kind, tuple(also), label)
