"""Encoders with a smaller vocabulary: tiny ones of each kind, with tokenizers trained here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from spacy_cardioner.cli.pretrain import app
from spacy_cardioner.errors import CardionerError
from spacy_cardioner.tokenizer import blank
from tests.conftest import ROOT
from tests.tiny_encoder import encoder_config

pytest.importorskip("spacy_transformers", reason="needs the extra trf")

NOTES = ROOT / "assets/notes"
SPANISH = [path.read_text(encoding="utf-8") for path in sorted(NOTES.glob("es/*.txt"))]
OTHERS = [path.read_text(encoding="utf-8") for path in sorted(NOTES.glob("[ei][nt]/*.txt"))]
LETTERS = "".join(sorted({*"".join(SPANISH + OTHERS)}))
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
# Fillers as in multilingual BERT, so that ids of special pieces change.
FILLED = ["[PAD]", "[unused1]", "[unused2]", "[UNK]", "[CLS]", "[unused3]", "[SEP]"]
SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
SIZE |= {"intermediate_size": 64, "max_position_embeddings": 1026}


def unigram() -> tuple[Any, type, type]:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import XLMRobertaForMaskedLM, XLMRobertaTokenizerFast

    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=500, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
    )
    made.train_from_iterator(SPANISH + OTHERS, trainer)
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return made, XLMRobertaTokenizerFast, XLMRobertaForMaskedLM


def byte_bpe() -> tuple[Any, type, type]:
    from tokenizers import ByteLevelBPETokenizer, Tokenizer, processors
    from transformers import RobertaModel, RobertaTokenizerFast

    # A filler before the padding, as in CamemBERT: positions are counted from the id of <pad>.
    special = ["<s>", "<s>NOTUSED", *SPECIAL[1:]]
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(
        SPANISH + OTHERS, vocab_size=800, special_tokens=special, show_progress=False
    )
    state = json.loads(bpe.to_str())
    state["added_tokens"] = [each for each in state["added_tokens"] if each["id"] != 1]
    made = Tokenizer.from_str(json.dumps(state))
    made.post_processor = processors.RobertaProcessing(("</s>", 3), ("<s>", 0))
    return made, RobertaTokenizerFast, RobertaModel


def letter_bpe(**marks: str) -> tuple[Any, type, type]:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import BertModel, PreTrainedTokenizerFast

    made = Tokenizer(models.BPE(unk_token="<unk>", **marks))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=SPECIAL, show_progress=False, **marks
    )
    made.train_from_iterator(SPANISH + OTHERS, trainer)
    template = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    made.post_processor = processors.Sequence([template])
    return made, PreTrainedTokenizerFast, BertModel


def wordpiece() -> tuple[Any, type, type]:
    from tokenizers import BertWordPieceTokenizer, Tokenizer, processors
    from transformers import BertForMaskedLM, BertTokenizerFast

    bert = BertWordPieceTokenizer(lowercase=False, strip_accents=False)
    bert.train_from_iterator(SPANISH + OTHERS, vocab_size=600, show_progress=False)
    state = json.loads(bert.to_str())
    pieces = [*FILLED, *(piece for piece in state["model"]["vocab"] if piece not in FILLED)]
    state["model"]["vocab"] = {piece: number for number, piece in enumerate(pieces)}
    state["added_tokens"] = []
    made = Tokenizer.from_str(json.dumps(state))
    made.add_special_tokens([piece for piece in FILLED if "unused" not in piece])
    made.post_processor = processors.BertProcessing(("[SEP]", 6), ("[CLS]", 4))
    return made, BertTokenizerFast, BertForMaskedLM


KINDS: dict[str, Callable[[], tuple[Any, type, type]]] = {
    "Unigram": unigram,
    "byte BPE": byte_bpe,
    "BPE with suffix": lambda: letter_bpe(end_of_word_suffix="</w>"),
    "BPE with prefix": lambda: letter_bpe(continuing_subword_prefix="@@"),
    "WordPiece": wordpiece,
}


def save(folder: Path, kind: str, rows: int = 3) -> Path:
    """Save a tiny encoder, untrained.

    rows (int): Rows of the word embeddings that no piece has.
    """
    import torch

    made, tokenizer_class, model_class = KINDS[kind]()
    named = {}
    if tokenizer_class.__name__ == "PreTrainedTokenizerFast":
        named = dict(
            zip(("bos_token", "pad_token", "eos_token", "unk_token"), SPECIAL, strict=True)
        )
        named |= {"mask_token": "<mask>", "cls_token": "<s>", "sep_token": "</s>"}
    tokenizer = tokenizer_class(tokenizer_object=made, model_max_length=1024, **named)
    tokenizer.add_tokens(["NYHA"])
    torch.manual_seed(0)
    config = model_class.config_class(
        vocab_size=len(tokenizer) + rows,
        pad_token_id=tokenizer.pad_token_id,
        mask_token_id=tokenizer.mask_token_id,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        tie_word_embeddings=kind != "WordPiece",
        **SIZE,
    )
    model = model_class(config)
    if head := model.get_output_embeddings():
        torch.nn.init.normal_(head.bias)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if hasattr(tokenizer, "vocab_file"):  # published ones have it; spacy-transformers reads it
        (folder / tokenizer.vocab_files_names["vocab_file"]).write_bytes(b"")
    return folder


def cardioner(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(done.exception, CardionerError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


class Loaded(NamedTuple):
    folder: Path
    tokenizer: Any
    model: Any

    def pieces(self, text: str) -> list[str]:
        return list(self.tokenizer.convert_ids_to_tokens(self.tokenizer(text)["input_ids"]))

    def output(self, text: str) -> Any:
        import torch

        with torch.inference_mode():
            return self.model(**self.tokenizer(text, return_tensors="pt"))

    def unknown(self, text: str) -> list[tuple[int, int]]:
        """Where the unknown pieces of a text are."""
        split = self.tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
        unknown = self.tokenizer.unk_token_id
        both = zip(split["input_ids"], split["offset_mapping"], strict=True)
        return [offsets for number, offsets in both if number == unknown]


class Pair(NamedTuple):
    full: Loaded
    cut: Loaded
    said: str


def load(folder: Path) -> Loaded:
    import transformers

    config = transformers.AutoConfig.from_pretrained(folder)
    model = getattr(transformers, config.architectures[0]).from_pretrained(folder)
    return Loaded(folder, transformers.AutoTokenizer.from_pretrained(folder), model)


@pytest.fixture(scope="module", params=KINDS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """An encoder of each kind, before and after it was cut for the Spanish notes."""
    folder = tmp_path_factory.mktemp("encoders")
    full = save(folder / "full", request.param)
    said = cardioner("vocabulary", full, "--texts", NOTES / "es", "-o", folder / "cut")
    return Pair(load(full), load(folder / "cut"), said)


@pytest.mark.parametrize("text", SPANISH)
def test_the_texts_have_the_same_pieces_and_vectors(pair: Pair, text: str) -> None:
    import torch

    assert pair.cut.pieces(text) == pair.full.pieces(text)
    full, cut = (each.model.base_model for each in (pair.full, pair.cut))
    with torch.inference_mode():
        before = full(**pair.full.tokenizer(text, return_tensors="pt")).last_hidden_state
        after = cut(**pair.cut.tokenizer(text, return_tensors="pt")).last_hidden_state
    assert torch.allclose(before, after, atol=1e-6)


def test_it_is_smaller_and_says_so(pair: Pair) -> None:
    rows = pair.cut.model.get_input_embeddings().num_embeddings
    assert rows == pair.cut.model.config.vocab_size == len(pair.cut.tokenizer)
    assert rows < len(pair.full.tokenizer)
    assert f"{rows:,} of {len(pair.full.tokenizer) + 3:,} pieces" in pair.said
    vocabulary = pair.cut.tokenizer.get_vocab()
    assert sorted(vocabulary.values()) == list(range(rows))
    assert vocabulary.keys() < pair.full.tokenizer.get_vocab().keys()


def test_special_and_added_pieces_are_kept_under_new_ids(pair: Pair) -> None:
    full, cut = pair.full.tokenizer, pair.cut.tokenizer
    assert cut.special_tokens_map == full.special_tokens_map
    assert cut.model_input_names == full.model_input_names
    text = f"NYHA II {full.mask_token} NYHAIII"
    assert {"NYHA", full.mask_token} <= set(pair.cut.pieces(text))
    for name in ("pad_token_id", "mask_token_id", "bos_token_id", "eos_token_id"):
        before, after = (getattr(each.model.config, name) for each in (pair.full, pair.cut))
        assert cut.convert_ids_to_tokens(after) == full.convert_ids_to_tokens(before)


def test_letters_are_kept(pair: Pair) -> None:
    kept = pair.cut.tokenizer.get_vocab()
    for piece in pair.full.tokenizer.get_vocab():
        if len(piece.removeprefix("##").removeprefix("@@").removesuffix("</w>")) == 1:
            assert piece in kept


@given(st.text(st.one_of(st.sampled_from(LETTERS), st.characters(codec="utf-8"))))
def test_unknown_is_what_the_full_vocabulary_does_not_know(pair: Pair, text: str) -> None:
    assert pair.cut.unknown(text) == pair.full.unknown(text)


@pytest.mark.parametrize("text", OTHERS)
def test_other_texts_are_split_into_smaller_pieces(pair: Pair, text: str) -> None:
    full, cut = pair.full.tokenizer, pair.cut.tokenizer
    assert len(cut(text)["input_ids"]) > len(full(text)["input_ids"])
    assert bare(pair.cut.pieces(text)) == bare(pair.full.pieces(text))


def bare(pieces: list[str]) -> str:
    for mark in ("##", "@@", "</w>"):
        pieces = [piece.replace(mark, "") for piece in pieces]
    return "".join(pieces)


@given(st.data())
def test_any_texts_are_split_as_before(pair: Pair, data: st.DataObject) -> None:
    from tokenizers import Tokenizer

    from spacy_cardioner.training.vocabulary import cut_tokenizer

    note = st.sampled_from(SPANISH + OTHERS)
    part = st.tuples(note, st.integers(0, 600), st.integers(1, 80))
    texts = [text[at : at + size] for text, at, size in data.draw(st.lists(part, max_size=4))]
    backend = pair.full.tokenizer.backend_tokenizer
    needed = {0, *(number for text in texts for number in backend.encode(text).ids)}
    state = json.loads(backend.to_str())

    kept = cut_tokenizer(state, needed)

    cut = Tokenizer.from_str(json.dumps(state))
    assert cut.get_vocab_size() == len(kept)
    for text in texts:
        assert cut.encode(text).tokens == backend.encode(text).tokens
        assert [kept[number] for number in cut.encode(text).ids] == backend.encode(text).ids


def test_a_letter_that_only_longer_pieces_know_stays_known() -> None:
    from tokenizers import Tokenizer, models

    from spacy_cardioner.training.vocabulary import cut_tokenizer

    letters = [("<unk>", 0.0), *((letter, -8.0) for letter in "cdef")]
    full = Tokenizer(models.Unigram([*letters, ("cdef", -2.0), ("xc", -5.0), ("ee", -30.0)], 0))
    state = json.loads(full.to_str())

    kept = cut_tokenizer(state, {5})

    cut = Tokenizer.from_str(json.dumps(state))
    assert len(kept) == 8
    assert cut.encode("xcdef").tokens == full.encode("xcdef").tokens == ["xc", "d", "e", "f"]
    del state["model"]["vocab"][-1]  # the cost of what is unknown depends on it
    assert Tokenizer.from_str(json.dumps(state)).encode("xcdef").tokens == ["x", "cdef"]


def test_a_head_for_masked_words_is_cut_too(pair: Pair) -> None:
    import torch

    heads = [each.model.get_output_embeddings() for each in (pair.full, pair.cut)]
    if heads[0] is None:
        assert heads[1] is None
        return
    text = SPANISH[0][:200] + str(pair.full.tokenizer.mask_token)
    before, after = (each.output(text).logits for each in (pair.full, pair.cut))
    kept = pair.cut.tokenizer.get_vocab()
    rows = [
        pair.full.tokenizer.convert_tokens_to_ids(p) for p in sorted(kept, key=kept.__getitem__)
    ]
    assert torch.allclose(before[..., rows], after, atol=1e-5)
    tied = [
        each.model.get_input_embeddings().weight is head.weight
        for each, head in zip((pair.full, pair.cut), heads, strict=True)
    ]
    assert tied[0] == tied[1]


@pytest.mark.parametrize("window", [12, 400])
def test_a_pipeline_has_the_same_vectors(pair: Pair, window: int) -> None:
    """Windows start and end at any token."""
    windows = {"@span_getters": "spacy_cardioner.context_windows.v1", "window": window}
    batches = []
    for each in (pair.full, pair.cut):
        nlp = blank("es")
        config = encoder_config(each.folder, {**windows, "context": 5})
        config["model"]["tokenizer_config"]["model_max_length"] = 1024
        nlp.add_pipe("transformer", config=config)
        nlp.initialize()
        batches.append([nlp(text)._.trf_data for text in SPANISH])
    for full, cut in zip(*batches, strict=True):
        assert full.wordpieces.strings == cut.wordpieces.strings
        vectors = [each.model_output.last_hidden_state for each in (full, cut)]
        assert abs(vectors[0] - vectors[1]).max() < 1e-5


def test_masked_language_modelling_goes_on_from_it(pair: Pair, tmp_path: Path) -> None:
    pytest.importorskip("accelerate", reason="needs the extra trf")
    from spacy_cardioner.training.mlm import ADAPT, make_trainer

    recipe = replace(ADAPT, length=32)
    trainer = make_trainer(SPANISH, str(pair.cut.folder), tmp_path, recipe)

    tokenizer = pair.cut.tokenizer
    for block in trainer.train_dataset:
        ids = block["input_ids"]
        assert (ids[0], ids[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
        assert len(ids) <= 32
    assert trainer.model.config.vocab_size == len(tokenizer)


def test_a_finished_folder_is_kept(tmp_path: Path) -> None:
    command = [save(tmp_path / "full", "WordPiece"), "--texts", NOTES / "es", "-o", tmp_path / "o"]
    said = cardioner("vocabulary", *command)
    weights = tmp_path / "o" / "model.safetensors"
    written = weights.stat().st_mtime_ns
    assert cardioner("vocabulary", *command) == said
    assert weights.stat().st_mtime_ns == written
    with pytest.raises(CardionerError, match="another output folder"):
        cardioner("vocabulary", *command, "--texts", NOTES / "it")


def test_what_cannot_be_cut(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models
    from transformers import (
        BertConfig,
        BertModel,
        CanineConfig,
        CanineModel,
        CanineTokenizer,
        PreTrainedTokenizerFast,
        T5Config,
        T5ForConditionalGeneration,
    )

    (tmp_path / "empty").mkdir()
    blank_lines = tmp_path / "blank.txt"
    blank_lines.write_text("\n \n")
    out = ["--texts", NOTES / "es", "-o", tmp_path / "out"]
    words = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0}, "a")))
    BertModel(BertConfig(vocab_size=9, **SIZE)).save_pretrained(tmp_path / "words")
    words.save_pretrained(tmp_path / "words")
    CanineTokenizer().save_pretrained(tmp_path / "canine")
    CanineModel(CanineConfig(**SIZE)).save_pretrained(tmp_path / "canine")
    t5 = T5Config(vocab_size=9, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    T5ForConditionalGeneration(t5).save_pretrained(tmp_path / "t5")
    words.save_pretrained(tmp_path / "t5")
    short = save(tmp_path / "short", "byte BPE", rows=-1)
    for encoder, message in (
        ("empty", "cannot be loaded"),
        ("words", "none of the kinds Unigram, BPE, WordPiece"),
        ("canine", "no fast tokenizer"),
        ("t5", "has a decoder"),
        ("short", "no vector"),
    ):
        with pytest.raises(CardionerError, match=f"{encoder}: .*{message}"):
            cardioner("vocabulary", tmp_path / encoder, *out)
    with pytest.raises(CardionerError, match="no words"):
        cardioner("vocabulary", short, "--texts", blank_lines, "-o", tmp_path / "out")
