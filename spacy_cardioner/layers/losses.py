"""The two ways to learn from gold tags: token by token, or over whole sequences.

Both take and give arrays as described in `crf`, and learn only where the gold tags are known:

steps (Floats): The scores.
tags (Ints): The gold tags, by head and token.
known (Floats): 1.0 where the gold tag is known, by head and token; otherwise 0.0.
weights (Floats): Class weights, by head and gold tag; what they do depends on the loss.
smoothing (float): This share of each target goes to all tags that may follow the tag before.
RETURNS (tuple[float, Floats]): The loss, and its gradient with respect to the steps.
"""

from __future__ import annotations

from thinc.util import get_array_module

from spacy_cardioner.layers.crf import BEGIN, FORBIDDEN, N_TAGS, Floats, Ints, log_sum, posterior


def softmax_loss(
    steps: Floats, tags: Ints, known: Floats, weights: Floats, smoothing: float = 0.0
) -> tuple[float, Floats]:
    """Cross-entropy of each tag on its own, whatever the tag before it.

    A token counts as much as the weight of its gold tag says.
    """
    xp = get_array_module(steps)
    scores = steps[BEGIN]  # after B every tag may follow
    log_probs = scores - log_sum(scores, 0)
    target = _soften(_one_hot(tags, steps), scores, 0, smoothing)
    counts = known * xp.take_along_axis(weights, tags, axis=1)
    d_steps = xp.zeros_like(steps)
    d_steps[BEGIN] = (xp.exp(log_probs) - target) * counts
    return -float((target * log_probs * counts).sum()), d_steps


def crf_loss(
    steps: Floats, tags: Ints, known: Floats, weights: Floats, smoothing: float = 0.0
) -> tuple[float, Floats]:
    """Negative log-likelihood of the whole sequence of tags of each document.

    A weight says how many times as likely as they are the other tags of a token are taken to be
    while learning, which demands a margin of log(weight) from the gold tag and still is the loss
    of a probability model (softmax-margin, Gimpel and Smith 2010).
    """
    xp = get_array_module(steps)
    gold = _one_hot(tags, steps)
    before = xp.roll(gold, 1, axis=-1)[:, None]
    margin = xp.log(xp.take_along_axis(weights, tags, axis=1)) * (1 - gold)
    log_joint, log_next = posterior(steps + margin)
    target = before * _soften(gold[None], steps, 1, smoothing)
    hard = before * gold[None]
    loss = -(hard * log_next + (target - hard) * steps) * known
    return float(loss.sum()), (xp.exp(log_joint) - target) * known


def _one_hot(tags: Ints, like: Floats) -> Floats:
    xp = get_array_module(tags)
    return (xp.arange(N_TAGS)[:, None, None] == tags).astype(like.dtype)


def _soften(target: Floats, scores: Floats, axis: int, smoothing: float) -> Floats:
    """Spread a share of the target evenly over the tags on `axis` that are not forbidden."""
    if not smoothing:
        return target
    allowed = (scores > FORBIDDEN / 2).astype(target.dtype)
    return (1 - smoothing) * target + smoothing * allowed / allowed.sum(axis, keepdims=True)
