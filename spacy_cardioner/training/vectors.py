"""floret vectors from raw texts: https://github.com/explosion/floret.

A floret table has no rows for words: the vector of a word is the mean of rows for its character
n-grams, found by hashing. So the table is small, and unseen words have vectors too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training.initialize import convert_vectors

from spacy_cardioner.errors import CardionerError, needs


def train_vectors(
    nlp: Language,
    texts: Iterable[str],
    *,
    dim: int = 96,
    buckets: int = 50_000,
    epochs: int = 10,
    threads: int = 1,
) -> None:
    """Train vectors on texts, and set them as the vectors of a pipeline, by lower-case form.

    With one thread, the same texts give the same vectors.

    nlp (Language): A pipeline with the tokenizer that the vectors will be used with.
    buckets (int): Rows of the table.
    RAISES (CardionerError): floret is not installed, or the texts have no words.
    """
    with needs("floret", "train"):
        import floret
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokens.txt"
        with path.open("w", encoding="utf-8") as stream:
            words = sum(_write_tokens(doc, stream) for doc in map(nlp.make_doc, texts))
        if not words:
            raise CardionerError("the texts have no words to train vectors on")
        ngrams = {"mode": "floret", "hashCount": 2, "minn": 3, "maxn": 6, "minCount": 5}
        size = {"bucket": buckets, "dim": dim, "epoch": epochs, "thread": threads}
        model = floret.train_unsupervised(str(path), model="skipgram", verbose=0, **ngrams, **size)
        saved = Path(folder) / "vectors.floret"
        model.save_floret_vectors(str(saved))
        convert_vectors(nlp, saved, truncate=0, prune=-1, mode="floret", attr="LOWER")


def _write_tokens(doc: Doc, stream: TextIO) -> int:
    """Write the tokens in lower case, one line per line of text; return their number."""
    for token in doc:
        if not token.is_space:
            stream.write(token.lower_ + " ")
        elif "\n" in token.text:
            stream.write("\n")
    stream.write("\n")
    return sum(not token.is_space for token in doc)
