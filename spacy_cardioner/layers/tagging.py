"""The model of `cardioner_ner`: a tagging head for each label over shared features."""

# No postponed annotations: spaCy checks configs against the types of registered functions.
from collections.abc import Callable
from typing import Any, Literal

from spacy.tokens import Doc
from thinc.api import Linear, Maxout, Model, Ops, chain, list2ragged, with_array, zero_init
from thinc.types import Floats2d, FloatsXd, Ragged, Shape
from thinc.util import get_width

from spacy_cardioner.errors import CardionerError
from spacy_cardioner.layers import Tok2Vec
from spacy_cardioner.layers.crf import FORBIDDEN, INSIDE, N_TAGS, OUTSIDE, Floats, Ints

Transitions = Literal["shared", "token"]


def create_multihead_tagger(
    tok2vec: Tok2Vec,
    decoder: Literal["softmax", "crf"],
    hidden_width: int,
    nO: int | None = None,
    init_W: Callable[[Ops, Shape], FloatsXd] | None = None,
    token_transitions: bool | None = None,
) -> Model[list[Doc], Floats]:
    """Registered function: features, a hidden layer, and the scores of all heads.

    tok2vec (Tok2Vec): The features, usually a listener.
    decoder (str): "crf" scores and learns whole sequences, with a score for each pair of tags;
        "softmax" scores and learns each tag by itself. Both decode the best valid sequence.
    hidden_width (int): Width of the hidden layer that all heads share, or 0 for none.
    init_W (Optional[Callable]): Initial weights of the heads. None for zeros, which give a
        pretrained encoder no gradient at first, so that it learns far more slowly.
    token_transitions (Optional[bool]): With "crf", score each pair of tags by the features of its
        token. Otherwise a pair has the same score everywhere: features can tell that a word is
        outside entities, but not that it ends one.
    RETURNS (Model[List[Doc], Floats]): The model. `crf` describes its output.
    RAISES (CardionerError): "softmax" with `token_transitions`.
    """
    if token_transitions and decoder == "softmax":
        raise CardionerError('token_transitions = true needs decoder = "crf"')
    width = tok2vec.maybe_get_dim("nO")
    heads = bio_heads(
        nO,
        hidden_width or width,
        transitions=None if decoder == "softmax" else "token" if token_transitions else "shared",
        init_W=init_W or zero_init,
    )
    model: Model[list[Doc], Floats]
    if hidden_width:
        hidden = Maxout(hidden_width, width, nP=2, normalize=True, dropout=0.0)
        model = chain(tok2vec, with_array(hidden), list2ragged(), heads)
    else:
        model = chain(tok2vec, list2ragged(), heads)
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("output_layer", heads)
    model.attrs["decoder"] = decoder
    return model


def bio_heads(
    nO: int | None = None,
    nI: int | None = None,
    *,
    transitions: Transitions | None,
    init_W: Callable[[Ops, Shape], FloatsXd] = zero_init,
) -> Model[Ragged, Floats]:
    """Score the steps that `crf` describes, for each head and token.

    A document starts as if it followed the tag O.

    transitions (Optional[str]): The score of a step. None: the score of its tag, linear in the
        features of the token. "shared": plus a score of the transition, the same for all tokens.
        "token": a score of the transition that is linear in the features of the token, plus one
        that is the same for all tokens.
    """
    return Model(
        "bio_heads",
        _forward,
        init=_init,
        layers=[Linear(nI=nI, init_W=init_W)],
        dims={"nO": nO, "nI": nI},
        params={"T": None} if transitions else {},
        attrs={"rows": N_TAGS**2 if transitions == "token" else N_TAGS},
    )


def _init(model: Model[Ragged, Floats], X: Ragged | None = None, Y: Floats2d | None = None) -> None:
    if Y is not None:
        model.set_dim("nO", get_width(Y))
    linear = model.layers[0]
    linear.set_dim("nO", model.attrs["rows"] * model.get_dim("nO"))
    linear.initialize(X=None if X is None else X.dataXd)
    model.set_dim("nI", linear.get_dim("nI"))
    if model.has_param("T") is None:
        model.set_param("T", model.ops.alloc3f(N_TAGS, N_TAGS, model.get_dim("nO")))


def _forward(
    model: Model[Ragged, Floats], X: Ragged, is_train: bool
) -> tuple[Floats, Callable[[Floats], Ragged]]:
    flat, backprop_linear = model.layers[0](X.dataXd, is_train)
    # By previous tag (or once, for any), tag, head and token.
    n_before = model.attrs["rows"] // N_TAGS
    scores = flat.reshape(-1, model.get_dim("nO"), n_before, N_TAGS).transpose(2, 3, 1, 0)
    # With tokens as the last axis, scans over tokens are several times as fast.
    steps: Any = model.ops.as_contig(scores + _transitions(model)[..., None])
    # The first token of each document that is not empty.
    starts: Ints = (X.lengths.cumsum() - X.lengths)[X.lengths > 0]
    steps[..., starts] = steps[OUTSIDE][..., starts]

    def backprop(d_steps: Floats) -> Ragged:
        d_steps = d_steps.copy()
        d_starts = d_steps[..., starts].sum(0)
        d_steps[..., starts] = 0
        d_steps[OUTSIDE][..., starts] = d_starts
        d_steps[OUTSIDE, INSIDE] = 0
        if model.has_param("T"):
            d_shared: Any = d_steps.sum(-1)
            model.inc_grad("T", d_shared)
        d_scores: Any = d_steps if n_before > 1 else d_steps.sum(0, keepdims=True)
        d_flat = model.ops.as_contig(d_scores.transpose(3, 2, 0, 1)).reshape(flat.shape)
        return Ragged(backprop_linear(d_flat), X.lengths)

    return steps, backprop


def _transitions(model: Model[Ragged, Floats]) -> Floats:
    """The scores of the transitions, by previous tag, tag and head."""
    if model.has_param("T"):
        transitions: Any = model.get_param("T").copy()
    else:
        transitions = model.ops.xp.zeros((N_TAGS, N_TAGS, model.get_dim("nO")), dtype="f")
    transitions[OUTSIDE, INSIDE] = FORBIDDEN
    return transitions
