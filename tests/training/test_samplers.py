"""Batches hold P classes, K images of each."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hierarchies import CairnError
from training.samplers import ClassSampler


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(1, 9), min_size=4, max_size=30), seed=st.integers(0, 99))
def test_each_batch_has_k_images_of_p_classes_and_each_class_comes_each_epoch(sizes, seed):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    sampler = ClassSampler(labels, batch_size=16, images_per_class=4, seed=seed)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    for batch in batches:
        found, counts = np.unique(labels[batch], return_counts=True)
        assert len(found) <= 4
        assert set(counts) <= {4, 8, 12, 16}
    assert {int(label) for batch in batches for label in labels[batch]} == set(range(len(sizes)))


def test_images_of_a_large_class_are_not_repeated_within_a_draw():
    labels = np.repeat(np.arange(4), 50)
    batch = next(iter(ClassSampler(labels, batch_size=16, images_per_class=4, seed=0)))
    assert len(set(batch)) == 16


def test_the_order_depends_on_seed_and_epoch_alone():
    labels = np.repeat(np.arange(12), 6)
    first, again, other = (ClassSampler(labels, 16, 4, seed=seed) for seed in (1, 1, 2))
    epochs = [list(first), list(first)]
    assert epochs == [list(again), list(again)]
    assert epochs[0] != epochs[1]
    assert epochs[0] != list(other)


def test_impossible_batches_are_refused():
    labels = np.repeat(np.arange(3), 5)
    with pytest.raises(CairnError, match="needs 4 classes, but the training split has 3"):
        ClassSampler(labels, 16, 4, seed=0)
    with pytest.raises(CairnError, match="no multiple"):
        ClassSampler(labels, 10, 4, seed=0)
