"""README and docs: snippets print what they say, links lead somewhere, nothing is missing."""

from __future__ import annotations

import configparser
import importlib.util
import inspect
import json
import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from spacy.language import Language
from spacy.util import registry
from thinc.api import Config
from typer.main import get_command

from spacy_cardioner.cli import app
from tests.conftest import ROOT
from tests.integration.conftest import RunPython

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("assets/*/README.md")])
NOTEBOOK = ROOT / "docs/getting-started.ipynb"
REFERENCE = ROOT / "docs/reference"
# Printed before each snippet of a page.
MARK = "\x1e"


def names(paths: Sequence[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def blocks(path: Path, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)


def printed_lines(snippet: str) -> list[str]:
    """Comment lines that end a snippet are its output."""
    lines = reversed(snippet.rstrip().splitlines())
    comments = takewhile(lambda line: line.startswith("# "), lines)
    return [line.removeprefix("# ") for line in comments][::-1]


def can_run(snippet: str) -> bool:
    needs = {"medspacy": "medspacy|cardioner_context|context=True", "pandas": "import pandas"}
    needed = (name for name, words in needs.items() if re.search(words, snippet))
    return all(importlib.util.find_spec(name) is not None for name in needed)


def run_in_order(snippets: Sequence[str], run_python: RunPython) -> list[list[str]]:
    """Run snippets in one process, and return the lines that each prints."""
    code = "".join(f"print({MARK!r}, end='')\n{snippet}\n" for snippet in snippets)
    return [normalised(part) for part in run_python(code).split(MARK)[1:]]


def normalised(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


SNIPPETS = {
    str(path.relative_to(ROOT)): found for path in PAGES if (found := blocks(path, "python"))
}


@pytest.mark.parametrize("page", SNIPPETS)
def test_snippets_run_and_print_what_they_say(page: str, run_python: RunPython) -> None:
    snippets = list(takewhile(can_run, SNIPPETS[page]))
    if not snippets:
        pytest.skip("a package of the snippets is not installed")
    said = [normalised("\n".join(printed_lines(snippet))) for snippet in snippets]
    assert run_in_order(snippets, run_python) == said


def test_the_notebook_prints_its_outputs(run_python: RunPython) -> None:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    cells = list(takewhile(lambda cell: can_run("".join(cell["source"])), cells))
    assert len(cells) > 3
    said = [
        normalised("".join("".join(output.get("text", ())) for output in cell["outputs"]))
        for cell in cells
    ]
    assert run_in_order(["".join(cell["source"]) for cell in cells], run_python) == said


def anchors(path: Path) -> set[str]:
    """The anchors of the headings of a page, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(path: Path) -> Iterator[str]:
    """The targets of the relative links of a page or notebook."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(\s*([^)\s]+)\s*\)", text):
        if not re.match(r"[a-z]+:", target):
            yield target


@pytest.mark.parametrize("page", names([*PAGES, NOTEBOOK]))
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for link in links(path):
        target, _, anchor = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), f"{page}: {link}"
        if anchor:
            assert anchor in anchors(file), f"{page}: {link}"


def test_the_readme_is_short_and_lists_every_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) < 200
    for page in ROOT.glob("docs/**/*.md"):
        assert f"]({page.relative_to(ROOT)})" in readme


def entry_points(group: str) -> list[str]:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options.entry_points"][group].split("\n")
    return [line.partition("=")[0].strip() for line in lines if line]


@pytest.mark.parametrize("factory", entry_points("spacy_factories"))
def test_the_reference_lists_every_setting_with_its_default(factory: str) -> None:
    page = REFERENCE / "components.md"
    [block] = [text for text in blocks(page, "ini") if f'factory = "{factory}"' in text]
    settings = "[components]\n" + block.partition("\n[initialize")[0]
    [shown] = Config().from_str(settings, interpolate=False)["components"].values()
    expected = default_settings(factory)
    assert set(shown) - {"factory"} == set(expected)
    for name, default in expected.items():
        if name != "model":
            exact = pytest.approx(default) if isinstance(default, float) else default
            assert shown[name] == exact, name


def default_settings(factory: str) -> dict[str, Any]:
    """The settings of a factory: its arguments, and what its default config overrides."""
    spacy.blank("es")  # finds the factories of entry points
    arguments = inspect.signature(registry.factories.get(factory)).parameters.values()
    defaults = {
        argument.name: list(argument.default)
        if isinstance(argument.default, tuple)
        else argument.default
        for argument in arguments
        if argument.name not in ("nlp", "name")
    }
    return {**defaults, **Language.get_factory_meta(factory).default_config}


@pytest.mark.parametrize(
    "group",
    [
        "spacy_architectures",
        "spacy_vectors",
        "spacy_scorers",
        "thinc_schedules",
        "thinc_llm_models",
        "thinc_llm_tasks",
        "spacy_span_getters",
        "spacy_callbacks",
        "spacy_displacy_colors",
        "spacy_tokenizers",
    ],
)
def test_the_reference_lists_every_registered_function(group: str) -> None:
    page = (REFERENCE / "registered-functions.md").read_text(encoding="utf-8")
    assert [name for name in entry_points(group) if name not in page] == []


def test_the_reference_lists_every_command() -> None:
    page = (REFERENCE / "command-line.md").read_text(encoding="utf-8")
    inner = "build|add|vectors|mlm|vocabulary"
    listed = set(re.findall(rf"`cardioner ([a-z-]+(?: (?:{inner}))?)", page))
    assert listed == set(commands(get_command(app)))


def commands(command: Any, prefix: str = "") -> Iterator[str]:
    for name, inner in command.commands.items():
        if hasattr(inner, "commands"):
            yield from commands(inner, f"{name} ")
        else:
            yield prefix + name


def test_the_reference_describes_the_project() -> None:
    page = (REFERENCE / "project.md").read_text(encoding="utf-8")
    project = srsly.read_yaml(ROOT / "project.yml")
    for name, steps in project["workflows"].items():
        assert f"| `{name}` | {', '.join(f'`{step}`' for step in steps)} |" in page
    for name, default in project["vars"].items():
        assert f"| `{name}` | `{json.dumps(default)}` |" in page
    listed = set(re.findall(r"`([\w-]+)`", page))
    assert {command["name"] for command in project["commands"]} | set(project["env"]) <= listed


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """The calls of cardioner in the shell blocks of all pages."""
    for path in PAGES:
        for block in blocks(path, "bash"):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                words = words[words.index("|") + 1 :] if "|" in words else words
                if words[:1] == ["cardioner"]:
                    yield str(path.relative_to(ROOT)), words[1:]


def test_commands_have_the_options_that_the_pages_give_them() -> None:
    lines = list(command_lines())
    assert len(lines) > 20
    for page, words in lines:
        command: Any = get_command(app)
        while hasattr(command, "commands"):
            assert words[0] in command.commands, f"{page}: cardioner {words[0]}"
            command = command.commands[words.pop(0)]
        given = {word for word in words if re.match(r"--?[a-z]", word)}
        known = {option for parameter in command.params for option in parameter.opts}
        assert given <= known, f"{page}: cardioner {command.name} {given - known}"
        for parameter in command.params:
            if parameter.required and parameter.opts[0].startswith("-"):
                assert given & set(parameter.opts), f"{page}: cardioner {command.name} {parameter}"


def test_the_first_commands_of_a_user_annotate_what_is_there() -> None:
    lines = [words for page, words in command_lines() if page == "README.md"]
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    prose = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    shown = [shlex.split(line) for line in re.findall("`cardioner ([^`]* [^`]*)`", prose)]
    assert lines
    assert shown
    inputs = [words[1] for words in (*lines, *shown) if words[0] == "annotate"]
    assert [path for path in inputs if path[0] != "-" and not (ROOT / path).exists()] == []


def test_lower_rooms_never_import_higher_ones() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    tree = text.partition("spacy_cardioner/\n")[2].partition("\nassets/")[0]
    rooms = re.findall(r"^  (\w+)", tree, re.MULTILINE)
    package = ROOT / "spacy_cardioner"
    present = {
        path.stem
        for path in package.iterdir()
        if path.suffix in (".py", "") and path.stem[0] != "_"
    }
    assert set(rooms) == present
    for file in package.rglob("*.py"):
        room = file.relative_to(package).parts[0].removesuffix(".py")
        for imported in re.findall(
            r"from spacy_cardioner\.(\w+)", file.read_text(encoding="utf-8")
        ):
            if room in rooms:
                assert rooms.index(imported) <= rooms.index(room), f"{file} imports {imported}"


@pytest.mark.parametrize("config", names(sorted(ROOT.glob("configs/??_trf.cfg"))))
def test_the_transformer_guide_names_the_encoder_of_each_config(config: str) -> None:
    page = (ROOT / "docs/how-to/use-a-transformer.md").read_text(encoding="utf-8")
    settings = Config().from_disk(ROOT / config, interpolate=False)
    encoder = settings["components"]["transformer"]["model"]["name"]
    assert f"| `{config}` | `{encoder}` |" in page
