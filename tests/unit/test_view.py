"""The picture of a note: the note itself with every mention, whatever both hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from html.parser import HTMLParser
from itertools import combinations, product
from typing import Any

import pytest
import spacy
from hypothesis import example, given, settings
from hypothesis import strategies as st
from spacy import displacy
from spacy.tokens import SpanGroup

from spacy_cardioner.batch.mentions import CONTEXT, Mention
from spacy_cardioner.errors import CardionerError, plain
from spacy_cardioner.spans import SPANS_KEY, Entity
from spacy_cardioner.view import (
    LABELS,
    OTHERS,
    PAGE_FOOT,
    WORDS,
    colour_of,
    displacy_colors,
    draw,
    page_head,
    read_style,
)

NOTE = "Niega diabetes. Alergia a penicilina.\r\nIntoxicación por digoxina."
DIABETES = Mention(6, 14, "ENFERMEDAD", "diabetes", 0.931, negated=True, family=True)
ALLERGY = Mention(16, 36, "ENFERMEDAD", "Alergia a penicilina", 0.5)
PENICILLIN = Mention(
    *(26, 36, "FARMACO", "penicilina", 1.0, "J01CE", "exact", "past_medical_history"), allergy=True
)

# The attributes of each element, none of which a browser obeys.
ATTRIBUTES = {
    "mark": {"class", "data-label", "data-start", "data-end", "data-code", "tabindex", "title"},
    "article": {"class"},
    "div": {"class", "lang"},
    "ul": {"class", "aria-label"},
    "p": {"class"},
    "span": {"class"},
    "i": {"class"},
    "b": {"data-section"},
    "u": {"data-u"},
    "h2": set(),
    "li": set(),
}


class Picture(HTMLParser):
    """A fragment as a strict reader sees it.

    text (str): The text of the note.
    marks (list): Where each element of a mention starts and ends in it, and its attributes, the
        outer ones first.
    signs (list): The attributes of the other elements in it, and where they stand.
    """

    def __init__(self, fragment: str) -> None:
        super().__init__()
        self.text, self.legend, self.heading = "", "", ""
        self.marks: list[tuple[int, int, dict[str, str]]] = []
        self.signs: list[tuple[int, str, dict[str, str]]] = []
        self.inside: list[tuple[str, int, dict[str, str]]] = []
        # As browsers read it.
        self.feed(fragment.replace("\r\n", "\n").replace("\r", "\n"))
        self.close()
        assert not self.inside

    @property
    def in_text(self) -> bool:
        return any(values.get("class") == "text" for _, _, values in self.inside)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        assert len(values) == len(attrs)
        assert set(values) <= ATTRIBUTES[tag]
        if self.in_text and tag != "mark":
            self.signs.append((len(self.text), tag, values))
        if tag == "mark":
            self.marks.append((len(self.text), -1, values))
        self.inside.append((tag, len(self.text), values))

    def handle_endtag(self, tag: str) -> None:
        opened, start, values = self.inside.pop()
        assert opened == tag
        if tag == "mark":
            at = self.marks.index((start, -1, values))
            self.marks[at] = (start, len(self.text), values)

    def handle_data(self, data: str) -> None:
        if self.in_text:
            self.text += data
        elif any(values.get("class") == "legend" for _, _, values in self.inside):
            self.legend += data if data.startswith(" ") else f"|{data}"
        elif self.inside and self.inside[-1][0] != "article":
            self.heading += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError

    handle_decl = handle_pi = unknown_decl = handle_comment

    @property
    def mentions(self) -> list[tuple[int, int, str]]:
        """The mentions by their data, which the first element of each has."""
        firsts = [values for _, _, values in self.marks if "data-start" in values]
        return [(int(v["data-start"]), int(v["data-end"]), v["data-label"]) for v in firsts]


def check(text: str, mentions: Sequence[Any], fragment: str) -> Picture:
    """Check that a picture is the note with every mention once, where it stands."""
    picture = Picture(fragment)
    assert picture.text == text.replace("\0", "\ufffd")
    expected = sorted((m.start, m.end, plain(m.label)) for m in mentions)
    assert sorted(picture.mentions) == expected
    for start, end, values in picture.marks:
        assert start < end
        assert ("data-start" in values) != ("cont" in values["class"].split())
        assert values.get("data-start", str(start)) == str(start)
        assert ("tabindex" in values) == ("data-start" in values)
    # Each character is inside the elements of its mentions, and of no others.
    pieces = [(start, end, values["data-label"]) for start, end, values in picture.marks]
    borders = sorted({border for start, end, _ in (*pieces, *expected) for border in (start, end)})
    for border in borders:
        there = [
            sorted(label for start, end, label in spans if start <= border < end)
            for spans in (pieces, expected)
        ]
        assert there[0] == there[1]
    # The label of a mention is drawn once, at its end.
    ends = [end for _, end, v in picture.marks if "more" not in v["class"].split()]
    assert sorted(ends) == sorted(end for _, end, _ in expected)
    return picture


HOSTILE = [
    "<script>alert(1)</script>",
    "</style></div></article>",
    '" onmouseover="alert(1)" \'><img src=x>',
    "&amp;&lt;&#13;&nbsp; &copy",
    "<!-- --><![CDATA[ ]]><?php ?>",
    "\u202eabc\u202c \u2066x\u2069 \u200f",
    "a\0b\x01\x1b[0m\x7f\x80\x85\x9f",
    "\ufeff\u200b\xad\u2060a\u200db \u2028 \u2029",
    "a\rb\r\nc\n\rd\r\r\n\x0b\x0c",
    "\r",
    "\n\n  dos  \t fin \n",
    "👩\u200d⚕️ e\u0301 שלום",
    "",
]
TEXTS = st.sampled_from(HOSTILE) | st.text(st.characters(codec="utf-8"), max_size=40)
NAMES = st.sampled_from([*LABELS, *HOSTILE, "X", "Y", "Z"]) | st.text(max_size=5)
FLAGS = dict.fromkeys(CONTEXT, st.sampled_from([None, False, True]))


@st.composite
def notes(draw: st.DrawFn) -> tuple[str, list[Mention], list[tuple[int, str]]]:
    """A text with mentions that overlap in any way, and sections."""
    text = "".join(draw(st.lists(TEXTS, max_size=4)))
    places = st.integers(0, max(len(text) - 1, 0))
    mentions = []
    for start in draw(st.lists(places, max_size=8)) if text else ():
        end = draw(st.integers(start + 1, len(text)))
        flags = draw(st.fixed_dictionaries(FLAGS))
        score = draw(st.none() | st.floats(0, 1))
        label, code, match, section = (draw(NAMES) for _ in range(4))
        mentions.append(
            Mention(start, end, label, text[start:end], score, code, match, section, **flags)
        )
    return text, mentions, draw(st.lists(st.tuples(places, NAMES), max_size=3))


@settings(deadline=None, max_examples=150)
@given(notes(), NAMES, NAMES)
@example((NOTE, [DIABETES, ALLERGY, PENICILLIN], [(0, "past")]), "1", "notes.csv, row 17")
@example(("abcdef", [Mention(0, 4, "X", ""), Mention(2, 6, "Y", "")], []), "", "")
@example(("abcdef", [Mention(0, 4, "X", ""), Mention(0, 4, "X", "")], []), "", "")
@example(("a\r\nb", [Mention(0, 2, "X", ""), Mention(2, 4, "Y", "")], []), "", "")
@example(
    ("abc", [Mention(0, 1, "X", ""), Mention(1, 2, "Y", ""), Mention(2, 3, "X", "")], []), "", ""
)
def test_the_text_of_a_picture_is_the_note_and_every_mention_is_in_it(
    note: tuple[str, list[Mention], list[tuple[int, str]]], title: str, place: str
) -> None:
    text, mentions, sections = note
    names = {mention.kb_id: mention.kb_id for mention in mentions}
    fragment = draw(text, mentions, title=title, place=place, sections=sections, names=names)
    picture = check(text, mentions, fragment)
    assert sum(tag == "b" for _, tag, _ in picture.signs) == len(sections)
    breaks = [at for at, tag, values in picture.signs if (tag, values) == ("u", {"data-u": ""})]
    assert breaks == [match.start() for match in re.finditer(r"\r(?!\n)", text)]
    badges = Counter(values["class"] for _, tag, values in picture.signs if tag == "i")
    assert badges == Counter(n for m in mentions for n in CONTEXT if getattr(m, n))
    assert picture.heading == (title + place).replace("\0", "\ufffd")
    for _, _, values in picture.marks:
        assert all(line.isprintable() for line in values["title"].split("\n"))


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_a_note_is_obeyed(text: str) -> None:
    mention = Mention(0, len(text), text, text, 0.5, text, text, text, negated=True)
    fragment = draw(
        text, [mention] if text else [], title=text, place=text, lang=text, sections=[(0, text)]
    )
    check(text, [mention] if text else [], fragment)
    assert "<script" not in fragment
    assert "<img" not in fragment
    assert "</style" not in fragment
    # What changes the direction of a text is alone in an element that the style isolates.
    for char in re.findall("[\u202a-\u202e\u2066-\u2069]", fragment):
        assert fragment.count(f'<u data-u="U+{ord(char):04X}">{char}</u>') == fragment.count(char)


def test_a_page_asks_for_nothing_and_runs_nothing() -> None:
    page = page_head('a </title> "b"') + draw(NOTE, [DIABETES]) + PAGE_FOOT
    assert '<title>a &lt;/title&gt; "b"</title>' in page
    assert "default-src 'none'; style-src 'unsafe-inline'" in page
    for asking in ("http:", "https:", "//", "url(", "@import", "<link", "<script", "src=", "href"):
        assert asking not in page.replace("spacy_cardioner/view.py", "")
    assert "notranslate" in page  # translating sends the text away


def test_the_data_of_a_mention() -> None:
    mentions = [DIABETES, ALLERGY, PENICILLIN]
    picture = check(NOTE, mentions, draw(NOTE, mentions, names={"J01CE": "penicilinas"}))
    marks = [values for _, _, values in picture.marks]
    assert [values["class"] for values in marks] == ["l0 negated family", "l0 n2", "l1 allergy"]
    assert marks[0]["title"] == "ENFERMEDAD, negated, family\nscore 0.93"
    assert marks[2]["title"] == (
        "FARMACO, allergy\nJ01CE penicilinas (exact)\nscore 1.00\nsection: past medical history"
    )
    assert [values.get("data-code") for values in marks] == [None, None, "J01CE"]


def test_a_coded_drug_takes_one_line_and_labels_have_their_colours() -> None:
    """displaCy's entity view takes three, and has no colours for our labels."""
    text = "Toma digoxina por FA."
    drug = Mention(5, 13, "FARMACO", "digoxina", 1.0, "C01AA05")
    disease = Mention(18, 20, "ENFERMEDAD", "FA")
    [content] = re.findall('<div class="text">(.*?)</div>', draw(text, [drug, disease]), re.DOTALL)
    assert "\n" not in content
    assert "<br" not in content
    assert re.findall('<mark class="(.*?)"', content) == ["l1", "l0"]


@pytest.mark.parametrize("place", [(-1, 2), (2, 2), (3, 2), (0, 5), (4, 6)])
def test_a_mention_that_is_not_in_the_text_is_refused(place: tuple[int, int]) -> None:
    with pytest.raises(CardionerError, match="of another note"):
        draw("abcd", [Mention(*place, "X", "")])


def test_entities_without_context_are_drawn_too() -> None:
    entity = Entity(6, 14, "ENFERMEDAD")
    picture = check(NOTE, [entity], draw(NOTE, [entity]))
    assert [values["title"] for _, _, values in picture.marks] == ["ENFERMEDAD"]


def test_mentions_that_cross_are_split_and_named_once() -> None:
    text = "abcdefgh"
    mentions = [Mention(0, 5, "X", ""), Mention(3, 8, "Y", ""), Mention(3, 5, "Z", "")]
    picture = check(text, mentions, draw(text, mentions))
    assert [(start, end) for start, end, _ in picture.marks] == [(0, 5), (3, 5), (3, 5), (5, 8)]
    assert [re.sub(r"l\d ?", "", values["class"]) for _, _, values in picture.marks] == [
        "n3",
        "n2 more",
        "",
        "cont",
    ]


def test_the_legend_has_what_occurs_and_how_often() -> None:
    others = [Mention(0, 5, "zeta", "Niega"), Mention(0, 2, "<X>", "Ni")]
    mentions = [DIABETES, ALLERGY, PENICILLIN, *others]
    legend = Picture(draw(NOTE, mentions)).legend
    assert legend.startswith("|ENFERMEDAD 2|FARMACO 1|")
    assert set(legend.split("|")) == {
        *("", "ENFERMEDAD 2", "FARMACO 1", "zeta 1", "<X> 1"),
        *("negated 1", "family 1", "allergy 1"),
    }
    assert legend.endswith("|negated 1|family 1|allergy 1")
    assert Picture(draw(NOTE, [])).legend == "|no mentions"


def test_a_section_is_named_where_it_starts() -> None:
    fragment = draw(NOTE, [DIABETES], sections=[(39, "past_medical_history"), (6, "labs")])
    assert '<b data-section="labs"></b><mark' in fragment
    assert Picture(fragment).signs == [
        (6, "b", {"data-section": "labs"}),
        (6, "i", {"class": "negated"}),
        (6, "i", {"class": "family"}),
        (39, "b", {"data-section": "past medical history"}),
    ]


def test_a_long_note_is_little_longer_than_its_text() -> None:
    text = "paciente con insuficiencia cardiaca y " * 10_000
    size = len("paciente con insuficiencia cardiaca y ")
    mentions = [
        Mention(at + 13, at + 35, "ENFERMEDAD", "", 0.9, negated=at % 2 == 0)
        for at in range(0, len(text), size)
    ]
    fragment = draw(text, mentions)
    assert len(fragment) < len(text) + 180 * len(mentions)


# The style


def colours(*, dark: bool) -> dict[str, str]:
    """The colours of the style by name: page, text and so on, and fill and line of each label."""
    light, _, other = read_style().partition("@media screen and (prefers-color-scheme: dark)")
    found: dict[str, str] = {}
    for part in (light, other.partition("\n}\n")[0])[: 1 + dark]:
        found |= re.findall(r"--(page|text|dim|rule|focus): (#\w{6});", part)
        for number, fill, line in re.findall(
            r"\.l(\d) \{ --fill: (#\w+); --line: (#\w+); \}", part
        ):
            found |= {f"fill{number}": fill, f"line{number}": line}
    return found


def linear(colour: str) -> list[float]:
    """Red, green and blue of a colour in linear light (IEC 61966-2-1)."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]


def contrast(one: str, other: str) -> float:
    """The contrast of two colours (WCAG 2.2)."""
    weights = (0.2126, 0.7152, 0.0722)
    lights = [
        sum(w * v for w, v in zip(weights, linear(colour), strict=True)) for colour in (one, other)
    ]
    return (max(lights) + 0.05) / (min(lights) + 0.05)


# source: Machado, Oliveira and Fernandes (2009), severity 1.0, for linear light
VISION = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
# CIE 1931 under D65, with its white as 1
XYZ = (
    (0.4339, 0.3762, 0.1899),
    (0.2126, 0.7152, 0.0722),
    (0.0178, 0.1095, 0.8727),
)


def times(matrix: Sequence[Sequence[float]], vector: Sequence[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def seen(colour: str, vision: str) -> tuple[float, float, float]:
    """A colour as somebody sees it, in CIELAB."""
    light = [min(max(value, 0.0), 1.0) for value in times(VISION[vision], linear(colour))]
    x, y, z = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in times(XYZ, light))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def difference(one: str, other: str, vision: str) -> float:
    pairs = zip(seen(one, vision), seen(other, vision), strict=True)
    return float(sum((a - b) ** 2 for a, b in pairs) ** 0.5)


@pytest.mark.parametrize("dark", [False, True])
def test_text_and_labels_are_readable_on_their_grounds(dark: bool) -> None:
    found = colours(dark=dark)
    assert len(found) == 5 + 2 * (len(LABELS) + OTHERS)
    fills = [name for name in found if name.startswith("fill")]
    lines = [name for name in found if name.startswith("line")]
    # A mention may stand in any other.
    pairs = [*product(("text", "dim", *lines), ("page", *fills)), ("focus", "page")]
    low = {pair: contrast(*(found[name] for name in pair)) for pair in pairs}
    assert {pair: ratio for pair, ratio in low.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("dark", [False, True])
def test_labels_are_told_apart_by_those_who_see_fewer_colours(dark: bool, vision: str) -> None:
    found = colours(dark=dark)
    lines = [found[f"line{number}"] for number in range(len(LABELS) + OTHERS)]
    for least, some in ((25, lines[: len(LABELS)]), (10, lines)):
        near = {pair: difference(*pair, vision) for pair in combinations(some, 2)}
        assert {pair: gap for pair, gap in near.items() if gap < least} == {}


def test_the_style_draws_all_that_a_picture_has() -> None:
    style = read_style()
    assert set(WORDS) == set(CONTEXT)
    for name, word in WORDS.items():
        assert f'--{name}: "{word}"' in style
        assert f"i.{name}::before {{ content: var(--{name}); }}" in style
        assert f"mark.{name} {{" in style or f"mark.{name}," in style
    assert style.count("{") == style.count("}")


def test_every_label_has_the_same_colour_everywhere() -> None:
    assert [colour_of(label) for label in LABELS] == [0, 1, 2, 3]
    others = {label: colour_of(label) for label in ("DISEASE", "Drug", "", "\ud800", "<b>")}
    assert others == {"DISEASE": 7, "Drug": 4, "": 4, "\ud800": 4, "<b>": 4}


@pytest.mark.parametrize("style", ["ent", "span"])
def test_displacy_has_our_colours(style: str) -> None:
    nlp = spacy.blank("es")
    doc = nlp("Alergia a penicilina.")
    spans = [doc.char_span(0, 20, "ENFERMEDAD"), doc.char_span(10, 20, "FARMACO")]
    doc.spans[SPANS_KEY] = SpanGroup(doc, spans=spans)
    doc.ents = [spans[1]]
    page = displacy.render(doc, style=style, options={"spans_key": SPANS_KEY}, jupyter=False)
    assert displacy_colors()["FARMACO"] == colours(dark=False)["fill1"]
    assert displacy_colors()["FARMACO"] in page
    assert list(displacy_colors()) == list(LABELS)
