"""Masked language modelling on raw texts, with the Trainer of transformers.

Either an existing encoder is adapted to the texts (Gururangan et al. 2020), or a new one is trained
from scratch, with its own tokenizer (RoBERTa, Liu et al. 2019).
"""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from spacy_cardioner.errors import CardionerError, needs, reason
from spacy_cardioner.files import made_once, manifest
from spacy_cardioner.loading import check_transformers

if TYPE_CHECKING:
    from transformers import Trainer

HEAD_WIDTH = 64  # as in nearly all encoders
MAX_LENGTH = 512  # wordpieces in the input of a new encoder
HELD_OUT = 20  # one block in this many, to measure the loss


@dataclass(frozen=True)
class Recipe:
    """The settings of the training.

    learning_rate (float): The highest learning rate, which then decreases linearly to zero.
    warmup (float): Share of the training in which the rate increases from zero.
    batch (int): Blocks per step.
    length (int): Wordpieces per block, including the special ones.
    save_steps (int): Steps between two checkpoints.
    """

    epochs: int = 3
    learning_rate: float = 5e-5
    warmup: float = 0.0
    weight_decay: float = 0.01
    batch: int = 16
    length: int = 256
    seed: int = 13
    save_steps: int = 500


class Size(NamedTuple):
    """The size of a new encoder: layers, their width, and wordpieces in the vocabulary."""

    layers: int
    width: int
    vocab: int = 16_000


ADAPT = Recipe()
# Values of RoBERTa and ELECTRA-small.
NEW = Recipe(learning_rate=5e-4, warmup=0.06)


def parse_size(text: str, vocab: int) -> Size:
    """Parse a size such as "6x384": layers and width.

    RAISES (CardionerError): The size is invalid, or its width cannot be divided into heads.
    """
    layers, sign, width = text.partition("x")
    if not (sign and layers.isdecimal() and width.isdecimal() and int(layers) and int(width)):
        raise CardionerError(f"'{text}' is not a size; give LAYERSxWIDTH, for example 6x384")
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
    """Train an encoder with masked language modelling, and save it with its tokenizer.

    The folder can be used as ``components.transformer.model.name`` and as `encoder` here. An
    interrupted training resumes from its last checkpoint when it is called with the same arguments.
    On a GPU it uses mixed precision.

    files (Sequence[Path]): The files of the texts, for the manifest.
    encoder (str | Size): Name or folder of the encoder to adapt, or the size of a new one.
    RETURNS (dict): Blocks, steps, and the loss on held-out blocks before and after the training.
    RAISES (CardionerError): The encoder or the texts cannot be used; `output` has another training.
    """
    check_transformers()
    with needs("accelerate", "trf"):
        import accelerate  # noqa: F401

    settings = asdict(recipe)
    if isinstance(encoder, Size):
        settings |= encoder._asdict()
    elif Path(encoder).is_dir():
        files = [*files, Path(encoder)]
    else:
        settings["encoder"] = encoder
    train = partial(_pretrain, texts, encoder, output, recipe)
    return made_once(output, manifest(files, settings), train)


def _pretrain(
    texts: Iterable[str], encoder: str | Size, output: Path, recipe: Recipe
) -> dict[str, Any]:
    from transformers import set_seed
    from transformers.trainer_utils import get_last_checkpoint

    def evaluate() -> float | None:
        set_seed(recipe.seed)  # masks the same words each time
        return round(trainer.evaluate()["eval_loss"], 4) if trainer.eval_dataset else None

    checkpoints = output / "checkpoints"
    with contextlib.redirect_stdout(sys.stderr):  # Trainer prints losses
        trainer = make_trainer(texts, encoder, output, recipe)
        last = get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None
        loss = {"before": evaluate()}
        trained = trainer.train(resume_from_checkpoint=last)
        loss["after"] = evaluate()
        trainer.save_model(str(output))
    (output / "training_args.bin").unlink(missing_ok=True)
    shutil.rmtree(checkpoints, ignore_errors=True)
    blocks = {"trained": len(trainer.train_dataset), "held_out": len(trainer.eval_dataset)}
    return {"blocks": blocks, "steps": trained.global_step, "held_out_loss": loss}


def make_trainer(
    texts: Iterable[str], encoder: str | Size, output: Path, recipe: Recipe
) -> Trainer:
    """Create the encoder and the blocks, and set up the training; see `pretrain`."""
    import torch
    from transformers import DataCollatorForLanguageModeling, Trainer, TrainingArguments, set_seed

    set_seed(recipe.seed)
    texts = list(texts)
    if isinstance(encoder, Size):
        tokenizer, model = _new(encoder, texts, output)
    else:
        tokenizer, model = _load(encoder)
    blocks = _cut_blocks(texts, tokenizer, min(recipe.length, tokenizer.model_max_length))
    on_gpu = torch.cuda.is_available()
    brain_floats = on_gpu and torch.cuda.is_bf16_supported()
    arguments = TrainingArguments(
        output_dir=str(output / "checkpoints"),
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
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
        data_collator=DataCollatorForLanguageModeling(tokenizer),  # masks 15 %, as BERT
        train_dataset=[block for i, block in enumerate(blocks, 1) if i % HELD_OUT],
        eval_dataset=blocks[HELD_OUT - 1 :: HELD_OUT],
        processing_class=tokenizer,
    )


def _cut_blocks(texts: Iterable[str], tokenizer: Any, length: int) -> list[dict[str, list[int]]]:
    """Join all texts and split them into blocks of equal length; the last one may be shorter.

    RAISES (CardionerError): The texts are empty.
    """
    joined: list[int] = []
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        if ids:
            joined += [*ids, tokenizer.sep_token_id]
    if not joined:
        raise CardionerError("the texts have no words to train an encoder on")
    special = tokenizer("")["input_ids"]  # such as <s> and </s>
    inner = length - len(special)
    return [
        {"input_ids": [*special[:1], *joined[start : start + inner], *special[1:]]}
        for start in range(0, len(joined), inner)
    ]


def _load(name: str) -> tuple[Any, Any]:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    try:
        model = AutoModelForMaskedLM.from_pretrained(name)
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError, ImportError) as error:
        raise CardionerError(f"{name}: the encoder cannot be loaded ({reason(error)})") from error
    if tokenizer.mask_token is None or tokenizer.sep_token is None:
        raise CardionerError(f"{name}: the encoder has no mask token, so it cannot be adapted")
    return tokenizer, model


def _new(size: Size, texts: Sequence[str], output: Path) -> tuple[Any, Any]:
    """Create an encoder with random weights, and train its tokenizer unless `output` has one."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaConfig, RobertaForMaskedLM, RobertaTokenizerFast

    if not (output / "merges.txt").exists():
        special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        bpe = ByteLevelBPETokenizer()
        bpe.train_from_iterator(
            texts, vocab_size=size.vocab, special_tokens=special, show_progress=False
        )
        bpe.save_model(str(output))
    tokenizer = RobertaTokenizerFast.from_pretrained(str(output), model_max_length=MAX_LENGTH)
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
