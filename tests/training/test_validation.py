"""Early stopping by classes that training does not see."""

import numpy as np
import pytest

from cairnhub.core.errors import CairnError
from cairnhub.training import early_stopping as validation
from cairnhub.training import loop
from cairnhub.training.loop import train
from cairnhub.training.recipes.settings import Validation
from tests.training.tiny import N_PER_CLASS, TinyImages, recipe

VALIDATION = {"share": 0.3, "patience": 2}
SMALL = {"batch": {"size": 4, "images_per_class": 2}}


def test_whole_classes_are_held_out():
    images = TinyImages()
    seen, held_out = validation.hold_out(images, Validation(**VALIDATION), seed=0)
    assert not set(seen.labels[:, 0]) & set(held_out.labels[:, 0])
    assert sorted([*seen.rows, *held_out.rows]) == list(range(len(images)))
    assert len(held_out) == 2 * N_PER_CLASS
    assert held_out[3].equal(images[int(held_out.rows[3])])
    other = validation.hold_out(images, Validation(**VALIDATION), seed=1)[1]
    assert set(other.labels[:, 0]) != set(held_out.labels[:, 0])


def test_too_few_classes_to_hold_out_are_named():
    with pytest.raises(CairnError, match=r"validation.share 0.1 of 6 classes .* holds out 1; H-AP needs 2"):
        validation.hold_out(TinyImages(), Validation(share=0.1, patience=1), seed=0)


def test_training_ends_after_its_patience_and_keeps_the_best_weights(monkeypatch):
    h_ap, seen = iter([0.3, 0.5, 0.4, 0.45, 0.9]), []

    def measured(model, *_):
        seen.append({name: value.clone() for name, value in model.eval().state_dict().items()})
        return next(h_ap)

    monkeypatch.setattr(loop, "held_out_h_ap", measured)
    trained = train(recipe(n_epochs=9, validation=VALIDATION, **SMALL), TinyImages(), 0, 0)
    assert trained.curve["held_out_h_ap"].tolist() == [0.3, 0.5, 0.4, 0.45]
    kept = trained.model.state_dict()
    assert all(kept[name].equal(seen[1][name]) for name in kept)
    assert not all(kept[name].equal(seen[3][name]) for name in kept)


def test_the_measure_is_the_h_ap_of_what_is_held_out():
    trained = train(recipe(n_epochs=3, validation=VALIDATION, **SMALL), TinyImages(), 0, 0)
    _, held_out = validation.hold_out(TinyImages(), Validation(**VALIDATION), seed=0)
    found = validation.held_out_h_ap(trained.model, held_out, batch_size=4, n_workers=0)
    assert found == pytest.approx(trained.curve["held_out_h_ap"].max(), abs=1e-5)
    assert not np.isnan(found)
