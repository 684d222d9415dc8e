"""What is read in the answers of language models, and where it is found in the text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.files import RESOURCES
from spacy_cardioner.pipeline.llm.answers import Piece, read_answer
from spacy_cardioner.pipeline.llm.task import PROMPT_FILE, read_prompt
from spacy_cardioner.tokenizer import blank

LABELS = ["ENFERMEDAD", "FARMACO", "SINTOMA", "PROCEDIMIENTO"]
PROMPTS = sorted(RESOURCES.glob(f"*/{PROMPT_FILE}"))
NLP = blank("es")


def found(text: str, *mentions: str, label: str = "FARMACO") -> tuple[list[str], int]:
    """What is found in a text, with its place, and how many mentions are not."""
    doc = NLP.make_doc(text)
    entities, missing = Piece(doc, 0, len(text)).find([(label, one) for one in mentions])
    spans = [doc[entity.start : entity.end] for entity in sorted(entities)]
    return [f"{span.start_char} {span.text}" for span in spans], missing


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("FARMACO | bisoprolol", ("FARMACO", "bisoprolol")),
        ("farmaco|bisoprolol", ("FARMACO", "bisoprolol")),
        ("FARMACO: bisoprolol", ("FARMACO", "bisoprolol")),
        ("- **FARMACO** | `bisoprolol`", ("FARMACO", "bisoprolol")),
        ("12. FARMACO | «bisoprolol»", ("FARMACO", "bisoprolol")),
        ("| FARMACO | bisoprolol |", ("FARMACO", "bisoprolol")),
        ("FARMACO | 1,25-dihidroxivitamina D", ("FARMACO", "1,25-dihidroxivitamina D")),
        ("SINTOMA | dolor (torácico)", ("SINTOMA", "dolor (torácico)")),
    ],
)
def test_lines_of_answers(line: str, expected: tuple[str, str]) -> None:
    assert read_answer(line, LABELS) == ([expected], 0)


def test_other_lines_are_counted_and_thoughts_are_not() -> None:
    answer = """<think>FARMACO | aspirina would be one.
    </think>
    ```text
    Here are the mentions:
    FARMACO | bisoprolol
    FARMACO | bisoprolol
    DRUG | furosemida
    FARMACO |
    -
    ```"""
    assert read_answer(answer, LABELS) == ([("FARMACO", "bisoprolol")], 3)
    assert read_answer("FARMACO | a\nSINTOMA | b", ["FARMACO"]) == ([("FARMACO", "a")], 1)


@pytest.mark.parametrize("nothing", ["", "-", "—", "\n \n", "```\n```"])
def test_an_answer_may_have_no_mentions(nothing: str) -> None:
    assert read_answer(nothing, LABELS) == ([], 0)


@pytest.mark.parametrize(
    ("text", "mention", "expected"),
    [
        # Repeated, at the start and the end, and not inside other words.
        ("Asma. Sin plasma, con asma", "asma", ["0 Asma", "22 asma"]),
        # Case, accents and white space.
        ("NEUMONIA y neumonía", "Neumonía", ["0 NEUMONIA", "11 neumonía"]),
        (
            "ácido\r\n  acetilsalicílico",
            "ácido acetilsalicílico",
            ["0 ácido\r\n  acetilsalicílico"],
        ),
        ("acido acetilsalicilico", "ácido  acetilsalicílico", ["0 acido acetilsalicilico"]),
        # Accents as characters of their own, soft hyphens, directional and trade marks.
        ("neumoni\u0301a", "neumonía", ["0 neumoni\u0301a"]),
        ("neumonía", "neumoni\u0301a", ["0 neumonía"]),
        ("\u200ebisoprolol\u200f", "bisoprolol", ["1 bisoprolol"]),
        ("Toma Sintrom® hoy", "Sintrom", ["5 Sintrom"]),
        # Other spellings of a letter.
        ("Toma β-bloqueante", "beta-bloqueante", ["5 β-bloqueante"]),
        # Glued to a dose, beside signs, with signs of their own.
        ("Toma FUROSEMIDA40MG.", "furosemida", ["5 FUROSEMIDA"]),
        ("(AAS/clopidogrel)", "clopidogrel", ["5 clopidogrel"]),
        ("Toma 5-FU.", "5-FU", ["5 5-FU"]),
        ("Toma AAS.", "AAS.", ["5 AAS"]),
        ("Toma A.S., y", "A.S.", ["5 A.S."]),
        ("Toma AAS.", "(AAS)", ["5 AAS"]),
        ("C++ y [a-z]*", "[a-z]*", ["6 [a-z]*"]),
        # Short words with capitals mean something else without them, if they stand there.
        ("no hay NO inhalado", "NO", ["7 NO"]),
        ("toma aas", "AAS", ["5 aas"]),
        ("FA. La fa", "FA", ["0 FA"]),
        # Not there.
        ("Toma bisoprolol", "atenolol", []),
        ("Toma bisoprolol", "prolol", []),
        ("Toma bisoprolol", "\u200b", []),
        ("", "asma", []),
        ("\U0001fac0 asma", "asma", ["2 asma"]),
    ],
)
def test_mentions_are_found_again(text: str, mention: str, expected: list[str]) -> None:
    spans, missing = found(text, mention)
    assert spans == expected
    assert missing == (not expected)


def test_a_mention_inside_a_longer_one_of_its_label_is_no_other() -> None:
    text = "Infarto agudo de miocardio en 2010, otro infarto en 2012"
    mentions = ["infarto", "infarto agudo de miocardio"]
    assert found(text, *mentions) == (["0 Infarto agudo de miocardio", "41 infarto"], 0)
    doc = NLP.make_doc("alergia a penicilina")
    both = [("ENFERMEDAD", "alergia a penicilina"), ("FARMACO", "penicilina")]
    entities, _ = Piece(doc, 0, 20).find(both)
    assert [entity[:3] for entity in entities] == [(0, 3, "ENFERMEDAD"), (2, 3, "FARMACO")]


def test_only_the_piece_is_searched() -> None:
    text = "Toma asma. Niega asma. Tiene asma."
    doc = NLP.make_doc(text)
    entities, _ = Piece(doc, 11, 22).find([("ENFERMEDAD", "asma")])
    assert [doc[e.start : e.end].start_char for e in entities] == [17]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), st.data())
def test_any_tokens_of_any_text_are_found(text: str, data: st.DataObject) -> None:
    doc = NLP.make_doc(text)
    words = [token.i for token in doc if any(map(str.isalnum, token.text))]
    if not words:
        return
    first = data.draw(st.sampled_from(words))
    last = data.draw(st.sampled_from([i for i in words if i >= first]))
    mention = doc[first : last + 1]
    spans = Piece(doc, 0, len(text)).occurrences(mention.text)
    # What folding drops at the edges, such as a trade mark, may stand in a token of its own.
    assert any(set(s) <= set(mention) or set(mention) <= set(s) for s in spans)
    assert all(doc.text[s.start_char : s.end_char] == s.text for s in spans)


@pytest.mark.parametrize("path", PROMPTS, ids=lambda path: path.parent.name)
def test_the_examples_of_prompts_are_found_in_their_texts(path) -> None:  # type: ignore[no-untyped-def]
    parts = json.loads(path.read_text(encoding="utf-8"))
    assert [*parts["labels"]] == LABELS
    seen = set()
    for example in parts["examples"]:
        text, mentions = example["text"], [tuple(mention) for mention in example["mentions"]]
        doc = NLP.make_doc(text)
        entities, missing = Piece(doc, 0, len(text)).find(mentions)
        assert missing == 0
        assert {doc[e.start : e.end].text for e in entities} == {text for _, text in mentions}
        seen |= {label for label, _ in mentions}
    assert seen == set(LABELS)
    assert [path.parent.name for path in PROMPTS] == ["en", "es", "it"]


def test_a_prompt_asks_for_the_wanted_labels_only() -> None:
    path = RESOURCES / "es" / PROMPT_FILE
    prompt = read_prompt(path, ["FARMACO"])
    assert "FARMACO | Sintrom" in prompt
    assert not any(label in prompt for label in ("ENFERMEDAD", "SINTOMA", "PROCEDIMIENTO"))
    with pytest.raises(CardionerError, match="describes no label GEN, only ENFERMEDAD"):
        read_prompt(path, ["GEN"])


def test_a_prompt_of_ones_own_is_checked(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "prompt.json"
    path.write_text('{"task": "Find drugs."}')
    with pytest.raises(CardionerError, match="answer, examples, labels, rules, task, text"):
        read_prompt(path, ["FARMACO"])
