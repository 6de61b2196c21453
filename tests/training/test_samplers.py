"""Batches hold P classes, K images of each."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairnhub.core.errors import CairnError
from cairnhub.training.recipes.settings import Batch
from cairnhub.training.samplers import ClassSampler

SIZES = st.lists(st.integers(1, 9), min_size=4, max_size=30).filter(lambda sizes: max(sizes) > 1)


def labelled(sizes, per_superclass: int = 3):
    """Labels (N, 2) of classes with so many images each."""
    fine = np.repeat(np.arange(len(sizes)), sizes)
    return np.column_stack([fine, fine // per_superclass])


@settings(max_examples=50, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 99))
def test_each_batch_has_k_images_of_p_classes_and_each_class_comes_each_epoch(sizes, seed):
    labels = labelled(sizes)
    sampler = ClassSampler(labels, Batch(size=16), seed)
    batches = sampler.batches(0)
    assert len(batches) == len(sampler)
    for batch in batches:
        found, counts = np.unique(labels[batch, 0], return_counts=True)
        assert len(found) == 4
        assert set(counts) == {4}
    assert {int(label) for batch in batches for label in labels[batch, 0]} == set(range(len(sizes)))


@settings(max_examples=50, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 99), most=st.integers(2, 8))
def test_no_class_gives_more_images_in_an_epoch_than_allowed(sizes, seed, most):
    labels = labelled(sizes)
    sampler = ClassSampler(labels, Batch(size=8, images_per_class=2, max_images_per_class=most), seed)
    for epoch in range(2):
        batches = sampler.batches(epoch)
        assert len(batches) == len(sampler)
        drawn = {int(image) for batch in batches for image in batch}
        seen, counts = np.unique(labels[sorted(drawn), 0], return_counts=True)
        assert list(seen) == list(range(len(sizes)))
        visits = np.bincount(labels[np.concatenate(batches), 0]) // 2
        filled_up = visits > -(-np.minimum(sizes, most) // 2)
        assert all(counts[~filled_up] == np.minimum(sizes, most)[~filled_up])


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(2, 6), min_size=7, max_size=30), seed=st.integers(0, 99))
def test_hierarchical_batches_hold_classes_of_two_superclasses(sizes, seed):
    labels = labelled(sizes)
    sampler = ClassSampler(labels, Batch(size=8, images_per_class=2, n_superclasses=2), seed)
    batches = sampler.batches(0)
    assert len(batches) == len(sampler)
    for batch in batches:
        assert len(batch) == 8
        assert len(np.unique(labels[batch, 1])) == 2
        halves = labels[batch[:4], 1], labels[batch[4:], 1]
        assert [len(np.unique(half)) for half in halves] == [1, 1]
    assert {int(label) for batch in batches for label in labels[batch, 0]} == set(range(len(sizes)))


def test_images_of_a_large_class_are_not_repeated_within_a_draw():
    batch = ClassSampler(labelled([50] * 4), Batch(size=16), seed=0).batches(0)[0]
    assert len(set(batch)) == 16


def test_the_order_depends_on_seed_and_epoch_alone():
    labels = labelled([6] * 12)
    first, again, other = (ClassSampler(labels, Batch(size=16), seed) for seed in (1, 1, 2))
    assert first.batches(1) == again.batches(1)
    assert first.batches(0) != first.batches(1)
    assert first.batches(0) != other.batches(0)


@pytest.mark.parametrize(
    ("sizes", "batch", "message"),
    [
        ([5] * 3, Batch(size=16), "needs 4 classes, but the training split has 3"),
        ([5] * 9, Batch(size=10), "no multiple"),
        ([1] * 9, Batch(size=16), "has one image"),
        ([5] * 9, Batch(size=16, n_superclasses=3), "must divide the 4 classes"),
        ([5] * 9, Batch(size=16, n_superclasses=4), "the 3 superclasses"),
    ],
)
def test_impossible_batches_are_refused(sizes, batch, message):
    with pytest.raises(CairnError, match=message):
        ClassSampler(labelled(sizes), batch, seed=0)
