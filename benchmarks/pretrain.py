"""Pretrain the encoder of an experiment on raw texts.

Usage: python benchmarks/pretrain.py CAMPAIGN EXPERIMENT LANG TEXTS... -o FOLDER

The section `pretraining` of the experiment's first stage says how, as for `spacy pretrain`. TEXTS
are .jsonl with the key "text", also packed (.gz), or DocBins; they are taken in parts of 500 words.
FOLDER gets a file for each pass, for `initialize.init_tok2vec`: `model0.bin`, `model1.bin`.
"""

# No `from __future__ import annotations`: configs are checked against the types of the registered
# function, which must not be strings.
import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from spacy.cli._util import import_code
from spacy.language import Language
from spacy.training import Example
from spacy.training.pretrain import pretrain
from spacy.util import load_model_from_config, registry

from spacy_cardioner.texts import read_texts
from spacy_cardioner.training.campaign import read_campaign

LONGEST = 500


@registry.readers("tried.raw_texts.v1")
def create_raw_texts(paths: list[str]) -> Callable[[Language], Iterator[Example]]:
    """Read texts as examples without annotations."""

    def read(nlp: Language) -> Iterator[Example]:
        for path in paths:
            for text in read_texts(Path(path)):
                doc = nlp.make_doc(text)
                for start in range(0, len(doc), LONGEST):
                    part = doc[start : start + LONGEST].as_doc()
                    yield Example(part, part)

    return read


def main() -> None:
    """Pretrain, printing words and loss."""
    parser = argparse.ArgumentParser(description="See the top of this file.")
    parser.add_argument("campaign", type=Path)
    parser.add_argument("name")
    parser.add_argument("lang")
    parser.add_argument("texts", nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    campaign = read_campaign(args.campaign)
    import_code(campaign.code)
    config = campaign.make_config(args.name, args.lang, "stage1")
    config = load_model_from_config(config, auto_fill=True).config.interpolate()
    config["corpora"]["pretrain"] = {"@readers": "tried.raw_texts.v1", "paths": args.texts}
    args.output.mkdir(parents=True, exist_ok=True)
    pretrain(config, args.output, silent=False)


if __name__ == "__main__":
    main()
