"""Samplers of the papers draw what the papers' code draws, at the published numbers of images and classes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from cairnhub.core.errors import CairnError
from cairnhub.training.recipes.settings import Batch
from cairnhub.training.samplers import make_sampler
from tests.training.published_counts import COUNTS, drawn, published_labels

WITHOUT_REPEATS = {"sampler": "without_repeats", "size": 256}
SUPER_PAIRS = {"sampler": "super_pairs", "size": 256, "n_superclasses": 2, "n_batches_per_pair": 5}


@pytest.fixture(scope="module", params=COUNTS)
def published(request):
    return request.param, published_labels(request.param)


def test_labels_have_the_published_counts(published):
    name, labels = published
    counts = COUNTS[name]
    assert len(labels) == counts.n_images
    assert len(np.unique(labels[:, 0])) == counts.n_classes
    assert len(np.unique(labels[:, 1])) == counts.n_superclasses


@pytest.mark.parametrize(
    ("name", "batch", "expected"),
    [
        ("inat2018", WITHOUT_REPEATS, {"n_batches": 1224, "share_seen": 0.96, "share_of_largest": 0.44}),
        ("cub", WITHOUT_REPEATS, {"n_batches": 14}),
        ("gldv2", WITHOUT_REPEATS | {"max_images_per_class": 8}, {"n_batches": 1865}),
        ("sop", SUPER_PAIRS, {"n_batches": 330}),
        ("sop", SUPER_PAIRS | {"min_class_size": 4}, {"n_batches": 330}),
        ("sop", SUPER_PAIRS | {"size": 128, "n_batches_per_pair": 10}, {"n_batches": 660}),
        ("sop", {"size": 256, "n_superclasses": 2}, {"n_batches": 180}),
        ("cub", {"size": 256}, {"n_batches": 30}),
        ("inat2018", {"size": 256}, {"n_batches": 1246}),
        ("gldv2", {"size": 256, "max_images_per_class": 8}, {"n_batches": 2265}),
        ("gldv2", {"sampler": "random_classes", "size": 256, "n_batches": 1000}, {"n_batches": 1000}),
    ],
    ids=str,
)
def test_an_epoch_draws_what_is_known_of_the_papers(name, batch, expected):
    labels = published_labels(name)
    sampler = make_sampler(labels, Batch.model_validate(batch))
    found = drawn(labels, sampler.batches(0))
    assert found.n_batches == len(sampler)
    for key, value in expected.items():
        assert getattr(found, key) == pytest.approx(value, rel=0.01), key


def labelled(sizes, per_superclass=4):
    fine = np.repeat(np.arange(len(sizes)), sizes)
    return np.random.default_rng(0).permutation(np.column_stack([fine, fine // per_superclass]))


SIZES = st.lists(st.integers(1, 30), min_size=8, max_size=30).filter(
    lambda sizes: sum(n > 1 for n in sizes) > 3
)


@settings(max_examples=50, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 99), most=st.sampled_from([None, 2, 5, 8]))
def test_without_repeats_is_the_greedy_walk_over_classes(sizes, seed, most):
    """Each batch walks over the classes in their order and takes K of the first P that still have K."""
    labels = labelled(sizes)
    batch = Batch(sampler="without_repeats", size=8, images_per_class=2, max_images_per_class=most)
    sampler = make_sampler(labels, batch, seed)
    order = np.random.default_rng([seed, 0]).permutation(np.flatnonzero(sampler.n_visits))
    left = {int(label): min(sizes[label], most or 99) for label in order}
    expected = []
    while len(walked := [label for label, n in left.items() if n >= 2][:4]) == 4:
        expected.append(sorted(walked))
        left = {label: n - 2 if label in walked else n for label, n in left.items()}
    batches = sampler.batches(0)
    assert sorted(sorted(set(labels[rows, 0].tolist())) for rows in batches) == sorted(expected)
    assert len(sampler) == len(expected)
    rows = np.concatenate(batches)
    assert len(np.unique(rows)) == len(rows)
    assert all(np.unique(labels[batch, 0], return_counts=True)[1].tolist() == [2] * 4 for batch in batches)


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(1, 9), min_size=16, max_size=24), least=st.sampled_from([1, 4]))
def test_pairs_of_superclasses_come_equally_often_with_half_a_batch_each(sizes, least):
    sizes = [*sizes, 5, 5]  # some pair has enough classes
    labels = labelled(sizes + [6] * 16)
    batch = Batch(
        sampler="super_pairs",
        size=8,
        images_per_class=2,
        n_superclasses=2,
        n_batches_per_pair=3,
        min_class_size=least,
    )
    sampler = make_sampler(labels, batch)
    batches = sampler.batches(1)
    pairs = [tuple(np.unique(labels[rows, 1])) for rows in batches]
    assert set(np.unique(pairs, axis=0, return_counts=True)[1]) == {3}
    for rows in batches:
        assert np.unique(labels[rows, 1], return_counts=True)[1].tolist() == [4, 4]
        found, counts = np.unique(labels[rows, 0], return_counts=True)
        assert counts.tolist() == [2] * 4
        assert np.bincount(labels[:, 0])[found].min() >= least


def test_images_drawn_of_a_class_are_uniform_and_distinct_where_it_has_enough():
    labels = labelled([3, 5, 40])
    images = make_sampler(labels, Batch(sampler="random_classes", size=4, n_batches=1)).images
    rng = np.random.default_rng(0)
    drawn_of = images.drawn(np.repeat([0, 1, 2], 2000), 4, rng).reshape(3, 2000, 4)
    assert all(len(set(row)) == 4 for row in drawn_of[1:].reshape(-1, 4).tolist())
    for label, size in enumerate([3, 5, 40]):
        rows, counts = np.unique(drawn_of[label], return_counts=True)
        assert set(rows) == set(np.flatnonzero(labels[:, 0] == label))
        assert np.abs(counts / counts.mean() - 1).max() < 0.25
        assert len(rows) == size


KINDS = [
    {"sampler": "classes", "size": 8},
    {"sampler": "without_repeats", "size": 8},
    {"sampler": "super_pairs", "size": 8, "n_superclasses": 2, "n_batches_per_pair": 2},
    {"sampler": "random_classes", "size": 8, "n_batches": 7},
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind["sampler"])
def test_every_sampler_goes_into_a_loader_by_seed_and_epoch(kind):
    labels = labelled([6, 9, 4, 8, 12, 5, 7, 4])
    batch = Batch.model_validate(kind)
    sampler = make_sampler(labels, batch, seed=3)
    images = torch.utils.data.TensorDataset(torch.arange(len(labels)))
    loader = DataLoader(images, batch_sampler=sampler)
    epochs = []
    for epoch in (0, 1, 0):
        sampler.set_epoch(epoch)
        assert len(loader) == len(sampler)
        epochs.append([rows.tolist() for (rows,) in loader])
        assert epochs[-1] == sampler.batches(epoch)
        assert {len(rows) for rows in epochs[-1]} == {8}
    assert epochs[0] == epochs[2] != epochs[1]
    assert make_sampler(labels, batch, seed=4).batches(0) != epochs[0]
    assert make_sampler(labels, batch, seed=3).batches(0) == epochs[0]


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[1], KINDS[3]], ids=lambda kind: kind["sampler"])
def test_plain_label_arrays_and_lists_will_do_and_what_has_no_label_is_not_drawn(kind):
    fine = labelled([6, 9, 4, 8])[:, 0]
    batch = Batch.model_validate(kind)
    expected = make_sampler(fine[:, None], batch).batches(0)
    assert make_sampler(fine, batch).batches(0) == expected
    assert make_sampler(fine.tolist(), batch).batches(0) == expected
    unlabelled = np.where(fine == 2, -1, fine)
    rows = np.concatenate(make_sampler(unlabelled, batch).batches(0))
    assert set(unlabelled[rows]) == {0, 1, 3}


@pytest.mark.parametrize(
    ("sizes", "batch", "message"),
    [
        (
            [5, 3, 3, 3],
            WITHOUT_REPEATS | {"size": 16},
            "needs 4 classes, but the training split has 1 with 4 images",
        ),
        ([5] * 8, SUPER_PAIRS | {"size": 16, "n_superclasses": 3}, "must divide the 4 classes of a batch"),
        ([5] * 8, SUPER_PAIRS | {"size": 64}, "not exceed the 0 superclasses .* that have 8 classes"),
        ([5] * 3, {"sampler": "random_classes", "size": 16, "n_batches": 3}, "has 3: lower batch.size"),
    ],
)
def test_impossible_batches_are_refused(sizes, batch, message):
    with pytest.raises(CairnError, match=message):
        make_sampler(labelled(sizes), Batch.model_validate(batch))


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({"sampler": "super_pairs", "size": 8}, "sampler super_pairs needs n_superclasses"),
        ({"sampler": "random_classes", "size": 8}, "sampler random_classes needs n_batches"),
        ({"size": 8, "n_batches": 3}, "n_batches has no use for sampler classes"),
        (WITHOUT_REPEATS | {"n_superclasses": 2}, "n_superclasses has no use for sampler without_repeats"),
    ],
)
def test_keys_go_with_the_sampler_that_takes_them(batch, message):
    with pytest.raises(ValueError, match=message):
        Batch.model_validate(batch)
