"""thinc layers, a file each."""

from collections.abc import Callable
from typing import Any

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

Vectors = list[Floats2d]
Backprop = Callable[[Vectors], Any]
# Turns documents into a row of features for each token.
Tok2Vec = Model[list[Doc], Vectors]
