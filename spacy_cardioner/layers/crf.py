"""Exact linear-chain models over the tags B, I and O, for a whole batch and all heads at once.

The scores of a batch are one array of *steps*: ``steps[i, j, h, t]`` is the score (a log
potential) of tag ``j`` at token ``t`` after tag ``i`` at the previous token, in head ``h``.

The documents of a batch form a ring: the step into the first token of a document comes from the
last token of the previous document, and the first document follows the last. The score of such a
step is a part for ``i`` (ending there) plus a part for ``j`` (starting there). Therefore documents
do not influence each other, and neither padding nor masks are needed.

Combining steps is associative, for sums and for maxima. A prefix scan over pairs of steps takes
log2(tokens) rounds of array operations instead of a loop over tokens, also for long notes and on a
GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
from numpy.typing import NDArray
from thinc.util import get_array_module, to_numpy

# Arrays of numpy, or of cupy on a GPU. (thinc's types allow neither ellipsis nor broadcasting.)
Floats = NDArray[numpy.floating[Any]]
Ints = NDArray[numpy.integer[Any]]

BEGIN, INSIDE, OUTSIDE = range(3)
N_TAGS = 3

# Instead of minus infinity, which gives NaN when it is subtracted from itself.
FORBIDDEN = -1e4

Reduce = Callable[[Floats, int], Floats]


def posterior(steps: Floats) -> tuple[Floats, Floats]:
    """Compute the probabilities of all steps (the forward-backward algorithm).

    RETURNS (tuple[Floats, Floats]): log P(tag before, tag) and log P(tag | tag before), as steps.
    """
    xp = get_array_module(steps)
    before = xp.roll(_scan(steps, log_sum), 1, axis=-1)
    onward = steps + _scan_back(steps, log_sum)
    total = log_sum(onward, 1)
    log_next = onward - total[:, None]
    log_before = before + total
    log_before -= log_sum(log_before, 0)
    return log_before[:, None] + log_next, log_next


def best_tags(steps: Floats) -> Ints:
    """Find the best sequence of tags of each head (the Viterbi algorithm).

    RETURNS (Ints): The tags by head and token, in main memory.
    """
    xp = get_array_module(steps)
    best = _scan(steps, lambda scores, axis: scores.max(axis))
    arrivals = (xp.roll(best, 1, axis=-1)[:, None] + steps).argmax(axis=0)
    last = (best[..., -1] + steps[:, 0, :, 0]).argmax(axis=0)
    return _trace_back(to_numpy(arrivals), to_numpy(last))


def log_sum(scores: Floats, axis: int) -> Floats:
    """The logarithm of a sum of probabilities, given their logarithms."""
    xp = get_array_module(scores)
    highest = scores.max(axis)
    shifted = scores - xp.expand_dims(highest, axis)
    return highest + xp.log(xp.exp(shifted).sum(axis))


def _scan(steps: Floats, reduce: Reduce) -> Floats:
    """Reduce over all paths to each tag of each token.

    The scores of a token are shifted so that the highest is 0: only their differences matter, and
    sums over a long text would lose them to rounding.

    RETURNS (Floats): Scores by tag, head and token.
    """
    n_tokens = steps.shape[-1]
    if n_tokens == 1:
        return steps[0]
    first, second = steps[..., 0 : n_tokens - 1 : 2], steps[..., 1::2]
    pairs = reduce(first[:, :, None] + second[None], 1)
    odd = _scan(pairs - pairs.max((0, 1)), reduce)
    even = reduce(odd[:, None, :, : (n_tokens - 1) // 2] + steps[..., 2::2], 0)
    scores = get_array_module(steps).empty_like(steps[0])
    scores[..., 0] = steps[0, ..., 0]
    scores[..., 1::2] = odd
    scores[..., 2::2] = even - even.max(0)
    return scores


def _scan_back(steps: Floats, reduce: Reduce) -> Floats:
    """Reduce over all paths from each tag of each token to the end, as `_scan` does."""
    xp = get_array_module(steps)
    out_of = xp.roll(steps, -1, axis=-1)
    return _scan(out_of.swapaxes(0, 1)[..., ::-1], reduce)[..., ::-1]


def _trace_back(arrivals: Ints, last: Ints) -> Ints:
    """Follow the best previous tags (by tag, head and token) from the last tag of each head."""
    _, n_heads, n_tokens = arrivals.shape
    tags = numpy.empty((n_heads, n_tokens), dtype="i")
    for head in range(n_heads):
        # Reading single bytes is faster than reading elements of arrays or nested lists.
        came_from = arrivals[:, head].T.astype("u1").tobytes()
        tag = int(last[head])
        path = bytearray(n_tokens)
        for token in range(n_tokens - 1, -1, -1):
            path[token] = tag
            tag = came_from[N_TAGS * token + tag]
        tags[head] = numpy.frombuffer(path, dtype="u1")
    return tags
