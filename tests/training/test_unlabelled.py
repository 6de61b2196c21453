"""Images without a label (-1) are no class: they are left out of training, and counted."""

import numpy as np
import pytest

from cairnhub.core.errors import BadInput
from cairnhub.training.data import labelled
from cairnhub.training.loop import Training, train
from cairnhub.training.recipes.settings import Batch
from cairnhub.training.samplers import ClassSampler
from tests.training.tiny import TinyImages, recipe


def some_unlabelled(n_levels: int, rows: list[int]) -> TinyImages:
    images = TinyImages()
    images.labels = images.labels[:, :n_levels].copy()
    images.labels[rows] = -1
    return images


@pytest.mark.parametrize("n_levels", [1, 2])
@pytest.mark.parametrize("rows", [[0], [0, 7, 11, 29], list(range(10))])
def test_training_is_that_of_the_labelled_images(n_levels, rows, caplog):
    caplog.set_level("INFO", logger="cairnhub")
    images = some_unlabelled(n_levels, rows)
    training = Training(recipe(), images, seed=0, n_workers=0)
    assert f"{len(rows)} of 30 images have no label (-1) and are left out" in caplog.text
    assert int(training.labels.min()) == 0
    assert len(training.labels) == 30 - len(rows)
    without = TinyImages()
    kept = np.setdiff1d(np.arange(30), rows)
    without.labels, without.images = images.labels[kept], without.images[kept]
    curves = [train(recipe(n_epochs=1), each, 0, 0).curve for each in (images, without)]
    assert curves[0].equals(curves[1])


def test_a_split_with_all_labels_is_left_as_it_is():
    images = TinyImages()
    assert labelled(images) is images


def test_a_split_without_a_label_is_refused():
    with pytest.raises(BadInput, match="none of the 30 images has a label"):
        Training(recipe(), some_unlabelled(1, list(range(30))), seed=0, n_workers=0)


@pytest.mark.parametrize("n_levels", [1, 2])
def test_the_sampler_never_draws_them(n_levels):
    labels = some_unlabelled(n_levels, [3, 4, 17, 18, 29]).labels
    sampler = ClassSampler(labels, Batch(size=8, images_per_class=2), seed=0)
    drawn = np.concatenate([np.concatenate(sampler.batches(epoch)) for epoch in range(5)])
    assert (labels[drawn] >= 0).all()
    assert set(np.unique(labels[drawn, 0])) == set(range(6))
