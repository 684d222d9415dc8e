"""The page of the service in a real browser. The server is that of `tests.page_server`."""

from __future__ import annotations

import io
import json
import random
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spacy_cardioner.batch.mentions import CONTEXT, Mention
from spacy_cardioner.view import LABELS, colour_of, draw
from tests.page_server import LANGUAGES, PAGE, Service, serving

api = pytest.importorskip("playwright.sync_api", reason='needs playwright: pip install ".[dev]"')
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("needs a Chromium on the PATH", allow_module_level=True)

NOTE = """Antecedentes familiares: padre con infarto de miocardio.
Antecedentes personales: hipertensión arterial. Alergia a penicilina.
Enfermedad actual: niega diabetes. Posible neumonía.
Tratamiento al alta:
- bisoprolol 2,5 mg cada 24 h
- paracetamol si precisa
"""
# Its mentions with their context.
FOUND = {
    "infarto de miocardio": {"family"},
    "hipertensión arterial": {"historical"},
    "Alergia a penicilina": {"historical", "allergy"},
    "penicilina": {"allergy"},
    "diabetes": {"negated"},
    "neumonía": {"uncertain"},
    "bisoprolol": set(),
    "paracetamol": {"hypothetical"},
}
DISEASES = list(FOUND)[:3] + ["diabetes", "neumonía"]
PLAIN = {"pipeline": None, "lang": "es", "labels": None, "min_score": 0, "context": True}
HOSTILE = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>\'"&amp;\n{n}'


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Service]]:
    with serving() as (url, service):
        service.annotated({**PLAIN, "notes": [{"id": "1", "text": NOTE}]})  # loads the pipeline
        yield url, service


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


class Opened:
    """The page, opened in a browser.

    faults (list): Errors of scripts, and what the browser complains of, such as a violated policy.
    """

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda said: self.faults.append(said.text))
        page.set_default_timeout(60_000)
        page.goto(url)
        page.wait_for_selector("body.ready")

    def annotate(self, text: str, rows: bool = True) -> None:
        # `fill` would take seconds for a long note.
        set_text = """text => {
            const area = document.querySelector("#text");
            area.value = text;
            area.dispatchEvent(new Event("input"));
        }"""
        self.page.evaluate(set_text, text)
        self.page.click("#annotate")
        if rows:
            self.page.wait_for_selector("#rows tr")

    def give(self, selector: str, value: str) -> None:
        """Set the value of a range or a search field as a user does."""
        self.page.eval_on_selector(
            selector,
            """(one, value) => {
                one.value = value;
                one.dispatchEvent(new Event("input", { bubbles: true }));
            }""",
            value,
        )

    def texts(self, selector: str) -> list[str]:
        return self.page.eval_on_selector_all(selector, "all => all.map(one => one.textContent)")

    @property
    def shown(self) -> list[str]:
        """The mentions of the table."""
        return self.texts("#rows button")

    @property
    def marked(self) -> list[str]:
        """The mentions of the text."""
        return self.texts("#marked mark:not(.off)")

    def count(self, selector: str) -> int:
        return self.page.locator(selector).count()

    @property
    def status(self) -> str:
        return self.page.inner_text("#status")


@pytest.fixture
def page(browser: Any, server: tuple[str, Service]) -> Iterator[Opened]:
    url, service = server
    service.reset()
    context = browser.new_context(locale="en-US")
    opened = Opened(context.new_page(), url)
    yield opened
    context.close()
    refused = [fault for fault in opened.faults if "status of" not in fault]
    assert refused == []


@pytest.fixture
def service(server: tuple[str, Service]) -> Service:
    return server[1]


def test_a_pasted_note_is_shown_with_what_is_found(page: Opened) -> None:
    page.page.focus("#text")
    page.page.keyboard.insert_text(NOTE)
    page.page.keyboard.press("Control+Enter")
    page.page.wait_for_selector("#rows tr")

    assert page.texts("#marked") == [NOTE]
    assert sorted(page.marked) == sorted(page.shown) == sorted(FOUND)
    for mark in page.page.query_selector_all("#marked mark"):
        classes = set((mark.get_attribute("class") or "").split())
        assert classes & set(CONTEXT) == FOUND[mark.text_content()]
        assert mark.get_attribute("role") == "link"
    words = page.texts("#rows tr:nth-child(3) .context")
    assert page.shown[2] == "Alergia a penicilina" and words == ["past", "allergy"]
    cells = page.page.inner_text("#rows tr:nth-child(4)")
    assert all(part in cells for part in ("penicilina", "drug", "J01CE01", "1.00", "past medical"))
    sections = page.page.eval_on_selector_all(
        "#marked b", "all => all.map(one => getComputedStyle(one, '::before').content)"
    )
    assert '"§ family history"' in sections
    assert page.status == "8 mentions · es_cardioner 0.1.0 · Spanish (guessed)"


def test_what_the_patient_does_not_have_differs_by_more_than_its_colour(page: Opened) -> None:
    page.annotate(NOTE)
    looks = page.page.eval_on_selector_all(
        "#marked mark",
        """all => all.map(one => {
            const style = getComputedStyle(one);
            const words = [...one.children].filter(child => child.tagName === "I")
                .map(child => getComputedStyle(child, "::before").content);
            return [one.textContent, style.borderTopStyle, style.borderBottomStyle, words.join("")];
        })""",
    )
    assert {text: tuple(look) for text, *look in looks} == {
        "infarto de miocardio": ("dashed", "dashed", '"family"'),
        "hipertensión arterial": ("solid", "double", '"past"'),
        "Alergia a penicilina": ("dashed", "dashed", '"past""allergy"'),
        "penicilina": ("dashed", "dashed", '"allergy"'),
        "diabetes": ("dashed", "dashed", '"negated"'),
        "neumonía": ("solid", "dotted", '"uncertain"'),
        "bisoprolol": ("solid", "solid", ""),
        "paracetamol": ("dashed", "dashed", '"hypothetical"'),
    }


def test_labels_contexts_scores_and_words_filter_text_and_table(page: Opened) -> None:
    page.annotate(NOTE)

    def left(names: list[str]) -> None:
        assert page.shown == page.marked == names

    page.page.uncheck("#labels input[value=FARMACO]")
    left(DISEASES)
    assert page.status.startswith("5 of 8 mentions")
    page.page.uncheck("#contexts input[value=historical]")
    left(["infarto de miocardio", "diabetes", "neumonía"])
    page.page.check("#contexts input[value=historical]")
    page.page.check("#labels input[value=FARMACO]")
    for name in CONTEXT:
        page.page.uncheck(f"#contexts input[value={name}]")
    left(["bisoprolol"])
    for name in CONTEXT:
        page.page.check(f"#contexts input[value={name}]")
    page.give("#search", "HIPERTENSION")  # accents and capitals do not matter
    left(["hipertensión arterial"])
    page.give("#search", "c07ab")  # a code
    left(["bisoprolol"])
    page.give("#search", "nothing")
    left([])
    page.give("#search", "")
    page.give("#threshold", "0.99")
    assert page.shown == page.marked == ["penicilina", "bisoprolol", "paracetamol"]
    assert page.page.inner_text("#lowest") == "0.99"
    # What is not shown cannot be reached, and its text stays.
    assert page.count("#marked mark.off[tabindex], #marked mark.off[role]") == 0
    assert page.count("#marked mark[tabindex='0']") == 1
    assert page.texts("#marked") == [NOTE]


def test_the_table_sorts_by_each_column(page: Opened) -> None:
    page.annotate(NOTE)

    def column(key: str) -> list[str]:
        return page.texts(f"#rows .{key}")

    assert column("start") == sorted(column("start"), key=int)
    for key in ("text", "label", "code", "score", "section"):
        for direction in ("ascending", "descending"):
            page.page.click(f"[data-key={key}] button")
            assert page.page.get_attribute(f"[data-key={key}]", "aria-sort") == direction
            assert page.count("[aria-sort]") == 1
            values = page.shown if key == "text" else column(key)
            assert values == sorted(values, key=str.casefold, reverse=direction == "descending")
    page.page.click("[data-key=start] button")
    assert column("start") == sorted(column("start"), key=int)


def test_pointing_at_a_mention_shows_it_in_the_text_and_in_the_table(page: Opened) -> None:
    page.annotate(NOTE)
    page.page.hover("#marked mark >> text=diabetes")
    assert page.texts("#rows tr.lit button") == ["diabetes"]
    assert "disease (ENFERMEDAD), negated" in page.page.inner_text("#details")
    page.page.hover("#rows tr >> text=bisoprolol")
    assert page.texts("#marked mark.lit") == ["bisoprolol"]
    assert page.texts("#rows tr.lit button") == ["bisoprolol"]
    assert "C07AB07 bisoprolol (exact name)" in page.page.inner_text("#details")
    page.page.hover("#marked mark mark")  # the inner one of two
    assert page.texts("#marked mark.lit") == ["penicilina"]


def test_the_keyboard_reaches_everything(page: Opened) -> None:
    keyboard = page.page.keyboard
    focused = "document.activeElement.textContent"
    page.page.focus("#text")
    page.page.keyboard.insert_text(NOTE)
    page.page.focus("#annotate")
    keyboard.press("Enter")
    page.page.wait_for_selector("#rows tr")
    assert page.page.evaluate("document.activeElement.id") == "edit"
    for _ in range(40):
        keyboard.press("Tab")
        if page.page.evaluate("document.activeElement.tagName") == "MARK":
            break
    assert page.page.evaluate(focused) == "infarto de miocardio"
    for key, text in {
        "ArrowRight": "hipertensión arterial",
        "ArrowDown": "Alergia a penicilina",
        "ArrowLeft": "hipertensión arterial",
        "End": "paracetamol",
        "ArrowUp": "bisoprolol",
        "Home": "infarto de miocardio",
    }.items():
        keyboard.press(key)
        assert page.page.evaluate(focused) == text
    keyboard.press("End")
    keyboard.press("Enter")  # to the table
    assert page.page.evaluate("document.activeElement.closest('tr').rowIndex") == 8
    keyboard.press("ArrowUp")
    assert page.page.evaluate(focused) == "bisoprolol"
    keyboard.press("Enter")  # and back
    assert page.page.evaluate("document.activeElement.tagName") == "MARK"
    keyboard.press("Tab")  # the text is one stop, and the table's head is next
    assert page.page.evaluate("document.activeElement.closest('thead') !== null")


def test_every_control_has_a_name_and_what_changes_is_announced(page: Opened) -> None:
    page.annotate(NOTE)
    tree = page.page.locator("body").aria_snapshot()
    controls = r"- (?:button|combobox|checkbox|slider|searchbox|textbox|link|columnheader|table)"
    assert len(re.findall(controls, tree)) > 40
    assert re.findall(rf"{controls}(?! \").*", tree) == []
    assert '- link "diabetes, disease, negated"' in tree
    assert '- rowheader "Alergia a penicilina past allergy"' in tree
    assert "- status: 8 mentions" in tree
    page.page.click("#edit")
    page.annotate(" ", rows=False)
    assert "There is no note yet" in page.page.inner_text("[role=alert]")
    assert "- alert:" in page.page.locator("body").aria_snapshot()


def test_downloads_have_what_is_chosen(page: Opened, service: Service, tmp_path: Path) -> None:
    file = tmp_path / "alta 1.txt"
    file.write_bytes(NOTE.replace("\n", "\r\n").encode())
    page.page.set_input_files("#file", file)
    page.page.wait_for_selector("#rows tr")
    page.page.uncheck("#labels input[value=ENFERMEDAD]")
    page.give("#threshold", "0.99")

    def download(kind: str) -> tuple[str, bytes]:
        with page.page.expect_download() as started:
            page.page.click(f"[data-format={kind}]")
        return started.value.suggested_filename, Path(started.value.path()).read_bytes()

    name, content = download("jsonl")
    row = json.loads(content)
    assert name == "alta 1.jsonl" and row["id"] == "alta 1"
    assert [one["text"] for one in row["entities"]] == ["penicilina", "bisoprolol", "paracetamol"]
    text = file.read_bytes().decode()  # offsets count both characters of its line ends
    assert all(text[one["start"] : one["end"]] == one["text"] for one in row["entities"])
    assert row["entities"][0]["allergy"] is True
    name, content = download("tsv")
    assert name == "alta 1.tsv" and len(content.splitlines()) == 4
    name, content = download("brat")
    assert name == "alta 1.zip"
    assert zipfile.ZipFile(io.BytesIO(content)).read("alta 1.txt") == file.read_bytes()
    sent = {key: value for key, value in service.asked[-1][1].items() if key != "notes"}
    assert sent == {
        **{"pipeline": "es_cardioner", "lang": "es", "labels": ["FARMACO"], "min_score": 0.99},
        "context": True,
    }


def drop(page: Opened, *files: bytes, name: str = "nota.txt") -> None:
    page.page.evaluate(
        """([files, name]) => {
            const dataTransfer = new DataTransfer();
            for (const bytes of files) {
                dataTransfer.items.add(new File([new Uint8Array(bytes)], name));
            }
            const about = { dataTransfer, bubbles: true, cancelable: true };
            document.querySelector("main").dispatchEvent(new DragEvent("dragover", about));
            document.querySelector("main").dispatchEvent(new DragEvent("drop", about));
        }""",
        [[list(file) for file in files], name],
    )


def test_a_dropped_file_is_read_as_it_is(page: Opened, service: Service) -> None:
    def sent() -> dict[str, Any]:
        page.page.wait_for_selector("#rows tr")
        page.page.wait_for_selector("body:not(.busy)")
        return service.asked[-1][1]["notes"][0]

    drop(page, b"\xef\xbb\xbfNiega\r\ndiabetes.\r", name="Alta 7.TXT")
    assert sent() == {"id": "Alta 7", "text": "Niega\r\ndiabetes.\r"}
    assert page.marked == ["diabetes"] and page.texts("#marked") == ["Niega\r\ndiabetes.\r"]
    page.page.click("#edit")
    page.page.press("#text", "End")
    page.page.keyboard.insert_text("!")  # an edited text is what the browser has
    page.page.click("#annotate")
    assert "!" in sent()["text"] and "\r" not in sent()["text"]
    drop(page, "Hipertensión arterial".encode("cp1252"), name="a\n.txt")
    page.page.wait_for_selector("#rows tr >> text=Hipertensión")
    assert sent() == {"id": "a ", "text": "Hipertensión arterial"}
    assert "Windows-1252" in page.page.inner_text("#problem")
    asked = len(service.asked)
    drop(page, b"PK\x03\x04\x00")
    assert "not plain text" in page.page.inner_text("#problem")
    drop(page, b"a", b"b")
    assert "One note at a time" in page.page.inner_text("#problem")
    assert len(service.asked) == asked


def test_offsets_fit_whatever_characters_the_note_has(page: Opened) -> None:
    text = "😀👩‍⚕️ Niega diabetes.\u200b 🫀 e\u0301 𝒳\r"
    text += "Alergia a penicilina\u202e.\t\x07 Toma bisoprolol 🏥"
    drop(page, text.encode())
    page.page.wait_for_selector("#rows tr")
    assert page.texts("#marked") == [text]
    assert page.marked == ["diabetes", "Alergia a penicilina", "penicilina", "bisoprolol"]
    assert page.texts("#rows .start")[0] == str(text.index("diabetes"))
    assert page.texts("#marked u") == ["\u200b", "\r", "\u202e", "\x07"]
    page.page.click("#edit")
    page.page.evaluate("text.value = '\\ud83d diabetes. \\udc00'")  # halves of characters
    page.page.dispatch_event("#text", "input")
    page.page.click("#annotate")
    page.page.wait_for_selector("#rows tr")
    assert page.marked == ["diabetes"] and page.texts("#marked") == ["\ufffd diabetes. \ufffd"]


def test_copied_text_is_that_of_the_note(page: Opened) -> None:
    text = NOTE * 30  # drawn in several parts
    page.annotate(text)
    assert page.count("#marked .part") > 3
    copied = page.page.evaluate(
        """() => {
            getSelection().selectAllChildren(document.querySelector("#marked"));
            const clipboardData = new DataTransfer();
            const about = { clipboardData, bubbles: true, cancelable: true };
            const copy = new ClipboardEvent("copy", about);
            document.querySelector("#marked mark").dispatchEvent(copy);
            return clipboardData.getData("text/plain");
        }"""
    )
    assert copied == text


def some_mentions(text: str, seed: int) -> list[Mention]:
    """Mentions of all kinds, many of which overlap."""
    chance = random.Random(seed)
    found = set()
    for _ in range(12):
        start = chance.randrange(len(text) - 1)
        end = min(len(text), start + chance.randint(1, 12))
        said = {name: chance.random() < 0.2 for name in CONTEXT}
        label = chance.choice((*LABELS, "Ñandú <b>"))
        found.add(Mention(start, end, label, text[start:end], 0.5, "C07AB07", **said))
    return sorted(found, key=lambda one: one[:3])


READ = """root => [...root.querySelectorAll("mark, b, u")].map(one => [
    one.tagName,
    [...one.classList].filter(name => !["lit", "off"].includes(name)).sort().join(" "),
    one.dataset.section ?? one.dataset.u ?? "",
    one.textContent,
    [...one.children].map(child => child.tagName === "I" ? child.className : "").join(" "),
])"""


@pytest.mark.parametrize("seed", range(6))
def test_the_text_is_drawn_as_the_html_output_is(seed: int, page: Opened, service: Service) -> None:
    text = "ab 😀 cd\r\nef\rgh \u200bij\nkl <b> & mn op\tqr \x85st uv"
    mentions = some_mentions(text, seed)
    sections = [(0, "allergies"), (11, "imaging"), (30, "x y")]
    entities = [{**one._asdict(), "vocabulary": "ATC"} for one in mentions]
    places = [{"start": start, "category": name} for start, name in sections]
    note = {"id": "note", "entities": entities, "sections": places}
    service.canned = {"pipeline": "es_cardioner", "lang": "es", "notes": [note], "failed": []}
    # A text area has only line feeds.
    drop(page, text.encode())
    page.page.wait_for_selector("#rows tr")
    ours = page.page.eval_on_selector("#marked", READ)
    html = draw(text, mentions, sections=sections)
    parsed = "new DOMParser().parseFromString(html, 'text/html')"
    theirs = page.page.evaluate(f"html => ({READ})({parsed}.querySelector('.text'))", html)
    assert ours == theirs
    assert page.texts("#marked") == [text]


def test_labels_have_the_colours_of_the_html_output(page: Opened) -> None:
    labels = [*LABELS, "", "DIS", "Ñandú", "中😀", *map(str, range(40))]
    colours = page.page.evaluate(
        "async labels => labels.map((await import('./page/draw.js')).colourOf)", labels
    )
    assert colours == [f"l{colour_of(label)}" for label in labels]


def test_nothing_in_a_note_or_an_answer_is_run(page: Opened, service: Service) -> None:
    page.annotate(f"{HOSTILE} diabetes {HOSTILE}")
    assert page.texts("#marked") == [f"{HOSTILE} diabetes {HOSTILE}"]
    page.page.click("#edit")
    entity = {"start": 0, "end": 4, "text": "Nota", "negated": True, "score": 0.5}
    entity |= dict.fromkeys(
        ("label", "kb_id", "kb_name", "match", "section", "vocabulary"), HOSTILE
    )
    note = {"id": HOSTILE, "entities": [entity], "sections": [{"start": 0, "category": HOSTILE}]}
    service.canned = {"pipeline": HOSTILE, "lang": HOSTILE, "notes": [note], "failed": []}
    page.annotate("Nota")
    page.page.hover("#marked mark")
    page.page.click("#rows button")
    assert HOSTILE.split("\n")[0] in page.page.inner_text("#details")
    service.canned = {**service.canned, "failed": [{"id": HOSTILE, "error": HOSTILE}]}
    page.page.click("#edit")
    page.annotate("Nota", rows=False)
    page.page.wait_for_selector("#problem >> text=onerror")
    assert page.count("img, main script") == 0
    assert page.page.evaluate("window.hit") is None
    # Nor could it be, were there any: the page has no such words.
    for file in PAGE.glob("*.js"):
        unsafe = r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(|srcdoc"
        assert re.findall(unsafe, file.read_text(encoding="utf-8")) == []
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<style|<script(?! type=\"module\" src=\")|\son\w+=|style=", html) == []


def test_nothing_leaves_the_machine_and_nothing_is_stored(
    browser: Any, server: tuple[str, Service]
) -> None:
    url, service = server
    service.reset()
    context = browser.new_context()
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = Opened(context.new_page(), url)
    page.annotate(NOTE)
    page.page.select_option("#interface", "it")
    page.page.wait_for_selector("#edit >> text=Modifica")
    assert all(one.startswith(url) for one in asked)
    assert context.storage_state() == {"cookies": [], "origins": []}
    assert page.page.evaluate("localStorage.length + sessionStorage.length") == 0
    assert page.page.url == url
    page.page.reload()
    page.page.wait_for_selector("body.ready")
    assert page.page.input_value("#text") == ""
    for name in ("spellcheck", "autocapitalize", "writingsuggestions"):
        assert page.page.get_attribute("#text", name) in ("false", "off")
    assert "127.0.0.1" in page.page.inner_text("#private")
    assert page.faults == []
    context.close()


def test_the_interface_speaks_three_languages(page: Opened, server: tuple[str, Service]) -> None:
    words = {name: json.loads((PAGE / f"{name}.json").read_text("utf-8")) for name in LANGUAGES}

    def shape(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: shape(value) for key, value in node.items()}
        return sorted(re.findall(r"\{\w+\}", node))

    assert shape(words["en"]) == shape(words["es"]) == shape(words["it"])
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    keys = {
        key.split(".")[0] for key in re.findall(r'data-(?:text|named|placeholder)="([\w.]+)"', html)
    }
    scripts = "".join(file.read_text("utf-8") for file in PAGE.glob("*.js"))
    keys |= {key for key in re.findall(r'say\([`"](\w+)', scripts)}
    assert keys <= set(words["en"])
    assert set(words["en"]) - keys == {*CONTEXT, "none"}

    page.annotate(NOTE)
    for name in ("es", "it"):
        page.page.select_option("#interface", name)
        page.page.wait_for_selector(f"html[lang={name}]")
        assert page.page.inner_text("#edit") == words[name]["edit"]
        assert page.status.startswith(words[name]["found"]["other"].replace("{n}", "8"))
        assert page.texts("#rows .score")[0].count(",") == 1
        said = page.page.eval_on_selector(
            "#marked i.negated", "one => getComputedStyle(one, '::before').content"
        )
        assert said == f'"{words[name]["negated"]}"'
        assert page.page.get_attribute("#marked", "lang") == "es"  # the note is what it was
        assert page.texts("#marked") == [NOTE]
    page.page.goto(f"{server[0]}?lang=es")
    page.page.wait_for_selector("#annotate >> text=Buscar menciones")
    page.page.goto(f"{server[0]}?lang=xx")
    page.page.wait_for_selector("#annotate >> text=Find mentions")


def test_the_language_and_the_pipeline_can_be_chosen(page: Opened, service: Service) -> None:
    assert page.texts("#pipeline option")[1:] == [f"{name}_cardioner" for name in LANGUAGES]
    page.page.select_option("#language", "en")
    page.annotate("She takes bisoprolol daily.")
    assert page.status == "1 mention · en_cardioner 0.1.0 · English"
    page.page.select_option("#pipeline", "es_cardioner")  # annotates again
    page.page.wait_for_selector("#status >> text=es_cardioner")
    sent = service.asked[-1][1]
    assert (sent["pipeline"], sent["lang"], sent["labels"]) == ("es_cardioner", "en", None)
    said = page.status
    service.refusal = 503, {}
    page.page.select_option("#language", "it")  # the answer before stays
    page.page.wait_for_selector("#problem:not([hidden])")
    assert page.status == said and page.shown == ["bisoprolol"]


def test_other_labels_of_the_pipeline_can_be_looked_for(page: Opened, service: Service) -> None:
    service.active = ["ENFERMEDAD"]
    page.page.reload()
    page.page.wait_for_selector("body.ready")
    page.annotate("Niega diabetes. Toma bisoprolol.")
    assert page.shown == ["diabetes"]
    page.page.click("#labels input[value=FARMACO]")
    page.page.wait_for_selector("#rows tr >> text=bisoprolol")
    assert service.asked[-1][1]["labels"] == ["ENFERMEDAD", "FARMACO"]
    assert page.texts("#labels label") == ["disease 1", "drug 1"]


def test_where_there_is_one_language_nothing_is_guessed(
    browser: Any, server: tuple[str, Service]
) -> None:
    url, service = server
    service.reset()
    service.languages = ("es",)
    page = Opened(browser.new_page(locale="en-US"), url)
    page.annotate(NOTE)
    assert page.status.endswith("es_cardioner 0.1.0 · Spanish")
    page.page.close()


def test_a_pipeline_that_knows_no_context_is_not_asked_for_it(
    browser: Any, server: tuple[str, Service]
) -> None:
    url, service = server
    service.reset()
    service.context = False
    page = Opened(browser.new_page(locale="en-US"), url)
    page.annotate(NOTE)
    assert service.asked[-1][1]["context"] is False
    assert page.status.endswith("context unknown")
    assert page.page.is_hidden("#contexts") and page.count("#marked i, #marked b") == 0
    page.page.close()


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (413, {}, "too large"),
        (429, {"Retry_After": "7"}, "Try again in 7 seconds"),
        (503, {}, "Try again in a second"),
        (422, {}, "refused: no <b>way</b>"),
        (500, {}, "refused: no <b>way</b>"),
    ],
)
def test_a_refusal_is_explained(
    page: Opened, service: Service, status: int, headers: dict[str, str], expected: str
) -> None:
    service.refusal = status, headers
    page.annotate(NOTE, rows=False)
    page.page.wait_for_selector("#problem:not([hidden])")
    assert expected in page.page.inner_text("#problem")
    assert page.status == "" and page.page.input_value("#text") == NOTE
    service.refusal = None
    page.page.click("#annotate")
    page.page.wait_for_selector("#rows tr")
    assert page.page.is_hidden("#problem")


def test_an_answer_that_does_not_fit_is_not_shown(page: Opened, service: Service) -> None:
    entity = {"start": 1, "end": 5, "label": "FARMACO", "text": "Nota"}
    note = {"id": "note", "entities": [entity]}
    service.canned = {"pipeline": "p", "lang": "es", "notes": [note], "failed": []}
    page.annotate("Notas", rows=False)
    page.page.wait_for_selector("#problem >> text=does not fit")
    assert page.page.is_visible("#text") and page.page.is_hidden("#result")


def test_a_service_that_is_gone_is_told(page: Opened) -> None:
    page.page.route("**/annotate", lambda route: route.abort())
    page.annotate(NOTE, rows=False)
    page.page.wait_for_selector("#problem >> text=does not answer")
    page.faults.clear()  # the browser tells it too


def test_a_token_is_asked_for_and_sent(browser: Any, server: tuple[str, Service]) -> None:
    url, service = server
    service.reset()
    service.token = "s3cret"
    page = Opened(browser.new_page(locale="en-US"), url)
    assert "token" in page.page.inner_text("#problem")
    page.page.fill("#token", "wrong")
    page.page.press("#token", "Tab")
    page.page.fill("#token", "s3cret")
    page.page.press("#token", "Tab")
    page.page.wait_for_selector("#pipeline option >> nth=3", state="attached")
    page.annotate(NOTE)
    assert page.page.is_hidden("#problem")
    page.page.close()


def test_a_note_of_50_000_words_stays_usable(page: Opened, service: Service) -> None:
    _, (found,) = service.annotated({**PLAIN, "notes": [{"id": "1", "text": NOTE}]})
    copies = 50_000 // len(NOTE.split()) + 1
    text = NOTE * copies
    entities = [
        {
            **mention.attributes,
            "label": mention.label,
            "text": mention.text,
            "score": n % 50 / 100 + 0.5,
        }
        | {"start": n * len(NOTE) + mention.start, "end": n * len(NOTE) + mention.end}
        for n in range(copies)
        for mention in found.mentions
    ]
    sections = [
        {"start": n * len(NOTE) + start, "category": name}
        for n in range(copies)
        for start, name in found.sections
    ]
    note = {"id": "note", "entities": entities, "sections": sections}
    service.canned = {"pipeline": "es_cardioner", "lang": "es", "notes": [note], "failed": []}

    page.annotate(text)
    assert page.texts("#marked") == [text]
    assert page.count("#rows tr") <= 400  # not thousands
    page.give("#threshold", "0.98")
    page.give("#search", "bisoprolol")
    page.page.click("[data-key=score] button")
    page.page.locator("#rows tr").first.wait_for()
    assert set(page.shown) == {"bisoprolol"}
    page.give("#search", "")
    page.give("#threshold", "0")
    page.page.click("[data-key=start] button")
    # From the text to a row far down, and up from there.
    page.page.evaluate("[...document.querySelectorAll('#marked mark')].at(-1).focus()")
    page.page.keyboard.press("Enter")
    place = int(page.page.evaluate("document.activeElement.closest('tr').ariaRowIndex"))
    assert place == len(entities) + 1
    before = page.count("#rows tr")
    page.page.eval_on_selector("#table-pane", "pane => { pane.scrollTop = 0; }")
    page.page.locator("#rows tr").nth(before).wait_for(state="attached")


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_the_page_fits_any_screen(width: int, browser: Any, server: tuple[str, Service]) -> None:
    url, service = server
    service.reset()
    page = Opened(browser.new_page(viewport={"width": width, "height": 800}), url)
    fits = "document.documentElement.scrollWidth <= innerWidth"
    assert page.page.evaluate(fits)
    page.annotate(NOTE)
    assert page.page.evaluate(fits)
    page.page.close()
