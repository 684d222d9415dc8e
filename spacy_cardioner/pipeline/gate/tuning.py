"""The threshold of a gate, tuned whenever a training saves the pipeline."""

# No `from __future__ import annotations`: configs are checked against the types of the registered
# function, which must not be strings.
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus, Example

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.pipeline.gate.component import targets_of

TUNE = "spacy_cardioner.tune_gate.v1"


def create_tune_gate(
    path: Path | None,
    recall: float = 0.999,
    pipe: str = "gate",
    entities: Literal["annotated", "right"] = "annotated",
    open_sentences: float = 0.0,
) -> Callable[[Language], Language]:
    """Create the callback `spacy_cardioner.tune_gate.v1` for `[training.before_to_disk]`.

    path (Path): The validation documents, a DocBin or a folder of them: ``paths.dev``.
    recall (float): The share of sentences with entities that must pass.
    pipe (str): Name of the gate in the pipeline.
    entities (str): Which entities count: all that are "annotated", or those that the pipeline finds
        without the gate and that are "right", because they overlap an annotated one. The gate loses
        nothing where the pipeline finds nothing, and a single wrong annotation could otherwise set
        the threshold. For "right", all other components must be frozen: their entities are computed
        once.
    open_sentences (float): The share of all sentences that must pass, see `SentenceGate.tune`.
    RETURNS (Callable): Takes the pipeline and returns it.
    """
    right: list[tuple[Doc, Doc]] = []

    def tune(nlp: Language) -> Language:
        if path is None:
            raise CardionerError(f"{TUNE}: no validation documents; give them as paths.dev")
        gate: Any = nlp.get_pipe(pipe)
        # Frozen components are disabled while a training saves.
        position = nlp.component_names.index(pipe)
        before, after = nlp.components[:position], nlp.components[position + 1 :]
        if not right or entities == "annotated":
            examples = list(Corpus(path, max_length=0)(nlp))
            for eg in examples:
                eg.predicted = _apply(before, eg.predicted)
        if entities == "right":
            right[:] = right or [_find_right(after, eg, gate.spans_key) for eg in examples]
            examples = [Example(*pair) for pair in right]
        gate.tune(examples, recall=recall, open_sentences=open_sentences)
        return nlp

    return tune


def _apply(components: Iterable[tuple[str, Callable[[Doc], Doc]]], doc: Doc) -> Doc:
    for _, component in components:
        doc = component(doc)
    return doc


def _find_right(components: Any, eg: Example, spans_key: str) -> tuple[Doc, Doc]:
    """A document as the gate sees it, and with the right ones of the entities that are found."""
    annotated, _ = targets_of(eg, spans_key, ())
    found = _apply(components, eg.predicted.copy())
    spans = list(found.spans.get(spans_key, found.ents))
    found.spans[spans_key] = [span for span in spans if annotated[span.start : span.end].any()]
    # Frees the vectors of the encoder.
    found.user_data.clear()
    return eg.predicted, found
