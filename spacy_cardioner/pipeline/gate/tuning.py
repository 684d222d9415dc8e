"""The threshold of a gate, tuned whenever a training saves the pipeline."""

# No postponed annotations: spaCy checks configs against the types of registered functions.
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus, Example

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.pipeline.gate.component import targets_of


def create_tune_gate(
    path: Path | None,
    recall: float = 0.999,
    pipe: str = "gate",
    open_sentences: float = 0.0,
) -> Callable[[Language], Language]:
    """Create the callback `spacy_cardioner.tune_gate.v1` for `[training.before_to_disk]`.

    Only entities count that the pipeline finds without the gate and that overlap an annotated one.
    The gate loses nothing where the pipeline finds nothing, and a single wrong annotation could
    otherwise set the threshold. All other components must be frozen: their entities are computed
    once.

    path (Path): The validation documents, a DocBin or a folder of them: ``paths.dev``.
    recall (float): The share of sentences with entities that must pass.
    pipe (str): Name of the gate in the pipeline.
    open_sentences (float): The share of all sentences that must pass, see `SentenceGate.tune`.
    """
    examples: list[Example] = []

    def tune(nlp: Language) -> Language:
        if path is None:
            raise CardionerError("tune_gate: no validation documents; give them as paths.dev")
        gate: Any = nlp.get_pipe(pipe)
        if not examples:
            # Frozen components are disabled while a training saves.
            position = nlp.component_names.index(pipe)
            before, after = nlp.components[:position], nlp.components[position + 1 :]
            for eg in Corpus(path, max_length=0)(nlp):
                eg.predicted = _apply(before, eg.predicted)
                examples.append(_with_right(after, eg, gate.spans_key))
        gate.tune(examples, recall=recall, open_sentences=open_sentences)
        return nlp

    return tune


def _apply(components: Iterable[tuple[str, Callable[[Doc], Doc]]], doc: Doc) -> Doc:
    for _, component in components:
        doc = component(doc)
    return doc


def _with_right(components: Any, eg: Example, spans_key: str) -> Example:
    """A document as the gate sees it, with the right ones of the entities that are found."""
    annotated, _ = targets_of(eg, spans_key, ())
    found = _apply(components, eg.predicted.copy())
    spans = list(found.spans.get(spans_key, found.ents))
    found.spans[spans_key] = [span for span in spans if annotated[span.start : span.end].any()]
    # Frees the vectors of the encoder.
    found.user_data.clear()
    return Example(eg.predicted, found)
