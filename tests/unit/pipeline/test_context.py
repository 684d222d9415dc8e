"""Context: the tables of sentences, medspaCy's component with our rules, saving, and long notes."""

from __future__ import annotations

import csv
import json
import pickle
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy import displacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span, SpanGroup
from spacy.vocab import Vocab

from tests.conftest import ROOT

pytest.importorskip("medspacy", reason='needs medspaCy: pip install "spacy_cardioner[context]"')

from medspacy.context import ConTextModifier

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.pipeline.context.component import CONTEXT_ATTRIBUTES, register_attributes
from spacy_cardioner.pipeline.context.rules import SECTIONS_FILE, medspacy_rules, rules_path
from spacy_cardioner.pipeline.context.sections import SECTIONS_KEY, SectionFinder, get_section
from spacy_cardioner.pipeline.context.view import displacy_view
from spacy_cardioner.pipeline.stored import resource
from spacy_cardioner.spans import SPANS_KEY
from spacy_cardioner.tokenizer import blank

DATA = ROOT / "tests/data" / "context"
LANGUAGES = ("es", "en", "it")
NOTE = (
    "ANTECEDENTES PERSONALES: hipertensión arterial.\n"
    "ANTECEDENTES FAMILIARES: padre con infarto.\n"
    "\n"
    "Niega disnea. Posible neumonía. Si presenta fiebre, acudirá a urgencias. Toma bisoprolol.\n"
)
FINDINGS = {
    "hipertensión arterial": {"is_historical"},
    "infarto": {"is_family"},
    "disnea": {"is_negated"},
    "neumonía": {"is_uncertain"},
    "fiebre": {"is_hypothetical"},
    "bisoprolol": set(),
}
CATEGORIES = (
    *("NEGATED_EXISTENCE", "POSSIBLE_EXISTENCE", "HISTORICAL", "HYPOTHETICAL", "FAMILY"),
    "ALLERGY",
)
NEGATION = {"literal": "cero", "category": "NEGATED_EXISTENCE", "direction": "FORWARD"}


class Row:
    """One row of a table: an entity in a text and the attributes that it should have."""

    def __init__(self, fields: dict[str, str]) -> None:
        self.text = fields["text"].replace("\\n", "\n")
        self.start = int(fields["start"])
        self.end = self.start + len(fields["entity"])
        self.expected = {f"is_{name}" for name in fields["expected"].split(",") if name != "-"}
        self.holds = {"holds": True, "fails": False}[fields["status"]]
        assert self.text[self.start : self.end] == fields["entity"]


@cache
def table(lang: str) -> dict[str, list[Row]]:
    """The rows of a language's table by text."""
    rows: dict[str, list[Row]] = defaultdict(list)
    with (DATA / f"{lang}.tsv").open(encoding="utf-8", newline="") as stream:
        for fields in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
            row = Row(fields)
            rows[row.text].append(row)
    return rows


@cache
def pipeline(lang: str) -> Language:
    nlp = blank(lang)
    nlp.add_pipe("cardioner_context", "context")
    return nlp


@cache
def described(lang: str, text: str) -> Doc:
    return annotated(pipeline(lang), text, [(row.start, row.end) for row in table(lang)[text]])


def prepared(nlp: Language, text: str, places: Iterable[tuple[int, int]]) -> Doc:
    """A document with sentences and with entities at these places."""
    doc = nlp.get_pipe("sentencizer")(nlp.make_doc(text))
    spans = [doc.char_span(start, end, "ENFERMEDAD") for start, end in places]
    doc.spans[SPANS_KEY] = SpanGroup(doc, spans=spans)
    return doc


def annotated(nlp: Language, text: str, places: Iterable[tuple[int, int]]) -> Doc:
    return nlp.pipeline[-1][1](prepared(nlp, text, places))


def attributes(span: Span) -> set[str]:
    return {name for name in CONTEXT_ATTRIBUTES if span._.get(name)}


def held(nlp: Language, text: str, places: Iterable[tuple[int, int]]) -> list[set[str]]:
    """The attributes of the entities at these places."""
    doc = annotated(nlp, text, places)
    return [attributes(span) for span in doc.spans[SPANS_KEY]]


def places(text: str, mentions: Iterable[str]) -> list[tuple[int, int]]:
    starts = [(text.index(mention), mention) for mention in mentions]
    return [(start, start + len(mention)) for start, mention in starts]


def ruler(nlp: Language) -> None:
    """Finds the entities of NOTE."""
    patterns = [{"label": "ENFERMEDAD", "pattern": mention} for mention in FINDINGS]
    nlp.add_pipe("entity_ruler", before="sentencizer").add_patterns(patterns)


def found(doc: Doc) -> dict[str, tuple[set[str], str | None]]:
    return {ent.text: (attributes(ent), ent._.note_section) for ent in doc.ents}


@pytest.fixture(scope="module")
def nlp() -> Language:
    nlp = blank("es")
    ruler(nlp)
    nlp.add_pipe("cardioner_context", "context")
    return nlp


def cases() -> list[Any]:
    return [
        pytest.param(
            lang,
            row,
            id=f"{lang}-{number}",
            marks=[] if row.holds else pytest.mark.xfail(strict=True, reason="known failure"),
        )
        for lang in LANGUAGES
        for number, row in enumerate((r for rows in table(lang).values() for r in rows), start=1)
    ]


@pytest.mark.parametrize(("lang", "row"), cases())
def test_table(lang: str, row: Row) -> None:
    doc = described(lang, row.text)
    (span,) = (
        s for s in doc.spans[SPANS_KEY] if (s.start_char, s.end_char) == (row.start, row.end)
    )
    assert attributes(span) == row.expected


@pytest.mark.parametrize("lang", LANGUAGES)
def test_tables_are_large_and_show_every_attribute(lang: str) -> None:
    rows = [row for rows in table(lang).values() for row in rows]
    assert len(table(lang)) >= 150
    assert set().union(*(row.expected for row in rows)) == set(CONTEXT_ATTRIBUTES) - {"is_allergy"}
    assert sum(not row.expected for row in rows) >= 50
    assert sum(not row.holds for row in rows) <= 0.05 * len(rows)


ESCAPE = re.compile(r"\\(?:n|x[0-9a-f]{2}|u[0-9a-f]{4})")


def reports() -> list[Any]:
    """Rows of texts in which {diseases} and <drugs> are marked, with the attributes of each."""
    with (DATA / "reports.tsv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [
        pytest.param(
            row["lang"],
            ESCAPE.sub(lambda one: one[0].encode().decode("unicode_escape"), row["text"]),
            [
                {f"is_{n}" for n in names.split(",") if n != "-"}
                for names in row["expected"].split()
            ],
            id=f"{row['lang']}-{row['kind']}-{number}",
            marks=[]
            if row["status"] == "holds"
            else pytest.mark.xfail(strict=True, reason="known failure"),
        )
        for number, row in enumerate(rows, start=2)
    ]


@pytest.mark.parametrize(("lang", "marked", "expected"), reports())
def test_reports(lang: str, marked: str, expected: list[set[str]]) -> None:
    text, spots = "", []
    for piece in re.split(r"(\{[^{}]*\}|<[^<>]*>)", marked):
        label = {"{": "ENFERMEDAD", "<": "FARMACO"}.get(piece[:1])
        word = piece[1:-1] if label else piece
        if label:
            spots.append((len(text), len(text) + len(word), label))
        text += word
    nlp = pipeline(lang)
    doc = nlp.get_pipe("sentencizer")(nlp.make_doc(text))
    doc.spans[SPANS_KEY] = SpanGroup(doc, spans=[doc.char_span(*spot) for spot in spots])
    nlp.get_pipe("context")(doc)
    assert [attributes(span) for span in doc.spans[SPANS_KEY]] == expected


def test_note(nlp: Language) -> None:
    doc = nlp(NOTE)
    assert {text: held for text, (held, _) in found(doc).items()} == FINDINGS
    assert [ent._.note_section for ent in doc.ents[:3]] == [
        "past_medical_history",
        "family_history",
        None,
    ]


def test_entities_of_the_group_may_overlap_and_need_not_be_in_ents() -> None:
    spots = [(6, 26), (16, 26)]
    assert held(pipeline("es"), "Niega alergia a penicilina.", spots) == [{"is_negated"}] * 2


def test_uncertainty_is_about_findings_and_not_about_the_drugs_given_for_them() -> None:
    nlp = pipeline("es")
    doc = nlp.get_pipe("sentencizer")(nlp.make_doc("Posible endocarditis: ampicilina."))
    spans = [doc.char_span(8, 20, "ENFERMEDAD"), doc.char_span(22, 32, "FARMACO")]
    doc.spans[SPANS_KEY] = SpanGroup(doc, spans=spans)
    nlp.get_pipe("context")(doc)
    assert [attributes(span) for span in spans] == [{"is_uncertain"}, set()]


def test_custom_key_and_attributes() -> None:
    nlp = blank("es")
    nlp.add_pipe(
        "cardioner_context",
        "context",
        config={
            "spans_key": "findings",
            "span_attrs": {"NEGATED_EXISTENCE": {"assertion": "absent"}},
            "section_attrs": {"family_history": {"subject": "family", "is_family": False}},
        },
    )
    doc = nlp.get_pipe("sentencizer")(nlp.make_doc("AF: niega diabetes."))
    doc.spans["findings"] = [doc.char_span(10, 18, "X")]
    nlp.get_pipe("context")(doc)
    (span,) = doc.spans["findings"]
    assert (span._.assertion, span._.subject) == ("absent", "family")
    assert attributes(span) == {"is_negated"}


def test_bytes_docbin_and_processes_keep_the_results(nlp: Language) -> None:
    expected = found(nlp(NOTE))
    doc = nlp(NOTE)
    copies = [
        Doc(Vocab()).from_bytes(doc.to_bytes()),
        *DocBin(docs=[doc], store_user_data=True).get_docs(Vocab()),
        pickle.loads(pickle.dumps(doc)),
        *nlp.pipe([NOTE] * 3, n_process=2, batch_size=1),
    ]
    assert [found(copy) for copy in copies] == [expected] * len(copies)
    kept = {key[1] for key in doc.user_data}
    assert kept <= set(CONTEXT_ATTRIBUTES), "only attributes, as plain data"
    assert set(doc.user_data.values()) == {True}


def test_running_twice_changes_nothing(nlp: Language) -> None:
    doc = nlp(NOTE)
    data = dict(doc.user_data)
    assert nlp.get_pipe("context")(doc).user_data == data


def test_component_can_be_pickled(nlp: Language) -> None:
    component = pickle.loads(pickle.dumps(nlp.get_pipe("context")))
    doc = component(prepared(nlp, "Niega disnea.", [(6, 12)]))
    assert attributes(doc.spans[SPANS_KEY][0]) == {"is_negated"}


@pytest.mark.parametrize("way", ["disk", "bytes"])
def test_rules_are_saved_with_the_pipeline(way: str, tmp_path: Path) -> None:
    nlp = blank("es")
    own = write_rules(tmp_path / "own.json", NEGATION)
    titles = tmp_path / "titles.json"
    titles.write_text('{"section_rules": [{"literal": "ABUELOS", "category": "family_history"}]}')
    nlp.add_pipe(
        "cardioner_context", config={"rules": ["default", str(own)], "sections": str(titles)}
    )
    text, spots = "ABUELOS: cero fiebre, no tos.", [(14, 20), (25, 28)]
    expected = [{"is_negated", "is_family"}] * 2
    assert held(nlp, text, spots) == expected
    nlp.to_disk(tmp_path / "saved")
    data = nlp.to_bytes()
    own.unlink()
    titles.unlink()
    if way == "disk":
        loaded = spacy.load(tmp_path / "saved")
    else:
        loaded = type(nlp).from_config(nlp.config).from_bytes(data)
    assert held(loaded, text, spots) == expected


def write_rules(path: Path, *rules: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"context_rules": rules}), encoding="utf-8")
    return path


@pytest.mark.filterwarnings("ignore:.*W036")
def test_own_rules_alone_or_on_top(tmp_path: Path) -> None:
    changed = {"literal": "Niega", "category": "POSSIBLE_EXISTENCE", "direction": "FORWARD"}
    own = write_rules(tmp_path / "own.json", NEGATION, changed)
    text, spots = "Cero fiebre. No tos. Niega disnea.", [(5, 11), (16, 19), (27, 33)]

    def held_by(rules: str | list[str]) -> list[set[str]]:
        nlp = blank("es")
        nlp.add_pipe("cardioner_context", config={"rules": rules})
        return held(nlp, text, spots)

    assert held_by(str(own)) == [{"is_negated"}, set(), {"is_uncertain"}]
    assert held_by(["default", str(own)]) == [{"is_negated"}, {"is_negated"}, {"is_uncertain"}]
    assert held_by("default") == [set(), {"is_negated"}, {"is_negated"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"context_rules": [\n{,}]}', r"own\.json: not JSON from line 2"),
        ('{"rules": []}', "not medspaCy's format"),
        ("[]", "not medspaCy's format"),
        ('{"context_rules": []}', "no context rules"),
        ('{"context_rules": [{"literal": "no"}]}', 'rule 1 needs a "literal" and a "category"'),
        ('{"context_rules": ["no"]}', 'rule 1 needs a "literal" and a "category"'),
        (
            json.dumps({"context_rules": [NEGATION, {**NEGATION, "direction": "UP"}]}),
            r"own\.json: rule 2 \(<4 characters, .*ValueError",
        ),
        (
            json.dumps({"context_rules": [{**NEGATION, "scope": 3}]}),
            r"rule 1 \(<4 characters, .*ValueError",
        ),
        (
            json.dumps({"context_rules": [{**NEGATION, "category": "NO"}]}),
            "its category sets no attribute",
        ),
        (json.dumps({"context_rules": [{**NEGATION, "direction": 5}]}), "rule 1 .*AttributeError"),
        (json.dumps({"context_rules": [{**NEGATION, "max_scope": 1.5}]}), "is not a whole number"),
        (json.dumps({"context_rules": [{**NEGATION, "pattern": [{"LOW": 1}]}]}), "rule 1"),
        (
            json.dumps({"context_rules": [NEGATION], "answers": ["no"]}),
            '"answers" is not an object',
        ),
        (
            json.dumps({"context_rules": [NEGATION], "terminating_types": {"A": "B"}}),
            r'own\.json: "terminating_types", entry 1 is not a list of strings',
        ),
        (
            json.dumps({"context_rules": [{**NEGATION, "metadata": {"terminated_by": "X"}}]}),
            r'own\.json: rule 1 \(<4 .*: "terminated_by" is not a list of strings',
        ),
    ],
)
def test_malformed_rules_are_named(tmp_path: Path, content: str, message: str) -> None:
    own = tmp_path / "own.json"
    own.write_text(content, encoding="utf-8")
    with pytest.raises(CardionerError, match=message):
        blank("es").add_pipe("cardioner_context", config={"rules": str(own)})


TITLE = {"literal": "AP", "category": "physical_exam"}
MALFORMED = ("(secreto", "secreto[", "a(?i)", "(?P<un nombre>x)")
TOO_LARGE = "a{99999999999999999999}"  # no error of `re`, but one of Python or spaCy


@pytest.mark.parametrize("pattern", [*MALFORMED, TOO_LARGE])
@pytest.mark.parametrize(
    ("setting", "make", "where"),
    [
        (
            "sections",
            lambda it: {"section_rules": [], "patients": ["a", it]},
            '"patients", entry 2',
        ),
        (
            "sections",
            lambda it: {"section_rules": [TITLE, {**TITLE, "metadata": {"followed_by": it}}]},
            r'rule 2 \(<2 .*: "followed_by"',
        ),
        ("rules", lambda it: {"context_rules": [{**NEGATION, "pattern": it}]}, r"rule 1 \(<4 "),
        (
            "rules",
            lambda it: {"context_rules": [{**NEGATION, "pattern": [{"LOWER": {"REGEX": it}}]}]},
            r"rule 1 \(<4 ",
        ),
    ],
)
def test_malformed_expressions_are_named_but_not_quoted(
    tmp_path: Path, setting: str, make: Callable[[str], dict[str, Any]], where: str, pattern: str
) -> None:
    own = tmp_path / "own.json"
    own.write_text(json.dumps(make(pattern)), encoding="utf-8")
    with pytest.raises(CardionerError, match=rf"own\.json: {where}") as caught:
        blank("es").add_pipe("cardioner_context", config={setting: str(own)})
    if pattern != TOO_LARGE:
        assert "is not a regular expression of Python" in str(caught.value)
        assert "correct it" in str(caught.value)
    assert "secreto" not in str(caught.value)


@pytest.mark.parametrize("key", ["one_paragraph", "openers", "patients"])
@pytest.mark.parametrize("value", [5, "no", None, {"a": "b"}, [1], [None]])
def test_malformed_titles_are_named(tmp_path: Path, key: str, value: Any) -> None:
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"section_rules": [TITLE], key: value}), encoding="utf-8")
    with pytest.raises(CardionerError, match=rf'own\.json: "{key}".* is not a'):
        blank("es").add_pipe("cardioner_context", config={"sections": str(own)})


def test_malformed_expressions_of_a_saved_pipeline_are_named(tmp_path: Path) -> None:
    nlp = blank("es")
    nlp.add_pipe("cardioner_context")
    nlp.to_disk(tmp_path)
    titles = tmp_path / "cardioner_context" / SECTIONS_FILE
    titles.write_text('{"section_rules": [], "patients": ["("]}', encoding="utf-8")
    with pytest.raises(CardionerError, match=r'_context/sections\.json: "patients", entry 1'):
        spacy.load(tmp_path)


def test_missing_file_is_an_error_when_it_is_needed(tmp_path: Path) -> None:
    nlp = blank("es")
    nlp.add_pipe("cardioner_context", config={"rules": str(tmp_path / "none.json")})
    with pytest.raises(CardionerError, match="none.json: no such file"):
        nlp("Niega fiebre.")
    with pytest.raises(CardionerError, match="none.json: no such file"):
        nlp.to_bytes()


def test_language_without_rules_is_an_error() -> None:
    with pytest.raises(CardionerError, match="no context_rules.json for the language 'xx'"):
        blank("xx").add_pipe("cardioner_context")


def test_language_can_be_given() -> None:
    nlp = blank("xx")
    nlp.add_pipe("cardioner_context", config={"language": "it"})
    assert held(nlp, "Nega dispnea.", [(5, 12)]) == [{"is_negated"}]


def test_pipeline_without_sentences_is_an_error() -> None:
    nlp = spacy.blank("es")
    nlp.add_pipe("cardioner_context", "context")
    with pytest.raises(CardionerError, match="sets no sentences"):
        nlp("Niega fiebre.")


def test_empty_documents(nlp: Language) -> None:
    assert [len(doc.spans[SECTIONS_KEY]) for doc in nlp.pipe(["", " ", "\n\n", "x"])] == [0] * 4


@pytest.mark.parametrize("lang", LANGUAGES)
def test_medspacy_takes_our_rules_from_the_config(lang: str) -> None:
    text, mention = {
        "es": ("Niega diabetes. Padre con infarto.", "diabetes"),
        "en": ("Denies diabetes. Father with infarction.", "diabetes"),
        "it": ("Nega diabete. Padre con infarto.", "diabete"),
    }[lang]
    nlp = blank(lang)
    nlp.add_pipe("medspacy_context", config={"rules": str(rules_path(lang))})
    doc = nlp.get_pipe("sentencizer")(nlp.make_doc(text))
    second = text.rsplit(maxsplit=1)[-1].rstrip(".")
    doc.ents = [doc.char_span(*place, "X") for place in places(text, [mention, second])]
    nlp.get_pipe("medspacy_context")(doc)
    assert [attributes(ent) for ent in doc.ents] == [{"is_negated"}, {"is_family"}]


def test_medspacy_takes_our_rules_as_objects() -> None:
    nlp = blank("es")
    nlp.add_pipe("medspacy_context", config={"rules": None}).add(medspacy_rules("es"))
    text = "No fiebre, probable neumonía."
    doc = nlp.get_pipe("sentencizer")(nlp.make_doc(text))
    doc.ents = [doc.char_span(*place, "X") for place in places(text, ["fiebre", "neumonía"])]
    nlp.get_pipe("medspacy_context")(doc)
    assert [attributes(ent) for ent in doc.ents] == [{"is_negated"}, {"is_uncertain"}]


def test_medspacy_takes_our_titles() -> None:
    nlp = blank("es")
    nlp.add_pipe("medspacy_sectionizer", config={"rules": str(resource("es", SECTIONS_FILE))})
    assert nlp.get_pipe("medspacy_sectionizer").rules


@pytest.mark.parametrize("lang", LANGUAGES)
def test_rules_say_what_they_mean(lang: str) -> None:
    """No rule twice, and none that sets an attribute without a limit to its scope."""
    data = json.loads(rules_path(lang).read_text(encoding="utf-8"))
    rules = data["context_rules"]
    assert len({rule["literal"] for rule in rules}) == len(rules) > 500
    cues = [rule for rule in rules if rule["direction"] not in ("PSEUDO", "TERMINATE")]
    assert {rule["category"] for rule in cues} == set(CATEGORIES)
    assert all(rule["max_scope"] <= 30 for rule in cues)
    titles = json.loads(resource(lang, SECTIONS_FILE).read_text(encoding="utf-8"))["section_rules"]
    always = [title["literal"].casefold() for title in titles if "metadata" not in title]
    assert len(set(always)) == len(always)


single_lines = st.sampled_from([t for t in table("es") if "\n" not in t and ":" not in t])


@settings(deadline=None, max_examples=20)
@given(st.lists(single_lines, min_size=2, max_size=6))
def test_a_line_means_the_same_in_any_note(lines: list[str]) -> None:
    text, spots, expected = "", [], []
    for line in lines:
        spots += [(len(text) + row.start, len(text) + row.end) for row in table("es")[line]]
        expected += [attributes(span) for span in described("es", line).spans[SPANS_KEY]]
        text += line + "\n"
    assert held(pipeline("es"), text, spots) == expected


words = st.sampled_from(
    [
        *("no", "sin", "padre", "con", "posible", "si", ":", "-", "\n", ".", "infarto"),
        *("(", ")", "(+)", "?", "sí", ",", "Dr.", "suspender", "iniciar", "alérgico a", "AP:"),
        *("Alergias:", "Antecedentes familiares:", "acude", "[", "]", "5 mg/12h", "suspendida"),
        *("si precisa", "PRN:", "en caso de", "y", "o", "\n-", "Mujer de 76 años", "en 2010"),
    ]
)


@settings(deadline=None, max_examples=50)
@given(st.lists(words | st.text(max_size=4), max_size=40).map(" ".join), st.data())
def test_no_text_is_too_odd(text: str, data: st.DataObject) -> None:
    nlp = pipeline("es")
    doc = nlp.make_doc(text)
    ends = [data.draw(st.integers(0, len(doc))) for _ in range(4)] if len(doc) else []
    pairs = zip(sorted(ends)[::2], sorted(ends)[1::2], strict=True)
    doc = nlp.get_pipe("sentencizer")(doc)
    doc.spans[SPANS_KEY] = [
        Span(doc, start, end, label)
        for (start, end), label in zip(pairs, ("FARMACO", "X"), strict=False)
        if start < end
    ]
    nlp.get_pipe("context")(doc)
    assert doc.text == text
    doc.to_bytes()


doses = st.lists(
    st.sampled_from(
        ["1 g", "575 mg", "c/8h", "1 comprimido", "cada 8 horas", "vía oral", "1-0-1", "(máximo 3)"]
    ),
    max_size=4,
).map(" ".join)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(doses, st.sampled_from(["", "si dolor", "si precisa", "prn"])), max_size=5),
    st.sampled_from([", ", "; ", "\n", "\n- ", ". "]),
)
def test_a_condition_is_of_its_own_drug(items: list[tuple[str, str]], separator: str) -> None:
    nlp = pipeline("es")
    lines = [f"Paracetamol {dose} {condition}".strip() for dose, condition in items]
    doc = nlp.get_pipe("sentencizer")(nlp.make_doc(separator.join(lines)))
    doc.spans[SPANS_KEY] = [Span(doc, t.i, t.i + 1, "FARMACO") for t in doc if t.text[0] == "P"]
    nlp.get_pipe("context")(doc)
    given = [attributes(span) == {"is_hypothetical"} for span in doc.spans[SPANS_KEY]]
    assert given == [bool(condition) for _, condition in items]


@pytest.mark.parametrize("end", [". ", " "], ids=["sentences", "one sentence"])
def test_work_grows_with_the_length_and_not_its_square(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def counted(method: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any) -> Any:
            nonlocal calls
            calls += 1
            return method(*args)

        return wrapper

    for name in ("limit_scope", "modifies"):
        monkeypatch.setattr(ConTextModifier, name, counted(getattr(ConTextModifier, name)))

    def work(repeats: int) -> int:
        nonlocal calls
        calls = 0
        one = f"Padre con infarto{end}No tos y posible angina{end}Antecedentes de gota{end}"
        spots = [
            (start + len(one) * index, stop + len(one) * index)
            for index in range(repeats)
            for start, stop in places(one, ["infarto", "tos", "angina", "gota"])
        ]
        annotated(pipeline("es"), one * repeats, spots)
        return calls

    assert work(200) < 4.2 * work(50)


TITLES = SectionFinder(
    [
        {"literal": "Antecedentes familiares", "category": "family_history"},
        {"literal": "Motivo de consulta", "category": "chief_complaint"},
    ],
    ["family_history"],
)


@pytest.mark.parametrize(
    "line",
    [
        "Antecedentes familiares: padre sano.",
        "ANTECEDENTES FAMILIARES:",
        "antecedentes  familiares",
        "Antecedentes familiares.",
        "Antecedentes familiares - padre sano",
        "2. Antecedentes familiares: no",
        "- **Antecedentes Familiares**: no",
        "## Antecedentes familiares ##",
        "Antecedentes familiares (primer grado): no",
        "Antecedentes familiares :\n",
    ],
)
def test_titles_in_any_dress(line: str) -> None:
    assert TITLES.category(line) == "family_history"


@pytest.mark.parametrize(
    "line", ["", "Sin antecedentes familiares: no", "Antecedentes familiares de infarto.", "1. :"]
)
def test_what_is_no_title(line: str) -> None:
    assert TITLES.category(line) is None


def test_sections_end_at_the_next_title_and_some_at_an_empty_line() -> None:
    nlp = blank("es")
    text = "Hola.\nMotivo de consulta\n\nDolor.\n\nTos. Antecedentes familiares: asma.\n\nFiebre."
    doc = nlp(text)
    doc.spans[SECTIONS_KEY] = TITLES(doc)
    register_attributes()
    sections = {
        word: doc.char_span(*places(text, [word])[0])._.note_section
        for word in ("Hola", "Dolor", "Tos", "asma", "Fiebre")
    }
    assert sections == {
        "Hola": None,
        "Dolor": "chief_complaint",
        "Tos": "chief_complaint",
        "asma": "family_history",
        "Fiebre": None,
    }


@pytest.mark.filterwarnings("ignore:.*W036")
def test_sections_of_medspacys_own_sectionizer_stay_beside_ours() -> None:
    nlp = blank("en")
    nlp.add_pipe("medspacy_sectionizer")
    nlp.add_pipe("cardioner_context", "context")
    register_attributes()
    doc = nlp("Family History: stroke")
    assert doc[3:4]._.section.category == "family_history"
    assert doc[3:4]._.note_section == "family_history"
    assert get_section(nlp.make_doc("stroke")[:]) is None


def test_displacy_shows_negated_and_family_findings_apart(nlp: Language) -> None:
    data, options = displacy_view(nlp(NOTE))
    labels = {data["text"][e["start"] : e["end"]]: e["label"] for e in data["ents"]}
    assert labels["infarto"] == "ENFERMEDAD family"
    assert labels["disnea"] == "ENFERMEDAD negated"
    assert labels["bisoprolol"] == "ENFERMEDAD"
    html = displacy.render(data, style="ent", manual=True, options=options, jupyter=False)
    assert options["colors"][labels["infarto"]] in html
    assert options["colors"][labels["disnea"]] in html


WITHOUT_MEDSPACY = """
import sys, warnings
import spacy_cardioner.pipeline.context.component
assert "medspacy" not in sys.modules, "imported too early"
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.tokenizer import blank
nlp = blank("es")
sys.modules["medspacy"] = None
try:
    nlp.add_pipe("cardioner_context", "context")
except CardionerError as error:
    assert 'pip install "spacy_cardioner[context]"' in str(error), error
else:
    raise AssertionError("no error")
del sys.modules["medspacy"]
before = list(warnings.filters)
nlp.add_pipe("cardioner_context", "context")
assert warnings.filters == before, "warnings switched off"
"""


def test_medspacy_is_imported_late_missed_politely_and_keeps_warnings() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_MEDSPACY], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
