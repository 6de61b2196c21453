"""Learning rates as computed by hand, and what each group of weights learns by."""

import copy
import math

import pytest
import torch

from cairnhub.training.loop import Training
from cairnhub.training.optimisation import Optimisation
from cairnhub.training.recipes.settings import Optimizer, Schedule, Weights
from cairnhub.training.schedules import rate_factor
from tests.training.tiny import TinyImages, optimizer, recipe

N_EPOCHS, PER_EPOCH = 10, 4
HALF = 0.5


def rates(schedule: dict, rate: float = 0.1, **more) -> list[float]:
    """The learning rate of each step of a run of ten epochs, four steps each."""
    weights = Weights(learning_rate=rate, schedule=Schedule.model_validate(schedule))
    settings = Optimizer.model_validate({"backbone": weights.model_dump(), **more})
    return [
        rate * rate_factor(settings, weights, step, step // PER_EPOCH, N_EPOCHS * PER_EPOCH, N_EPOCHS)
        for step in range(N_EPOCHS * PER_EPOCH)
    ]


def cosine(progress: float, rate: float = 0.1, floor: float = 0.0) -> float:
    return floor + (rate - floor) * HALF * (1 + math.cos(math.pi * progress))


def by_epoch(values: list[float]) -> list[float]:
    return [value for value in values for _ in range(PER_EPOCH)]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({"name": "constant"}, [0.1] * 40),
        ({}, [cosine(step / 40) for step in range(40)]),
        ({"floor": 0.02}, [cosine(step / 40, floor=0.02) for step in range(40)]),
        ({"every": "epoch"}, by_epoch([cosine(epoch / 10) for epoch in range(10)])),
        (
            {"every": "epoch", "floor": 0.02, "n_held_epochs": 3},
            by_epoch([0.1] * 3 + [cosine(epoch / 10, floor=0.02) for epoch in range(7)]),
        ),
        ({"n_held_epochs": 3}, [0.1] * 12 + [cosine(step / 40) for step in range(28)]),
        (
            {"name": "steps", "milestones": [3, 7], "factor": 0.3},
            by_epoch([0.1] * 3 + [0.03] * 4 + [0.009] * 3),
        ),
        (
            {"name": "steps", "milestones": [3], "factor": 0.5, "n_held_epochs": 2},
            by_epoch([0.1] * 5 + [0.05] * 5),
        ),
    ],
    ids=str,
)
def test_a_schedule_gives_the_rates_computed_by_hand(schedule, expected):
    assert rates(schedule) == pytest.approx(expected)


def test_warm_up_rises_linearly_and_the_rest_follows_its_schedule():
    warm = [0.1 * (step + 1) / 8 for step in range(8)]
    assert rates({}, n_warmup_steps=8) == pytest.approx(warm + [cosine(step / 32) for step in range(32)])
    assert rates({"name": "constant"}, n_warmup_steps=8) == pytest.approx(warm + [0.1] * 32)
    every = rates({"every": "epoch"}, n_warmup_steps=8)
    assert every == pytest.approx(warm + by_epoch([cosine(epoch / 10) for epoch in range(2, 10)]))


@pytest.mark.parametrize("floor", [0.0, 0.01])
def test_rates_are_those_of_torchs_schedulers(floor):
    """Cosine per epoch and steps, as the papers' code has them."""
    weight = torch.nn.Parameter(torch.zeros(1))
    torchs = torch.optim.SGD([weight], lr=0.1)
    schedules = {
        "cosine": torch.optim.lr_scheduler.CosineAnnealingLR(torchs, N_EPOCHS, floor),
    }
    expected = []
    for _ in range(N_EPOCHS):
        expected.append(torchs.param_groups[0]["lr"])
        torchs.step()
        schedules["cosine"].step()
    assert rates({"every": "epoch", "floor": floor}) == pytest.approx(by_epoch(expected))


def test_a_run_sets_the_rates_of_each_group_by_its_own_schedule():
    settings = {
        "backbone": {"learning_rate": 0.01, "schedule": {"every": "epoch"}},
        "head": {"learning_rate": 0.02},
        "proxies": {
            "name": "sgd",
            "learning_rate": 0.5,
            "schedule": {"name": "steps", "milestones": [1], "factor": 0.1},
        },
    }
    training = Training(recipe(optimizer=settings, n_epochs=2), TinyImages(), 0, 0)
    seen, step = [], training.optimisation.step

    def watched() -> None:
        found = training.optimisation.optimizers
        seen.append({name: of_group.param_groups[0]["lr"] for name, of_group in found.items()})
        step()

    training.optimisation.step = watched
    training.run(None, 60)
    first = {"backbone": 0.01, "head": 0.02, "proxies": 0.5}
    second = {"backbone": 0.005, "head": 0.01, "proxies": 0.05}
    n_steps = training.steps_per_epoch
    assert seen == [pytest.approx(first)] * n_steps + [pytest.approx(second)] * n_steps
    rates_of_curve = [row[3] for row in training.state.progress.curve]
    assert rates_of_curve == pytest.approx([0.005, 0.0])


def made(**settings) -> Optimisation:
    """What learns, with a gradient of 1 everywhere."""
    training = Training(recipe(optimizer=optimizer(0.01, 0.1, **settings)), TinyImages(), 0, 0)
    for parameter in (*training.model.parameters(), *training.loss.parameters()):
        parameter.grad = torch.ones_like(parameter)
    return training.optimisation


def test_the_networks_gradient_is_clipped_to_a_length_and_that_of_proxies_is_not():
    free, clipped = made(name="sgd"), made(name="sgd", clip_norm=0.5)
    n_weights = sum(parameter.numel() for parameter in free.model.parameters())
    before = copy.deepcopy(free.model.state_dict())
    steps = []
    for optimisation in (free, clipped):
        optimisation.step()
        after = optimisation.model.state_dict()
        steps.append((before["head.1.weight"] - after["head.1.weight"]).mean().item())
    assert steps[1] / steps[0] == pytest.approx(0.5 / math.sqrt(n_weights), rel=1e-4)
    proxies = [next(optimisation.loss.parameters()) for optimisation in (free, clipped)]
    assert torch.equal(*proxies)


def test_a_resting_backbone_is_not_stepped_so_that_its_moments_begin_when_it_does():
    optimisation = made(n_frozen_epochs=1)
    assert optimisation.learning_rate == 0
    optimisation.step()
    assert not optimisation.optimizers["backbone"].state
    assert optimisation.optimizers["head"].state
    optimisation.go_to(1, 1)
    assert optimisation.learning_rate > 0


def test_what_a_group_leaves_out_is_the_backbones_and_proxies_learn_as_the_head():
    backbone = {"name": "sgd", "learning_rate": 0.1, "weight_decay": 1e-4, "momentum": 0.8}
    settings = Optimizer.model_validate({"backbone": backbone, "head": {"learning_rate": 0.2}})
    assert settings.head == Weights.model_validate(backbone | {"learning_rate": 0.2})
    assert settings.proxies == settings.head
    own = Optimizer.model_validate({"backbone": backbone, "proxies": {"learning_rate": 3}})
    assert own.proxies == Weights(learning_rate=3)
    assert own.head == own.backbone


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ({"learning_rate": 0.1, "schedule": {"floor": 0.2}}, "floor 0.2 is above the learning rate"),
        ({"learning_rate": 0.1, "momentum": 0}, "nesterov needs momentum"),
        ({"learning_rate": 0.1, "schedule": {"name": "steps"}}, "milestones and steps go together"),
        ({"learning_rate": 0.1, "schedule": {"milestones": [3]}}, "milestones and steps go together"),
        ({"learning_rate": 0.1, "schedule": {"name": "constant", "floor": 0.01}}, "belong to a cosine"),
        ({"learning_rate": 0.1, "scedule": {}}, "did you mean 'schedule'"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(backbone, message):
    with pytest.raises(ValueError, match=message):
        Optimizer.model_validate({"backbone": backbone})


def test_adamw_decays_weights_apart_from_gradients():
    training = Training(recipe(optimizer=optimizer(0.01, 0.1, name="adamw")), TinyImages(), 0, 0)
    optimizers = training.optimisation.optimizers
    assert type(optimizers["backbone"]) is type(optimizers["head"]) is torch.optim.AdamW
    assert type(optimizers["proxies"]) is torch.optim.Adam


def test_layers_nearer_the_image_learn_more_slowly():
    training = Training(recipe(optimizer=optimizer(0.01, 0.1, layer_decay=0.5)), TinyImages(), 0, 0)
    groups = training.optimisation.optimizers["backbone"].param_groups
    stages = list(training.model.backbone)
    assert [group["lr"] for group in groups] == pytest.approx([0.01 * 0.5**depth for depth in range(4)])
    for group, stage in zip(groups, reversed(stages), strict=True):
        assert {id(weight) for weight in group["params"]} == {id(weight) for weight in stage.parameters()}
    packed = training.optimisation.pack()
    training.optimisation.unpack(*packed)
    assert len(training.optimisation.optimizers["head"].param_groups) == 1
