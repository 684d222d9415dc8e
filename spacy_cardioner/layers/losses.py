"""Two ways to learn from gold tags: token by token, or over whole sequences.

Arrays are as described in `crf`. Only tokens whose gold tags are known are learned from.

steps (Floats): The scores.
tags (Ints): The gold tags, by head and token.
known (Floats): 1.0 where the gold tag is known, otherwise 0.0, by head and token.
weights (Floats): Class weights, by head and gold tag. Their effect depends on the loss.
RETURNS (tuple[float, Floats]): The loss, and its gradient with respect to the steps.
"""

from __future__ import annotations

from thinc.util import get_array_module

from spacy_cardioner.layers.crf import BEGIN, N_TAGS, Floats, Ints, log_sum, posterior


def softmax_loss(steps: Floats, tags: Ints, known: Floats, weights: Floats) -> tuple[float, Floats]:
    """Cross-entropy of each tag by itself, whatever the tag before it.

    The loss of a token is multiplied by the weight of its gold tag.
    """
    xp = get_array_module(steps)
    scores = steps[BEGIN]  # after B any tag may follow
    log_probs = scores - log_sum(scores, 0)
    target = _one_hot(tags, steps)
    counts = known * xp.take_along_axis(weights, tags, axis=1)
    d_steps = xp.zeros_like(steps)
    d_steps[BEGIN] = (xp.exp(log_probs) - target) * counts
    return -float((target * log_probs * counts).sum()), d_steps


def crf_loss(steps: Floats, tags: Ints, known: Floats, weights: Floats) -> tuple[float, Floats]:
    """Negative log-likelihood of the whole sequence of tags of each document.

    A weight multiplies the probability of the other tags of a token during training. This demands a
    margin of log(weight) from the gold tag, and remains the loss of a probability model
    (softmax-margin, Gimpel and Smith 2010).
    """
    xp = get_array_module(steps)
    gold = _one_hot(tags, steps)
    margin = xp.log(xp.take_along_axis(weights, tags, axis=1)) * (1 - gold)
    log_joint, log_next = posterior(steps + margin)
    target = xp.roll(gold, 1, axis=-1)[:, None] * gold[None]
    return -float((target * log_next * known).sum()), (xp.exp(log_joint) - target) * known


def _one_hot(tags: Ints, like: Floats) -> Floats:
    xp = get_array_module(tags)
    return (xp.arange(N_TAGS)[:, None, None] == tags).astype(like.dtype)
