"""A smaller vocabulary for an encoder: what some texts need, and all single letters.

Most weights of a multilingual encoder are word embeddings, and texts of one subject in a few
languages need a small part of them. A fast tokenizer chooses among fewer pieces what it chose among
all of them, as long as these are kept (Abdaoui et al. 2020, *Load What You Need*):

- Unigram takes the best path over the pieces of a word, WordPiece the longest piece at each place.
- BPE merges two neighbours after another. The parts of all kept pieces are kept, and all merges
  among kept pieces in their order.

Other texts are split into smaller pieces, down to letters, so no letter becomes unknown.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy

from spacy_cardioner.errors import CardionerError, reason
from spacy_cardioner.files import made_once, manifest
from spacy_cardioner.loading import check_transformers

KINDS = ("Unigram", "BPE", "WordPiece")
BYTE = re.compile("<0x[0-9A-F]{2}>")  # a byte of a letter that has no piece
PART = re.compile(r"\d+|[^\W\d_]+|.", re.DOTALL)  # of a word: at its ends may be ends of tokens
BATCH = 1000  # texts that are split at once
COMPARED = 32  # pieces whose vectors are compared before and after


def cut_vocabulary(
    files: Sequence[Path], texts: Iterable[str], encoder: str, output: Path
) -> dict[str, Any]:
    """Save an encoder with the part of its vocabulary that texts need.

    Its vectors for these texts are those of the full encoder. The folder can be used as
    ``components.transformer.model.name``. Nothing is saved before texts and vectors are compared.

    files (Sequence[Path]): The files of the texts, for the manifest.
    encoder (str): Name or folder of the encoder, with any head.
    RETURNS (dict): Pieces, parameters and megabytes of the encoder, before and after.
    RAISES (CardionerError): The encoder or the texts cannot be used; `output` has another encoder.
    """
    check_transformers()
    folder = Path(encoder).is_dir()
    files = [*files, Path(encoder)] if folder else files
    claim = manifest(files, {} if folder else {"encoder": encoder})
    return made_once(output, claim, lambda: _cut(list(texts), encoder, output))


def _cut(texts: Sequence[str], encoder: str, output: Path) -> dict[str, Any]:
    tokenizer, model = _load(encoder)
    if not any(map(str.strip, texts)):
        raise CardionerError("the texts have no words to cut a vocabulary for")
    texts = [*texts, *_word_ends(texts)]
    ids = _split(tokenizer, texts)
    sizes, vectors = [_size(model)], _encode(model, ids)
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    try:
        kept = cut_tokenizer(state, {*ids.tolist(), *_named(tokenizer, model)})
        smaller = _rebuild(tokenizer, state)
        cut_encoder(model, kept)
    except CardionerError as error:
        raise CardionerError(f"{encoder}: {error}") from error
    renumbered = numpy.zeros(max(kept) + 1, dtype=ids.dtype)
    renumbered[kept] = range(len(kept))
    new = renumbered[ids]
    if not numpy.array_equal(_split(smaller, texts), new):
        raise CardionerError(f"{encoder}: its tokenizer cannot be cut: it splits texts differently")
    loaded = type(model)(model.config).eval()  # by its new config, as from the folder
    loaded.load_state_dict(model.state_dict())
    if not numpy.allclose(_encode(loaded, new), vectors, atol=1e-4):
        raise CardionerError(f"{encoder}: cannot be cut: its vectors depend on other pieces")
    smaller.save_pretrained(output, legacy_format=False)
    model.save_pretrained(output)
    return dict(zip(("before", "after"), [*sizes, _size(model)], strict=True))


def _load(name: str) -> tuple[Any, Any]:
    """The tokenizer and the encoder, with the head that it was saved with."""
    import transformers

    try:
        config = transformers.AutoConfig.from_pretrained(name)
        kind = getattr(transformers, (config.architectures or [""])[0], transformers.AutoModel)
        model = kind.from_pretrained(name)
        tokenizer = transformers.AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError, ImportError) as error:
        raise CardionerError(f"{name}: the encoder cannot be loaded ({reason(error)})") from error
    if config.is_encoder_decoder:
        raise CardionerError(f"{name}: has a decoder; give an encoder")
    if not tokenizer.is_fast:
        raise CardionerError(f"{name}: has no fast tokenizer, so its vocabulary cannot be cut")
    return tokenizer, model


def _word_ends(texts: Iterable[str]) -> list[str]:
    """The words of texts, and the rest of a word if a window starts or ends inside it."""
    words = {word for text in texts for word in text.split()}
    bounds = {word: [0, *(match.end() for match in PART.finditer(word))] for word in words}
    starts = {word[at:] for word in words for at in bounds[word][:-1]}
    return sorted(starts | {word[:at] for word in words for at in bounds[word][1:]})


def _split(tokenizer: Any, texts: Sequence[str]) -> Any:
    """The ids of the pieces of all texts, with special tokens, in one row."""
    batches = (list(texts[at : at + BATCH]) for at in range(0, len(texts), BATCH))
    split = (tokenizer(batch, verbose=False)["input_ids"] for batch in batches)
    return numpy.fromiter(chain.from_iterable(chain.from_iterable(split)), dtype="int32")


def _encode(model: Any, ids: Any) -> Any:
    """The vectors of the first pieces."""
    import torch

    with torch.inference_mode():
        return model.base_model(torch.tensor(ids[None, :COMPARED]).long())[0].numpy()


def _size(model: Any) -> dict[str, int]:
    parameters = list(model.parameters())
    return {
        "pieces": model.get_input_embeddings().num_embeddings,
        "parameters": sum(each.numel() for each in parameters),
        "megabytes": round(sum(each.nbytes for each in parameters) / 1e6),
    }


def _rebuild(tokenizer: Any, state: Mapping[str, Any]) -> Any:
    """A tokenizer of the same settings, from the content of another tokenizer.json."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    # Classes with this attribute have it from SentencePiece. spacy-transformers reads that file.
    kind = PreTrainedTokenizerFast if hasattr(tokenizer, "vocab_file") else type(tokenizer)
    settings = {**tokenizer.init_kwargs, "model_input_names": tokenizer.model_input_names}
    return kind(tokenizer_object=Tokenizer.from_str(json.dumps(state)), **settings)


def _named(tokenizer: Any, model: Any) -> Iterator[int]:
    """The ids that the settings of the tokenizer and of the encoder name."""
    yield from tokenizer.all_special_ids
    yield from _token_ids(model.config).values()
    # RoBERTa counts positions from the id of the padding, which must not change.
    if any(
        hasattr(module, "padding_idx") and hasattr(module, "position_embeddings")
        for module in model.modules()
    ):
        yield from range(model.config.pad_token_id or 0)


def _token_ids(config: Any) -> dict[str, int]:
    settings = config.to_dict().items()
    return {k: v for k, v in settings if k.endswith("_token_id") and isinstance(v, int)}


def cut_tokenizer(state: dict[str, Any], needed: Collection[int]) -> list[int]:
    """Cut the vocabulary of a tokenizer.

    state (dict[str, Any]): The content of its tokenizer.json. It is changed.
    needed (Collection[int]): Ids of pieces that are kept. So are those that these are merged from,
        added tokens, and letters.
    RETURNS (list[int]): The old id of each piece, in the order of the new ids.
    RAISES (CardionerError): The tokenizer is of a kind that cannot be cut.
    """
    model, added = state["model"], state["added_tokens"]
    if model["type"] not in KINDS:
        raise CardionerError(f"its tokenizer is none of the kinds {', '.join(KINDS)}")
    ids = _pieces(model)
    always = {each["content"] for each in added} | {model.get("unk_token")}
    needed = {*needed, model.get("unk_id")}
    kept = {piece for piece, number in ids.items() if number in needed or piece in always}
    kept |= _letters(ids, model.get("continuing_subword_prefix"), model.get("end_of_word_suffix"))
    if model["type"] == "Unigram":
        # The cost of an unknown piece depends on the lowest score.
        kept.add(min(model["vocab"], key=lambda entry: entry[1])[0])
    elif model["type"] == "BPE":
        model["merges"] = _keep_merges(kept, model)
    old = sorted(ids[piece] for piece in kept)
    old += sorted(each["id"] for each in added if each["content"] not in ids)
    _renumber(state, ids, {number: new for new, number in enumerate(old)})
    return old


def _pieces(model: Mapping[str, Any]) -> dict[str, int]:
    """The id of each piece."""
    if model["type"] == "Unigram":
        return {piece: number for number, (piece, _) in enumerate(model["vocab"])}
    return dict(model["vocab"])


def _letters(ids: Collection[str], prefix: str | None, suffix: str | None) -> set[str]:
    """The pieces of one letter or byte, and all with a letter that has no such piece.

    prefix (str | None): What pieces inside a word start with, such as "##".
    suffix (str | None): What pieces at the end of a word end with, such as "</w>".
    """
    start, end = prefix or "", suffix or ""
    kept = set()
    for piece in ids:
        inner = piece.removeprefix(start).removesuffix(end)
        inside, final = piece.startswith(start), piece.endswith(end)
        letters = [
            start * (inside or at > 0) + letter + end * (final and at == len(inner) - 1)
            for at, letter in enumerate(inner)
        ]
        if len(letters) == 1 or not all(each in ids for each in letters) or BYTE.fullmatch(piece):
            kept.add(piece)
    return kept


def _keep_merges(kept: set[str], model: Mapping[str, Any]) -> list[Any]:
    """Add to kept pieces all that they are merged from, and select the merges among them."""
    prefix = model["continuing_subword_prefix"] or ""
    # Older versions of tokenizers write a merge as one string.
    pairs = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
    merged = [first + second.removeprefix(prefix) for first, second in pairs]
    parts: dict[str, list[str]] = defaultdict(list)
    for result, pair in zip(merged, pairs, strict=True):
        parts[result] += pair
    todo = list(kept)
    while todo:
        more = set(parts.get(todo.pop(), ())) - kept
        kept |= more
        todo += more
    return [
        written
        for written, pair, result in zip(model["merges"], pairs, merged, strict=True)
        if kept.issuperset((*pair, result))
    ]


def _renumber(state: dict[str, Any], ids: Mapping[str, int], new: Mapping[int, int]) -> None:
    """Select the pieces with new ids, and change all ids in the content of a tokenizer.json."""
    model = state["model"]
    if model["type"] == "Unigram":
        model["vocab"] = [entry for old, entry in enumerate(model["vocab"]) if old in new]
        if model["unk_id"] is not None:
            model["unk_id"] = new[model["unk_id"]]
    else:
        model["vocab"] = {piece: new[old] for piece, old in ids.items() if old in new}
    for each in state["added_tokens"]:
        each["id"] = new[each["id"]]
    processor = state["post_processor"] or {}
    for part in (processor, *processor.get("processors", ())):
        for token in part.get("special_tokens", {}).values():
            token["ids"] = [new[old] for old in token["ids"]]
        for pair in (part[name] for name in ("cls", "sep") if name in part):
            pair[1] = new[pair[1]]


def cut_encoder(model: Any, kept: Sequence[int]) -> None:
    """Keep some rows of the word embeddings, and of an output layer over the vocabulary.

    kept (Sequence[int]): The old id of each piece, in the order of the new ids.
    RAISES (CardionerError): A piece has no row.
    """
    words, head = model.get_input_embeddings(), model.get_output_embeddings()
    if max(kept) >= words.num_embeddings:
        raise CardionerError("its tokenizer has pieces for which the encoder has no vector")
    tensors = [words.weight, getattr(head, "weight", None), getattr(head, "bias", None)]
    for tensor in {id(each): each for each in tensors if each is not None}.values():  # or tied
        tensor.data[: len(kept)] = tensor.data[list(kept)]
    model.resize_token_embeddings(len(kept))
    new = {old: number for number, old in enumerate(kept)}
    for name, old in _token_ids(model.config).items():
        if old in new:
            setattr(model.config, name, new[old])
