"""The chains of tags, against every possible sequence written out."""

from __future__ import annotations

from itertools import product

import numpy
import pytest
from numpy.testing import assert_allclose
from thinc.api import Ragged

from spacy_cardioner.layers.crf import (
    BEGIN,
    FORBIDDEN,
    INSIDE,
    N_TAGS,
    OUTSIDE,
    best_tags,
    posterior,
)
from spacy_cardioner.layers.losses import crf_loss, softmax_loss
from spacy_cardioner.layers.tagging import bio_heads
from spacy_cardioner.pipeline.ner.decode import decode

HEADS = 2
LABELS = ("ENFERMEDAD", "FARMACO")
LENGTHS = [3, 1, 0, 4, 2]
N_TOKENS = sum(LENGTHS)
LOSSES = {"crf": crf_loss, "softmax": softmax_loss}


def slices(lengths=LENGTHS):
    ends = numpy.cumsum(lengths)
    return [slice(int(end) - n, int(end)) for n, end in zip(lengths, ends, strict=True)]


def random_steps(lengths=LENGTHS, seed=0, scale=2.0):
    """Scores of a batch: a part for ending and a part for starting at each document's border."""
    rng = numpy.random.default_rng(seed)
    steps = rng.normal(size=(N_TAGS, N_TAGS, HEADS, sum(lengths))) * scale
    starts = [part.start for part in slices(lengths) if part.start < part.stop]
    ends = rng.normal(size=(N_TAGS, 1, HEADS, len(starts))) * scale
    steps[..., starts] = steps[OUTSIDE][..., starts] + ends
    steps[OUTSIDE, INSIDE] = FORBIDDEN
    steps[:, INSIDE, :, starts] = FORBIDDEN
    return steps


def random_tags(lengths=LENGTHS, seed=0):
    """Tags that are one of the valid sequences of each document."""
    rng = numpy.random.default_rng(seed)
    tags = numpy.full((HEADS, sum(lengths)), OUTSIDE)
    for part in slices(lengths):
        for head in range(HEADS):
            before = OUTSIDE
            for token in range(part.start, part.stop):
                before = tags[head, token] = rng.choice(N_TAGS if before != OUTSIDE else [0, 2])
    return tags


def sequences(steps, part, head):
    """Every valid sequence of one document, and its probability. Log of their sum last."""
    n_tokens = part.stop - part.start
    after = part.stop % steps.shape[-1]
    scored = {}
    for tags in product(range(N_TAGS), repeat=n_tokens):
        score = steps[BEGIN, tags[0], head, part.start] + steps[tags[-1], BEGIN, head, after]
        for k in range(1, n_tokens):
            score += steps[tags[k - 1], tags[k], head, part.start + k]
        if score > FORBIDDEN / 2:
            scored[tags] = score
    total = numpy.logaddexp.reduce(list(scored.values()))
    return {tags: numpy.exp(score - total) for tags, score in scored.items()}


def documents(lengths=LENGTHS):
    return [part for part in slices(lengths) if part.start < part.stop]


@pytest.mark.parametrize("seed", range(5))
def test_best_tags_are_the_most_probable_sequence(seed):
    steps = random_steps(seed=seed)
    tags = best_tags(steps)
    for part, head in product(documents(), range(HEADS)):
        found = sequences(steps, part, head)
        assert tuple(tags[head, part]) == max(found, key=found.get)


@pytest.mark.parametrize("seed", range(5))
def test_posterior_is_the_share_of_all_sequences(seed):
    steps = random_steps(seed=seed)
    log_joint, log_next = posterior(steps)
    for part, head in product(documents(), range(HEADS)):
        found = sequences(steps, part, head)
        for token in range(part.start, part.stop):
            single, pair = numpy.zeros(N_TAGS), numpy.zeros((N_TAGS, N_TAGS))
            for tags, probability in found.items():
                k = token - part.start
                single[tags[k]] += probability
                if k:
                    pair[tags[k - 1], tags[k]] += probability
            joint = numpy.exp(log_joint[:, :, head, token])
            assert_allclose(joint.sum(0), single, atol=1e-12)
            if token > part.start:
                assert_allclose(joint, pair, atol=1e-12)
                assert_allclose(
                    numpy.exp(log_next[:, :, head, token]) * pair.sum(1)[:, None], pair, atol=1e-12
                )


@pytest.mark.parametrize("seed", range(5))
def test_crf_loss_is_the_log_probability_of_the_gold_sequences(seed):
    steps, tags = random_steps(seed=seed), random_tags(seed=seed)
    known = numpy.ones(tags.shape)
    loss, _ = crf_loss(steps, tags, known, numpy.ones((HEADS, N_TAGS)))
    expected = 0.0
    for part, head in product(documents(), range(HEADS)):
        expected -= numpy.log(sequences(steps, part, head)[tuple(tags[head, part])])
    assert loss == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_an_entity_is_as_probable_as_all_sequences_that_have_it(seed):
    steps = random_steps(seed=seed)
    decoded = decode(steps, LENGTHS, LABELS)
    assert sum(len(entities) for entities, _ in decoded) > 2
    for part, (entities, alternatives) in zip(slices(), decoded, strict=True):
        assert alternatives == []
        for found in entities:
            start, end, head = found.start, found.end, LABELS.index(found.label)
            entity = (BEGIN, *[INSIDE] * (end - start - 1))
            expected = sum(
                share
                for tags, share in sequences(steps, part, head).items()
                if tags[start:end] == entity and tags[end : end + 1] != (INSIDE,)
            )
            assert found.score == pytest.approx(expected)


@pytest.mark.parametrize("floor", [0.01, 0.2])
@pytest.mark.parametrize("seed", range(5))
def test_alternatives_are_all_spans_that_are_probable(seed, floor):
    steps = random_steps(seed=seed)
    decoded = decode(steps, LENGTHS, LABELS, alternatives=floor)
    plain = decode(steps, LENGTHS, LABELS)
    assert [each.entities for each in decoded] == [each.entities for each in plain]
    for part, (entities, alternatives) in zip(slices(), decoded, strict=True):
        probable = {}
        for head in range(HEADS):
            if part.start < part.stop:
                for tags, share in sequences(steps, part, head).items():
                    for start in (i for i, tag in enumerate(tags) if tag == BEGIN):
                        end = start + 1
                        while end < len(tags) and tags[end] == INSIDE:
                            end += 1
                        border = start, end, LABELS[head]
                        probable[border] = probable.get(border, 0.0) + share
        expected = {border: share for border, share in probable.items() if share >= floor}
        found = {entity[:3]: entity.score for entity in alternatives}
        assert found == pytest.approx(expected)
        assert len(found) == len(alternatives)
        for entity in entities:
            assert found.get(entity[:3], entity.score) == pytest.approx(entity.score)


def test_documents_know_nothing_of_each_other():
    steps, tags = random_steps(), random_tags()
    weights = numpy.array([[2.0, 3.0, 0.5]] * HEADS)
    known = numpy.ones(tags.shape)
    loss, d_steps = crf_loss(steps, tags, known, weights)
    alone = 0.0
    for part in documents():
        own = steps[..., part].copy()
        own[..., 0] = own[:1, ..., 0] + steps[:, :1, :, part.stop % N_TOKENS]
        part_loss, d_own = crf_loss(own, tags[:, part], known[:, part], weights)
        alone += part_loss
        assert_allclose(d_own.sum(0), d_steps[..., part].sum(0), atol=1e-12)
    assert loss == pytest.approx(alone)


@pytest.mark.parametrize("decoder", LOSSES)
@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], [4.0, 2.0, 0.5]])
def test_gradients_of_the_losses(decoder, weights):
    """Against small changes of each score of a tag, and of each score of a transition."""
    steps, tags = random_steps(), random_tags()
    table = numpy.array([weights] * HEADS)
    known = numpy.ones(tags.shape)
    known[0, slices()[3]] = 0.0
    starts = [part.start for part in documents()]
    inside = [token for token in range(N_TOKENS) if token not in starts]
    _, d_steps = LOSSES[decoder](steps, tags, known, table)

    def check(gradient, changed):
        change = numpy.zeros(steps.shape)
        change[changed] = 1e-5
        above, _ = LOSSES[decoder](steps + change, tags, known, table)
        below, _ = LOSSES[decoder](steps - change, tags, known, table)
        assert gradient == pytest.approx((above - below) / 2e-5, abs=1e-6)

    for tag, head, token in numpy.ndindex(N_TAGS, HEADS, N_TOKENS):
        check(d_steps[:, tag, head, token].sum(), numpy.s_[:, tag, head, token])
    for before, tag, head in numpy.ndindex(N_TAGS, N_TAGS, HEADS):
        changed = (before, tag, head, inside)
        check(d_steps[changed].sum(), changed)


@pytest.mark.parametrize("transitions", [None, "shared", "token"])
def test_gradients_of_the_heads(transitions):
    """The steps are linear in what goes in, so that the gradient tells any change exactly."""
    rng = numpy.random.default_rng(0)
    model = bio_heads(HEADS, 4, transitions=transitions)
    model.initialize()
    linear, lengths = model.layers[0], numpy.array(LENGTHS)
    X = rng.normal(size=(N_TOKENS, 4)).astype("f")
    linear.set_param("W", rng.normal(size=linear.get_param("W").shape).astype("f"))
    steps, backprop = model(Ragged(X, lengths), is_train=True)
    d_steps = rng.normal(size=steps.shape).astype("f")
    d_steps[steps < FORBIDDEN / 2] = 0.0  # as every loss leaves it
    d_X = backprop(d_steps).dataXd

    def check(gradient, change, changed):
        difference = (changed - steps) * d_steps
        assert difference.sum() == pytest.approx((gradient * change).sum(), rel=1e-3)

    change = rng.normal(size=X.shape).astype("f")
    check(d_X, change, model.predict(Ragged(X + change, lengths)))
    parameters = [(linear, "W"), (linear, "b")] + [(model, "T")] * (transitions is not None)
    for node, name in parameters:
        before = node.get_param(name).copy()
        change = rng.normal(size=before.shape).astype("f")
        node.set_param(name, before + change)
        check(node.get_grad(name), change, model.predict(Ragged(X, lengths)))
        node.set_param(name, before)


def test_only_weights_of_their_own_let_a_token_score_a_step():
    """Whether the tag before changes what a token's features say of its own tag."""
    rng = numpy.random.default_rng(1)
    X = Ragged(rng.normal(size=(4, 4)).astype("f"), numpy.array([4]))
    for transitions, own in ((None, False), ("shared", False), ("token", True)):
        model = bio_heads(1, 4, transitions=transitions)
        model.initialize()
        linear = model.layers[0]
        linear.set_param("W", rng.normal(size=linear.get_param("W").shape).astype("f"))
        steps = model.predict(X)[:, :, 0]
        # How much likelier O is than B; after B as against after O.
        ends = steps[:, OUTSIDE] - steps[:, BEGIN]
        differences = (ends[BEGIN] - ends[OUTSIDE])[1:]
        assert numpy.allclose(differences, differences[0], atol=1e-5) != own, transitions
        assert_allclose(steps[:, :, 0], numpy.broadcast_to(steps[OUTSIDE, :, 0], (N_TAGS, N_TAGS)))


@pytest.mark.parametrize("decoder", LOSSES)
def test_nothing_is_learned_where_nothing_is_known(decoder):
    steps, tags = random_steps(), random_tags()
    weights = numpy.ones((HEADS, N_TAGS))
    known = numpy.ones(tags.shape)
    all_loss, _ = LOSSES[decoder](steps, tags, known, weights)
    known[1] = 0.0
    loss, d_steps = LOSSES[decoder](steps, tags, known, weights)
    assert 0 < loss < all_loss
    assert not d_steps[:, :, 1].any()
    assert d_steps[:, :, 0].any()


def test_a_long_note_loses_nothing_to_rounding():
    n_tokens = 3000
    steps = random_steps([n_tokens], scale=5.0)
    exact, _ = posterior(steps)
    before = numpy.full((N_TAGS, HEADS), -numpy.log(N_TAGS))
    joint = []
    for token in range(n_tokens):  # the loop that the scan replaces, without what follows
        scores = before[:, None] + steps[..., token]
        before = numpy.logaddexp.reduce(scores, 0)
        joint.append(scores - numpy.logaddexp.reduce(before, 0))
        before -= numpy.logaddexp.reduce(before, 0)
    last = numpy.exp(joint[-1] + steps[:, 0, :, 0][None])
    assert_allclose(numpy.exp(exact[..., -1]), last / last.sum((0, 1)), atol=1e-9)
    rounded, _ = posterior(steps.astype("f"))
    assert_allclose(numpy.exp(rounded), numpy.exp(exact), atol=1e-4)


@pytest.mark.parametrize("scale", [0.0, 1.0, 1000.0])
def test_every_path_is_valid(scale):
    lengths = [300, 1, 2, 500]
    tags = best_tags(random_steps(lengths, scale=scale).astype("f"))
    for part, head in product(slices(lengths), range(HEADS)):
        before = OUTSIDE
        for tag in tags[head, part]:
            assert (before, tag) != (OUTSIDE, INSIDE)
            before = tag


def test_weights_ask_for_more_where_the_gold_tag_weighs_more():
    steps, tags = random_steps(), random_tags()
    known = numpy.ones(tags.shape)
    weights = numpy.ones((HEADS, N_TAGS))
    for decoder in LOSSES.values():
        even, _ = decoder(steps, tags, known, weights)
        heavy, _ = decoder(steps, tags, known, weights * 2)
        assert heavy > even
