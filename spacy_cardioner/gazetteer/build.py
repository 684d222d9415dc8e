"""Patterns from the files of registries: names are joined, given codes, and filtered."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from spacy.util import get_lang_class
from tqdm import tqdm

from spacy_cardioner.errors import CardionerError, shown
from spacy_cardioner.gazetteer.clean import clean, reason_to_drop, strip_salt
from spacy_cardioner.gazetteer.names import KINDS, TERM, Kind, Name, code_rank
from spacy_cardioner.gazetteer.normalise import count_letters, fold, key, pieces
from spacy_cardioner.gazetteer.patterns import LABEL, Pattern, check_label
from spacy_cardioner.gazetteer.readers import read
from spacy_cardioner.gazetteer.report import Report
from spacy_cardioner.gazetteer.terms import term_patterns
from spacy_cardioner.gazetteer.usage import Usage, count_usage
from spacy_cardioner.layout import LANGUAGES
from spacy_cardioner.spans import vocabulary_of
from spacy_cardioner.texts import read_texts

VOCABULARY = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
# The label that terms are for.
TERM_LABEL = "ENFERMEDAD"
# The maximal number of letters of an abbreviation.
SHORT = 5
# The minimal number of occurrences from which texts are evidence.
EVIDENCE = 5
# The share of occurrences in lower or upper case from which that is the usual case of a word.
ALWAYS = 0.9
# Codes of products that are not drugs: allergens, food, dressings, water.
NO_DRUGS = ("V01", "V06", "V07", "V20")

Group = tuple[str, str]


@dataclass
class Entry:
    """A name with all that the registries say about it.

    codes (Counter[str]): The codes that registries give it, with their counts.
    found (set[str]): Codes of other names of the same substance.
    chosen (list[str]): The codes of a curated list, the likeliest first.
    groups (set[Group]): Registry and substance. The names of a group have the same codes.
    """

    read: set[str] = field(default_factory=set)
    kinds: set[Kind] = field(default_factory=set)
    codes: Counter[str] = field(default_factory=Counter)
    found: set[str] = field(default_factory=set)
    chosen: list[str] = field(default_factory=list)
    groups: set[Group] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    curated: bool = False

    def add(self, name: Name) -> None:
        """Add what a registry says."""
        self.curated |= name.curated
        capitals = name.cased and not name.curated and name.text.isupper()
        short = capitals and count_letters(name.text) <= SHORT
        self.kinds.add("abbreviation" if short else name.kind)
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
        """The most important of its kinds."""
        return min(self.kinds, key=KINDS.index)

    @property
    def spellings(self) -> list[str]:
        """Its spellings with accents and hyphens; in lower case, except for abbreviations."""
        abbreviation = self.kind == "abbreviation"
        return sorted(self.read if abbreviation else {text.lower() for text in self.read})

    @property
    def spelling(self) -> str:
        """The first of its spellings."""
        return self.spellings[0]

    @property
    def all_codes(self) -> list[str]:
        """Its codes, the likeliest first."""
        codes = self.codes or Counter(self.found)
        return self.chosen or sorted(codes, key=lambda c: (code_rank(c)[:3], -codes[c], c))

    @property
    def is_substance(self) -> bool:
        """Whether a registry gives this very name the code of a substance or group."""
        return self.kind in ("ingredient", "combination", "group") and any(
            not code.startswith(NO_DRUGS) for code in [*self.chosen, *self.codes]
        )


Entries = dict[str, Entry]


def build(
    sources: Sequence[tuple[str | None, Path]],
    *,
    texts: Sequence[Path] = (),
    langs: Iterable[str] = (),
    label: str = LABEL,
    term_labels: Sequence[str] = (TERM_LABEL,),
    vocabulary: str = "",
    report: Report | None = None,
) -> list[Pattern]:
    """Make patterns from the files of registries and vocabularies.

    sources (Sequence[tuple[str | None, Path]]): Files with their registry, None to detect it.
    texts (Sequence[Path]): Raw texts, general and clinical, to recognise common words.
    term_labels (Sequence[str]): Labels of the entities that terms are for.
    vocabulary (str): That of the codes of terms that name none.
    RAISES (CardionerError): A file is invalid.
    """
    if vocabulary and not VOCABULARY.fullmatch(vocabulary):
        raise CardionerError(
            f"{shown(vocabulary)} is not the name of a vocabulary: it needs a letter, then "
            "letters, digits, points or hyphens"
        )
    for each in (label, *term_labels):
        check_label(each, "the label of the entities")
    report = report or Report()
    wanted = set(langs)
    names = (
        name
        for registry, path in sources
        for name in tqdm(read(path, registry), path.name, delay=2, unit="name")
        if not (wanted and name.lang) or name.lang in wanted
    )
    terms: list[Name] = []
    entries = _join(_without_terms(names, terms, vocabulary), report)
    _drop_latin(entries, report)
    _find_codes(entries, report)
    for path in texts:
        _drop_common(entries, read_texts(path), report)
    _drop_stop_words(entries, report)
    patterns = []
    for entry in entries.values():
        first, *also = entry.all_codes or sorted(entry.ids)[:1]
        if not entry.all_codes:
            report.note("source id", entry.spelling, first)
        elif also:
            report.note("ambiguous", entry.spelling, " ".join([first, *also]))
        for spelling in entry.spellings:
            report.note("kept", spelling, first)
            patterns.append(Pattern(spelling, first, entry.kind, tuple(also), label))
    return [*sorted(patterns), *term_patterns(terms, term_labels, report)]


def _without_terms(names: Iterable[Name], terms: list[Name], vocabulary: str) -> Iterator[Name]:
    """The names of drugs. Those of diseases and findings are put into `terms`."""
    for name in names:
        if name.kind != TERM:
            yield name
            continue
        code = name.code if ":" in name.code else f"{vocabulary}:{name.code}"
        if not vocabulary_of(code):
            raise CardionerError(
                f"the code {shown(name.code)} of a name does not say its vocabulary: give it, for "
                "example --vocabulary ICD10"
            )
        terms.append(replace(name, code=code))


def _join(names: Iterable[Name], report: Report) -> Entries:
    """Clean the names, and join those that differ only in case, accents and hyphens."""
    entries: Entries = {}
    seen: set[Name] = set()
    for raw in names:
        # Registries repeat a name for each package.
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


def _drop_latin(entries: Entries, report: Report) -> None:
    """Drop "cetuximabum" if the same substance is also called "cetuximab"."""
    plain: set[tuple[Group, str]] = set()
    latin: Entries = {}
    for joined, entry in entries.items():
        if joined.endswith("um") and not entry.is_substance and not entry.curated:
            latin[joined] = entry
        else:
            plain.update((group, key(joined)) for group in entry.groups)
    for joined, entry in latin.items():
        named = any(substance == fold(entry.spelling) for _, substance in entry.groups)
        if not named and any((group, key(joined)) in plain for group in entry.groups):
            report.note("latin", entry.spelling)
            del entries[joined]


def _find_codes(entries: Entries, report: Report) -> None:
    """Give names without a code those of the same substance: by name, then by registry.

    A part of a combination that still has no code is dropped, because no registry lists it.
    """
    coded: dict[str, set[str]] = defaultdict(set)
    for entry in entries.values():
        if entry.is_substance:
            coded[key(entry.spelling)].update(entry.all_codes)
    for entry in entries.values():
        if not entry.all_codes and "brand" not in entry.kinds:
            for text in (entry.spelling, strip_salt(entry.spelling)):
                entry.found = entry.found or coded.get(key(text), set())
    groups: dict[Group, set[str]] = defaultdict(set)
    for entry in entries.values():
        if entry.kind != "brand":
            for group in entry.groups:
                groups[group].update(entry.all_codes)
    for joined, entry in list(entries.items()):
        if not entry.all_codes:
            entry.found = set().union(*(groups.get(group, set()) for group in entry.groups))
        if entry.found:
            report.note("code", entry.spelling, entry.all_codes[0])
        elif not entry.all_codes and not entry.ids:
            report.note("part", entry.spelling)
            del entries[joined]


def _drop_common(entries: Entries, texts: Iterable[str], report: Report) -> None:
    """Drop names that texts use for something else; see `usage`."""
    usage = count_usage(texts, entries)
    substances = {key(entry.spelling) for entry in entries.values() if entry.is_substance}
    counts = {joined: used.lower for joined, used in usage.items() if used.lower}
    known = sorted(count for joined, count in counts.items() if key(joined) in substances)
    for joined, used in usage.items():
        entry = entries[joined]
        if entry.curated or key(joined) in substances or used.count < EVIDENCE:
            continue
        if step := _other_meaning(entry, used, known):
            report.note(step, entry.spelling)
            del entries[joined]


def _other_meaning(entry: Entry, used: Usage, known: Sequence[int]) -> str | None:
    """What else a name means in texts: "common", "abbreviation", or None.

    known (Sequence[int]): The sorted counts, in lower case, of the names of substances with a code.
    """
    letters = count_letters(entry.spelling)
    if letters <= SHORT and used.upper >= ALWAYS * used.count:
        return "abbreviation"
    if used.lower < EVIDENCE:
        return None
    # Brands are capitalised: a word that never is, is another word.
    if entry.kind in ("brand", "abbreviation") and used.lower >= ALWAYS * used.inside:
        return "common"
    # A synonym is common if it is more frequent than nearly all substances, a name without a code
    # if it is more frequent than half of them.
    share = 0.99 if entry.all_codes else 0.5
    too_frequent = known and used.lower > known[int(share * (len(known) - 1))]
    return "common" if too_frequent else None


def _drop_stop_words(entries: Entries, report: Report) -> None:
    """Drop spaCy's stop words of the three languages."""
    listed = (get_lang_class(lang).Defaults.stop_words for lang in LANGUAGES)
    for word in sorted(set().union(*listed)):
        joined = " ".join(pieces(word))
        if joined in entries and not entries[joined].curated:
            report.note("common", entries.pop(joined).spelling)
