"""Make the lists of `spacy_cardioner.spelling` from texts: the words whose spelling must be known.

    python assets/spelling/make.py es=TEXTS en=TEXTS it=TEXTS [es=MORE ...]

TEXTS is what `cardioner pretrain vectors` takes: a text file, a JSONL file with the key "text" or a
DocBin. A list is written for each language, and one for all of them (xx), in which a word stands if
its spelling is the same in all languages that have it.

A word is listed if most texts write it in one way, and if it is a name or an abbreviation,
has accents, or is short: other short words in capitals are abbreviations. Words at the start of a
sentence do not count, and neither do lines in capitals, nor what stands for a name or date in
anonymised texts: "XXXX", "YYYY".
"""

from __future__ import annotations

import argparse
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from spacy_cardioner.gazetteer.normalise import fold
from spacy_cardioner.spelling import LONG, in_capitals, list_path
from spacy_cardioner.texts import read_texts
from spacy_cardioner.tokenizer import blank

# Occurrences of a word in a million, and of an abbreviation.
MIN_RATE, MIN_SHORT = 2.0, 0.5
# The share of the usual spelling of a word, and of a longer word with capitals.
USUAL, NAME = 0.7, 0.9
SHORT = 5
# "XXX" and "YYYY" are placeholders; "III", "AAA" and "XXY" mean something.
PLACEHOLDER = re.compile(r"(?:([xyz])\1{2,}|([^\W\d_])\2{3,}|xyz)\.?", re.IGNORECASE)


def main() -> None:
    """Write the lists."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("texts", nargs="+", metavar="LANG=TEXTS")
    paths = defaultdict(list)
    for lang, _, path in (given.partition("=") for given in parser.parse_args().texts):
        paths[lang].append(Path(path))
    rates = {
        lang: count(lang, (text for path in each for text in read_texts(path)))
        for lang, each in paths.items()
    }
    lists = {lang: usual_words(each) for lang, each in rates.items()}
    lists["xx"] = shared(lists, rates)
    for lang, words in lists.items():
        list_path(lang).parent.mkdir(exist_ok=True)
        list_path(lang).write_text("\n".join(["word", *sorted(words)]) + "\n", encoding="utf-8")
        print(lang, len(words))


def count(lang: str, texts: Iterable[str]) -> Counter[str]:
    """How often each word is written in each way, in a million words."""
    found: Counter[str] = Counter()
    for doc in map(blank(lang).make_doc, texts):
        capitals = in_capitals(doc).tolist() if len(doc) else []
        starts = True
        for token, skipped in zip(doc, capitals, strict=True):
            word = token.text
            named = any(map(str.isalpha, word))
            if named and not (starts or skipped or PLACEHOLDER.fullmatch(word)):
                found[word] += 1
            starts = not (any(map(str.isalnum, word)) or word in ",/%")
    total = found.total()
    return Counter({word: n / total * 1e6 for word, n in found.items() if n > 1})


def usual_words(rates: Mapping[str, float]) -> set[str]:
    """The words whose spelling must be known."""
    forms: defaultdict[str, Counter[str]] = defaultdict(Counter)
    accents: Counter[str] = Counter()
    for word, rate in rates.items():
        forms[word.lower()][word] += rate
        accents[fold(word)] += rate
    found: dict[str, str] = {}
    # Words without accents first: with them, "esta" does not stand for "está".
    for lower, each in sorted(forms.items(), key=lambda item: fold(item[0]) != item[0]):
        [(word, rate)] = each.most_common(1)
        bare, total = fold(lower), each.total()
        if rate < total * (USUAL if len(word) < SHORT else NAME):
            if len(word) < LONG:
                continue
            word = lower
        # Words with the same letters and no accents, and all with accents.
        plain = forms.get(bare, Counter()).total()
        accented = accents[bare] - plain
        if bare == lower:
            common = plain > accented * (1 - USUAL) / USUAL
            needed = common and (len(word) < LONG or word != lower)
        else:
            common = 2 * total > accented and total >= USUAL * (total + plain)
            needed = common or bare in found
        if needed and total >= (MIN_SHORT if word.isupper() else MIN_RATE):
            found[lower] = word
    return set(found.values())


def shared(lists: Mapping[str, set[str]], rates: Mapping[str, Counter[str]]) -> set[str]:
    """The words that are usual, or do not occur, in each language."""
    found = set().union(*lists.values())
    for each in rates.values():
        usual: dict[str, str] = {}
        for word, rate in each.most_common():
            if rate >= MIN_RATE:
                usual.setdefault(fold(word), word)
        found = {word for word in found if usual.get(fold(word), word) == word}
    return found


if __name__ == "__main__":
    main()
