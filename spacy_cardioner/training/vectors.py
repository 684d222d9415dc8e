"""floret vectors from raw texts: https://github.com/explosion/floret.

A floret table has no rows for words: each word is the mean of a few rows for its character n-grams,
found by hashing. It stays small, and words that were never seen have vectors too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from spacy.language import Language
from spacy.training.initialize import convert_vectors

from spacy_cardioner.errors import CardionerError


def train_vectors(
    nlp: Language,
    texts: Iterable[str],
    *,
    dim: int = 96,
    buckets: int = 50_000,
    epochs: int = 10,
    skipgram: bool = True,
    min_n: int = 3,
    max_n: int = 6,
    threads: int = 1,
) -> None:
    """Train vectors on texts and give them to a pipeline's vocabulary, keyed by small letters.

    With one thread, the same texts give the same vectors.

    nlp (Language): A pipeline with the tokenizer that the vectors will be used with.
    texts (Iterable[str]): Raw texts.
    dim (int): Numbers in a vector.
    buckets (int): Rows of the table.
    epochs (int): Passes over the texts.
    skipgram (bool): Predict the context from the word, not the word from its context (CBOW).
    min_n (int): Shortest character n-gram; words are included whatever their length.
    max_n (int): Longest character n-gram.
    threads (int): Processor threads.
    RAISES (CardionerError): floret is not installed; the texts are empty.
    """
    try:
        import floret
    except ImportError as error:
        raise CardionerError(
            "vectors are trained with floret; run: pip install 'spacy_cardioner[train]'"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokens.txt"
        if not _write_tokens(nlp, texts, path):
            raise CardionerError("there are no words in the texts to train vectors on")
        model = floret.train_unsupervised(
            str(path),
            model="skipgram" if skipgram else "cbow",
            mode="floret",
            hashCount=2,
            bucket=buckets,
            dim=dim,
            epoch=epochs,
            minn=min_n,
            maxn=max_n,
            minCount=5,
            thread=threads,
            verbose=0,
        )
        saved = Path(folder) / "vectors.floret"
        model.save_floret_vectors(str(saved))
        convert_vectors(nlp, saved, truncate=0, prune=-1, mode="floret", attr="LOWER")


def _write_tokens(nlp: Language, texts: Iterable[str], path: Path) -> int:
    """Write a line for each line of the texts, in small letters; return the number of tokens."""
    n_tokens = 0
    with path.open("w", encoding="utf-8") as stream:
        for doc in map(nlp.make_doc, texts):
            for token in doc:
                if token.is_space:
                    stream.write("\n" if "\n" in token.text else "")
                else:
                    stream.write(token.lower_ + " ")
                    n_tokens += 1
            stream.write("\n")
    return n_tokens
