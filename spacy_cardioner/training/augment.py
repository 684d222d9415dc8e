"""Augmenters for training: other tokens, other mentions, other spelling; the entities stay right.

They are named in a config as the augmenter of the training corpus:

    [corpora.train.augmenter]
    @augmenters = "spacy_cardioner.replace_mentions.v1"
    level = 0.3

Every augmenter gives each example once, changed or not, so that the size of the corpus stays; but
`combine` joins several and gives each example as often as told. All spans keep their labels and
layers, and the random choices follow ``training.seed``.

With ``training.max_epochs`` above 0, spaCy reads the corpus once: each epoch has the same changes.
For other changes in each of five epochs, let `combine` give five copies, and train for one.
"""

# No `from __future__ import annotations`: configs are checked against the types of the registered
# functions, which must not be strings.
import random
import unicodedata
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup, Token
from spacy.training import Example
from spacy.util import registry

from spacy_cardioner.corpus import SPANS_KEY

Augmenter = Callable[[Language, Example], Iterator[Example]]

# How many of the words and mentions seen last new ones are drawn from.
MEMORY = 20_000


class Edit(NamedTuple):
    """Tokens `start` to `end` become other words.

    words (list[str]): The words, at least one.
    spaces (list[bool]): Whether a space follows each word but the last, whose space stays.
    """

    start: int
    end: int
    words: list[str]
    spaces: list[bool]


@registry.augmenters("spacy_cardioner.replace_tokens.v1")
def create_replace_tokens(level: float = 0.5, share: float = 0.25) -> Augmenter:
    """Replace tokens by others at random, so that the model leans on context too.

    level (float): Probability that an example is changed.
    share (float): Share of its words that is replaced by words seen earlier. (A quarter with
        probability one half is the setting of BIT.UA, MultiCardioNER 2024.)
    RETURNS (Callable): The augmenter.
    """
    seen: deque[str] = deque(maxlen=MEMORY)

    def augment(nlp: Language, example: Example) -> Iterator[Example]:
        words = [token for token in example.reference if token.is_alpha]
        edits = []
        if seen and random.random() < level:
            chosen = [token for token in words if random.random() < share]
            edits = [Edit(token.i, token.i + 1, [random.choice(seen)], []) for token in chosen]
        seen.extend(token.text for token in words)
        yield rewrite(nlp, example, edits)

    return augment


@registry.augmenters("spacy_cardioner.replace_mentions.v1")
def create_replace_mentions(level: float = 0.3, spans_key: str = SPANS_KEY) -> Augmenter:
    """Replace mentions by others of the same label that were seen earlier.

    Mentions that overlap another one stay as they are.

    level (float): Probability that a mention is replaced.
    spans_key (str): The span group that holds the mentions.
    RETURNS (Callable): The augmenter.
    """
    seen: dict[str, deque[tuple[list[str], list[bool]]]] = {}

    def augment(nlp: Language, example: Example) -> Iterator[Example]:
        spans = list(example.reference.spans.get(spans_key, ()))
        edits = []
        for span in _alone(spans):
            known = seen.get(span.label_)
            if known and random.random() < level:
                edits.append(Edit(span.start, span.end, *random.choice(known)))
        for span in spans:
            spaces = [bool(token.whitespace_) for token in span]
            mention = [token.text for token in span], spaces[:-1]
            seen.setdefault(span.label_, deque(maxlen=MEMORY)).append(mention)
        yield rewrite(nlp, example, edits)

    return augment


@registry.augmenters("spacy_cardioner.respell.v1")
def create_respell(lower: float = 0.05, upper: float = 0.05, no_accents: float = 0.05) -> Augmenter:
    """Write whole notes in small letters, in capitals, or without accents, as people do.

    lower, upper, no_accents (float): Probability of each for an example; together at most 1.
    RETURNS (Callable): The augmenter.
    """
    styles: list[Callable[[str], str]] = [str.lower, str.upper, strip_accents, str]

    def augment(nlp: Language, example: Example) -> Iterator[Example]:
        rest = 1 - lower - upper - no_accents
        (style,) = random.choices(styles, (lower, upper, no_accents, rest))
        tokens = [] if style is str else list(example.reference)
        edits = [Edit(token.i, token.i + 1, [style(token.text)], []) for token in tokens]
        yield rewrite(nlp, example, edits)

    return augment


@registry.augmenters("spacy_cardioner.combine.v1")
def create_combine(augmenters: dict[str, Any], copies: int = 1) -> Augmenter:
    """Apply several augmenters one after another, anew for each copy.

    augmenters (Dict[str, Augmenter]): The augmenters, under any names, in this order. (Typed as
        Any: where a config is filled in, they are not made yet.)
    copies (int): How many examples are made of each.
    RETURNS (Callable): The augmenter.
    """

    def augment(nlp: Language, example: Example) -> Iterator[Example]:
        for _ in range(copies):
            changed = example
            for augmenter in augmenters.values():
                (changed,) = augmenter(nlp, changed)
            yield changed

    return augment


def strip_accents(text: str) -> str:
    """Leave off the accents: "torácico" gives "toracico"; "ñ" is a letter of its own and stays."""
    kept = (
        letter if letter in "ñÑ" else unicodedata.normalize("NFD", letter)[0]
        for letter in unicodedata.normalize("NFC", text)
    )
    return "".join(kept)


def rewrite(nlp: Language, example: Example, edits: Sequence[Edit]) -> Example:
    """Make the example of the edited text: tokens, sentences, entities and span groups move along.

    nlp (Language): The pipeline that is trained.
    example (Example): The example; it stays as it is.
    edits (Sequence[Edit]): What to replace, in the order of the text, without overlaps.
    RETURNS (Example): A new example, or the same one where there is nothing to edit.
    """
    if not edits:
        return example
    old = example.reference
    words: list[str] = []
    spaces: list[bool] = []
    sent_starts: list[bool | int | None] = []
    borders = [0]
    by_start = {edit.start: edit for edit in edits}
    index = 0
    while index < len(old):
        same = Edit(index, index + 1, [old[index].text], [])
        start, end, new, new_spaces = by_start.get(index, same)
        words += new
        spaces += [*new_spaces, bool(old[end - 1].whitespace_)]
        sent_starts += [_sent_start(old[start])] + [-1] * (len(new) - 1)
        borders += [len(words)] * (end - start)
        index = end
    reference = Doc(nlp.vocab, words=words, spaces=spaces, sent_starts=sent_starts)
    _copy_spans(old, reference, borders)
    return Example(Doc(nlp.vocab, words=words, spaces=spaces), reference)


def _sent_start(token: Token) -> int:
    return {True: 1, False: -1, None: 0}[token.is_sent_start]


def _copy_spans(old: Doc, new: Doc, borders: Sequence[int]) -> None:
    """Copy entities and span groups; `borders` has the new place of each token border."""

    def moved(span: Span) -> Span:
        return Span(new, borders[span.start], borders[span.end], span.label, kb_id=span.kb_id)

    unknown = [new[borders[t.i] : borders[t.i + 1]] for t in old if t.ent_iob == 0]
    new.set_ents([moved(ent) for ent in old.ents], missing=unknown)
    for key, group in old.spans.items():
        spans = [moved(span) for span in group]
        new.spans[key] = SpanGroup(new, name=key, spans=spans, attrs=dict(group.attrs))
    new.user_data.update(old.user_data)


def _alone(spans: Sequence[Span]) -> list[Span]:
    """The spans that share no token with another one, in the order of the text."""
    covers: dict[int, int] = {}
    for span in spans:
        for index in range(span.start, span.end):
            covers[index] = covers.get(index, 0) + 1
    alone = [s for s in spans if all(covers[i] == 1 for i in range(s.start, s.end))]
    return sorted(alone, key=lambda span: span.start)
