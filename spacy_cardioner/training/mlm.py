"""Masked-language-model training of an encoder on raw texts, with transformers' own Trainer.

An encoder that is there already is adapted to the texts (Gururangan et al. 2020); given a size
instead, a new one is made for them, with a tokenizer of its own (RoBERTa, Liu et al. 2019).
"""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import srsly

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.files import manifest
from spacy_cardioner.loading import check_transformers

if TYPE_CHECKING:
    from transformers import Trainer

# The width of an attention head, the same in nearly all encoders.
HEAD_WIDTH = 64
# Most wordpieces that a new encoder can read at once.
MAX_LENGTH = 512
# One block in so many is kept out of the training, to measure the loss on.
HELD_OUT = 20

Blocks = list[dict[str, list[int]]]


@dataclass(frozen=True)
class Recipe:
    """How an encoder is trained.

    epochs (int): Passes over the texts.
    learning_rate (float): At the start; from there it falls to zero in a line.
    warmup (float): Part of the training in which the rate rises to it first.
    weight_decay (float): Of AdamW.
    batch (int): Blocks a step.
    length (int): Wordpieces a block, the special ones included.
    mask (float): Share of wordpieces that are hidden.
    seed (int): Of everything that is drawn.
    save_steps (int): Steps between two checkpoints, from which a stopped training goes on.
    """

    epochs: int = 3
    learning_rate: float = 5e-5
    warmup: float = 0.0
    weight_decay: float = 0.01
    batch: int = 16
    length: int = 256
    mask: float = 0.15
    seed: int = 13
    save_steps: int = 500


class Size(NamedTuple):
    """Of a new encoder: its layers, their width, and the wordpieces its tokenizer has."""

    layers: int
    width: int
    vocab: int = 16_000


ADAPT = Recipe()
# A new encoder has to learn more, and nothing to forget (values of RoBERTa and of ELECTRA-small).
NEW = Recipe(learning_rate=5e-4, warmup=0.06)


def parse_size(text: str, vocab: int) -> Size:
    """Read a size such as "6x384": layers and width.

    RAISES (CardionerError): It is not of that form, or the width cannot be shared among heads.
    """
    layers, sign, width = text.partition("x")
    if not (sign and layers.isdecimal() and width.isdecimal() and int(layers) and int(width)):
        raise CardionerError(f"'{text}' is no size; write LAYERSxWIDTH, for example 6x384")
    if int(width) % HEAD_WIDTH:
        raise CardionerError(f"the width {width} is not a multiple of {HEAD_WIDTH}")
    return Size(int(layers), int(width), vocab)


def pretrain(
    files: Sequence[Path],
    texts: Iterable[str],
    encoder: str | Size,
    output: Path,
    recipe: Recipe = ADAPT,
) -> dict[str, Any]:
    """Train an encoder to guess hidden words, and save it with its tokenizer.

    The folder works as ``components.transformer.model.name`` and as `encoder` here. A training
    that was stopped goes on from its last checkpoint when it is called again with the same
    arguments. On a GPU it computes in mixed precision.

    files (Sequence[Path]): Where the texts come from, for the manifest.
    texts (Iterable[str]): The texts.
    encoder (str | Size): Name or folder of the encoder to adapt; or the size of a new one.
    output (Path): The folder to write to.
    recipe (Recipe): How to train.
    RETURNS (dict): What ``result.json`` in the folder says: blocks, steps, and the loss on blocks
        that were kept out of the training, before and after it.
    RAISES (CardionerError): There is no such encoder, it has no hidden words or there is no text;
        `output` holds another training.
    """
    _check_packages()
    result = output / "result.json"
    _claim(output, files, encoder, recipe)
    if result.exists():
        return dict(srsly.read_json(result))
    with contextlib.redirect_stdout(sys.stderr):  # Trainer prints its losses between progress bars
        done = _train(texts, encoder, output, recipe)
    srsly.write_json(result, done)
    return done


def _check_packages() -> None:
    check_transformers()
    try:
        import accelerate  # noqa: F401
    except ImportError as error:
        raise CardionerError(
            "transformers' Trainer needs the package accelerate; run: "
            "pip install 'spacy_cardioner[trf]'"
        ) from error


def _claim(output: Path, files: Sequence[Path], encoder: str | Size, recipe: Recipe) -> None:
    """Make sure that the folder holds this training or nothing."""
    inputs, settings = list(files), asdict(recipe)
    if isinstance(encoder, Size):
        settings.update(encoder._asdict())
    elif Path(encoder).is_dir():
        inputs.append(Path(encoder))
    else:
        settings["encoder"] = encoder
    claimed = manifest(inputs, settings)
    path = output / "manifest.json"
    if path.exists() and srsly.read_json(path) != claimed:
        raise CardionerError(
            f"{output}: holds a training with other texts, settings or versions (see its "
            "manifest.json); give another output folder or delete this one"
        )
    output.mkdir(parents=True, exist_ok=True)
    srsly.write_json(path, claimed)


def _train(
    texts: Iterable[str], encoder: str | Size, output: Path, recipe: Recipe
) -> dict[str, Any]:
    from transformers.trainer_utils import get_last_checkpoint

    checkpoints = output / "checkpoints"
    trainer = make_trainer(texts, encoder, output, recipe)
    last = get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None
    loss = {"before": _loss(trainer)}
    trained = trainer.train(resume_from_checkpoint=last)
    loss["after"] = _loss(trainer)
    trainer.save_model(str(output))
    (output / "training_args.bin").unlink(missing_ok=True)
    shutil.rmtree(checkpoints, ignore_errors=True)
    blocks = {"trained": len(trainer.train_dataset), "held_out": len(trainer.eval_dataset)}
    return {"blocks": blocks, "steps": trained.global_step, "held_out_loss": loss}


def _loss(trainer: Trainer) -> float | None:
    """Cross-entropy of the hidden words in the blocks that are kept out of the training."""
    from transformers import set_seed

    if not trainer.eval_dataset:
        return None
    set_seed(trainer.args.seed)  # hides the same words each time
    return round(float(trainer.evaluate()["eval_loss"]), 4)


def make_trainer(
    texts: Iterable[str], encoder: str | Size, output: Path, recipe: Recipe
) -> Trainer:
    """Make the encoder, cut the texts into blocks and set up the training, without starting it.

    The arguments are those of `pretrain`.
    """
    import torch
    from transformers import DataCollatorForLanguageModeling, Trainer, TrainingArguments, set_seed

    set_seed(recipe.seed)
    texts = list(texts)
    if isinstance(encoder, Size):
        tokenizer, model = _new(encoder, texts, output)
    else:
        tokenizer, model = _load(encoder)
    blocks = cut_blocks(texts, tokenizer, min(recipe.length, tokenizer.model_max_length))
    on_gpu = torch.cuda.is_available()
    brain_floats = on_gpu and torch.cuda.is_bf16_supported()
    arguments = TrainingArguments(
        output_dir=str(output / "checkpoints"),
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="linear",
        warmup_ratio=recipe.warmup,
        weight_decay=recipe.weight_decay,
        per_device_train_batch_size=recipe.batch,
        per_device_eval_batch_size=recipe.batch,
        save_steps=recipe.save_steps,
        save_total_limit=1,
        logging_steps=recipe.save_steps,
        bf16=brain_floats,
        fp16=on_gpu and not brain_floats,
        dataloader_pin_memory=on_gpu,
        seed=recipe.seed,
        report_to="none",
    )
    return Trainer(
        model=model,
        args=arguments,
        data_collator=DataCollatorForLanguageModeling(
            tokenizer=tokenizer, mlm_probability=recipe.mask
        ),
        train_dataset=[block for i, block in enumerate(blocks, 1) if i % HELD_OUT],
        eval_dataset=blocks[HELD_OUT - 1 :: HELD_OUT],
        processing_class=tokenizer,
    )


def cut_blocks(texts: Iterable[str], tokenizer: Any, length: int) -> Blocks:
    """Join all texts and cut them into blocks of the same length, the last one apart.

    RAISES (CardionerError): The texts are empty.
    """
    joined: list[int] = []
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        if ids:
            joined += [*ids, tokenizer.sep_token_id]
    if not joined:
        raise CardionerError("there are no words in the texts to train an encoder on")
    inner = length - tokenizer.num_special_tokens_to_add()
    return [
        {"input_ids": tokenizer.build_inputs_with_special_tokens(joined[start : start + inner])}
        for start in range(0, len(joined), inner)
    ]


def _load(name: str) -> tuple[Any, Any]:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    try:
        model = AutoModelForMaskedLM.from_pretrained(name)
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise CardionerError(f"{name}: this encoder cannot be loaded ({reason})") from error
    if tokenizer.mask_token is None or tokenizer.sep_token is None:
        raise CardionerError(f"{name}: this encoder was not trained to guess hidden words")
    return tokenizer, model


def _new(size: Size, texts: Sequence[str], output: Path) -> tuple[Any, Any]:
    """Make an encoder with random weights, and train a tokenizer unless there is one already."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaConfig, RobertaForMaskedLM, RobertaTokenizerFast

    if not (output / "tokenizer_config.json").exists():
        special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        bpe = ByteLevelBPETokenizer()
        bpe.train_from_iterator(
            texts, vocab_size=size.vocab, special_tokens=special, show_progress=False
        )
        bpe.save_model(str(output))
        RobertaTokenizerFast.from_pretrained(
            str(output), model_max_length=MAX_LENGTH
        ).save_pretrained(str(output))
    tokenizer = RobertaTokenizerFast.from_pretrained(str(output))
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.width,
        num_hidden_layers=size.layers,
        num_attention_heads=size.width // HEAD_WIDTH,
        intermediate_size=4 * size.width,
        max_position_embeddings=MAX_LENGTH + tokenizer.pad_token_id + 1,
        type_vocab_size=1,
    )
    return tokenizer, RobertaForMaskedLM(config)
