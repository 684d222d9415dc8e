"""Notes in, annotations out: file formats, and the engines that run a pipeline over many notes.

`readers` give notes one at a time, `engine` finds what is in them, `local` and `spark` share the
work out, `writers` take what was found, `run` puts them together. Every reader goes with every
writer, and every note takes the same way.

The module can be called: ``spacy_cardioner.annotate(notes, model)`` is `api.annotate`. Its
submodules stay reachable by the same name.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from spacy_cardioner.annotate.api import annotate

__all__ = ["annotate"]


class _Callable(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return annotate(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
