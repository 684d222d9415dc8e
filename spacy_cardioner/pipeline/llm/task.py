"""The task that spacy-llm's component gives a language model: prompts, and what answers mean."""

# No postponed annotations: spacy-llm compares the types of tasks and models, and spaCy those of
# registered functions. It knows typing.Tuple and typing.Iterable only.
import logging
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Iterable, List, Optional, Tuple, Type  # noqa: UP035

from spacy.language import Language
from spacy.tokens import Doc

from spacy_cardioner.errors import CardionerError, needs, text_is_shown
from spacy_cardioner.pieces import cut
from spacy_cardioner.pipeline.llm.answers import Answer, Piece, read_answer
from spacy_cardioner.pipeline.stored import DEFAULT, resource
from spacy_cardioner.spans import (
    COUNTS,
    SPANS_KEY,
    add_counts,
    non_overlapping,
    write_entities,
)
from spacy_cardioner.texts import read_json

PROMPT_FILE = "llm.json"
# The parts of a prompt, as its file has them.
KEYS = {"task", "labels", "rules", "examples", "text", "answer"}
# The fewest characters that a token of a model has on average, to be sure that a piece fits.
CHARACTERS_PER_TOKEN = 2
# A piece with fewer characters has too little context.
SHORTEST = 200
SOURCE = "llm"

Pieces = Tuple[Doc, List[Piece]]  # noqa: UP006


def create_mentions_task(
    labels: List[str],  # noqa: UP006
    lang: str,
    prompt: str = DEFAULT,
    max_characters: int = 2000,
    spans_key: str = SPANS_KEY,
) -> "MentionsTask":
    """Create the task `spacy_cardioner.Mentions.v1` for `@llm_tasks`.

    labels (List[str]): The labels to ask for.
    lang (str): Language of the prompt: "es", "en" or "it", or "xx" for that in English.
    prompt (str): "default", or the path of a JSON file of your own.
    max_characters (int): Most characters of a note in a prompt. Longer notes are split.
    spans_key (str): The span group to write to.
    """
    if not text_is_shown():
        # It writes prompts and notes into the log.
        logging.getLogger("spacy_llm").setLevel(logging.INFO)
    # It reads all extensions of a document, of which medSpaCy's warn.
    warnings.filterwarnings("ignore", r"doc\._\.", RuntimeWarning)
    path = resource("en" if lang == "xx" else lang, PROMPT_FILE) if prompt == DEFAULT else prompt
    return MentionsTask(read_prompt(Path(path), labels), labels, max_characters, spans_key)


def create_require_llm() -> Callable[[Type[Language]], Type[Language]]:  # noqa: UP006
    """Create the callback `spacy_cardioner.require_llm.v1` for `[nlp.before_creation]`.

    It says what to install where creating a pipeline with the component `llm` would fail.
    """

    def require_llm(language: Type[Language]) -> Type[Language]:  # noqa: UP006
        with needs("spacy-llm", "llm"):
            import spacy_llm  # noqa: F401
        return language

    return require_llm


def read_prompt(path: Path, labels: Sequence[str]) -> str:
    """Compose a prompt for some labels, up to where the text of a note comes.

    RAISES (CardionerError): The file is malformed, or says nothing about a label.
    """
    parts = read_json(path)
    if not isinstance(parts, dict) or set(parts) != KEYS:
        raise CardionerError(f"{path}: a prompt is an object with {', '.join(sorted(KEYS))}")
    if unknown := [label for label in labels if label not in parts["labels"]]:
        raise CardionerError(
            f"{path}: describes no label {', '.join(unknown)}, only {', '.join(parts['labels'])}"
        )
    described = [f"- {label}: {parts['labels'][label]}" for label in labels]
    rules = [f"- {rule}" for rule in parts["rules"]]
    blocks = [f"{parts['task']}\n\n" + "\n".join([*described, "", *rules])]
    for example in parts["examples"]:
        mentions = [f"{label} | {text}" for label, text in example["mentions"] if label in labels]
        asked = _asked(parts, example["text"])
        blocks.append("\n".join([asked, *(mentions or ["-"])]))
    return "\n\n".join([*blocks, _asked(parts, "{}")])


def _asked(parts: Any, text: str) -> str:
    return f"{parts['text']}\n<<<\n{text}\n>>>\n{parts['answer']}"


class MentionsTask:
    """Asks a model for the mentions in pieces of a note, and finds them in the text.

    prompt (str): The prompt, with "{}" at its last place for the text.
    """

    def __init__(
        self, prompt: str, labels: Sequence[str], max_characters: int, spans_key: str
    ) -> None:
        self._before, _, self._after = prompt.rpartition("{}")
        self._labels = tuple(labels)
        self.max_characters = max_characters
        self.spans_key = spans_key

    @property
    def prompt_template(self) -> str:
        """The prompt. spacy-llm's cache holds only for one."""
        return f"{self._before}{{}}{self._after}"

    def generate_prompts(
        self,
        docs: Iterable[Doc],
        context_length: Optional[int] = None,  # noqa: UP045
    ) -> Iterable[Tuple[Iterable[str], Pieces]]:  # noqa: UP006
        """Make the prompts of documents.

        context_length (Optional[int]): Most tokens of a prompt and its answer together.
        YIELDS (Tuple): The prompts of a document, and its pieces. Pieces without letters have none.
        RAISES (CardionerError): The model is too small for the prompt.
        """
        limit = self._limit(context_length)
        for doc in docs:
            text = doc.text
            pieces = [
                Piece(doc, start, end)
                for start, end in cut(text, limit)
                if any(map(str.isalpha, text[start:end]))
            ]
            yield [f"{self._before}{piece.text}{self._after}" for piece in pieces], (doc, pieces)

    def _limit(self, context_length: Optional[int]) -> int:  # noqa: UP045
        """Most characters of a piece: its mentions may be as long as itself."""
        if context_length is None:
            return self.max_characters
        room = context_length * CHARACTERS_PER_TOKEN - len(self.prompt_template)
        if room < 2 * SHORTEST:
            raise CardionerError(
                f"a model with {context_length} tokens is too small for a prompt of "
                f"{len(self.prompt_template)} characters: start the server with a longer context, "
                "and set context_length; or ask for fewer labels"
            )
        return min(self.max_characters, room // 2)

    def parse_responses(
        self, shards: Iterable[Pieces], responses: Iterable[Iterable[str]]
    ) -> Iterable[Doc]:
        """Write the mentions of answers to the documents, and count what was answered."""
        for (doc, pieces), answers in zip(shards, responses):  # noqa: B905
            counts: dict[str, float] = {}
            entities = []
            for piece, answer in zip(pieces, answers, strict=True):
                mentions, unclear = read_answer(answer, self._labels)
                found, missing = piece.find(mentions)
                entities += [entity._replace(source=SOURCE) for entity in found]
                if isinstance(answer, Answer):
                    add_counts(counts, answer.counts)
                answered = {
                    "mentions answered": len(mentions),
                    "mentions not in the text": missing,
                    "lines not understood": unclear,
                }
                add_counts(counts, answered)
            spans = write_entities(doc, sorted(entities), self.spans_key, layers=self._labels)
            taken = {token.i for ent in doc.ents for token in ent}
            doc.set_ents([*doc.ents, *non_overlapping(spans, taken=taken)])
            doc.user_data[COUNTS] = counts
            yield doc

    @property
    def labels(self) -> Tuple[str, ...]:  # noqa: UP006
        """The labels that the model is asked for."""
        return self._labels

    def add_label(self, label: str, label_definition: Optional[str] = None) -> int:  # noqa: UP045
        """Refuse a new label. spacy-llm takes only tasks that have this for labelled ones."""
        raise CardionerError("set the labels of the task in the config")

    def clear(self) -> None:
        """Refuse to drop the labels."""
        raise CardionerError("set the labels of the task in the config")
