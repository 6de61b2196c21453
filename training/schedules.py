"""Learning rates over a run, as factors of the rate that a recipe names."""

import math

from cairnhub.training.recipes.settings import Optimizer, Weights


def rate_factor(
    optimizer: Optimizer, weights: Weights, step: int, epoch: int, n_steps: int, n_epochs: int
) -> float:
    """What a learning rate is multiplied by.

    Args:
        optimizer: names the warm-up.
        weights: the rate and its schedule.
        step: steps made.
        epoch: epochs made.
        n_steps: of the run.
        n_epochs: of the run.

    Returns:
        Above 0 and at most 1, or 0 at the end of a cosine without a floor.
    """
    n_warmup, schedule = optimizer.n_warmup_steps, weights.schedule
    if step < n_warmup:
        return (step + 1) / n_warmup * _scheduled(weights, 0.0, 0)
    n_counted = max(0, epoch - schedule.n_held_epochs)
    if schedule.every == "epoch":
        return _scheduled(weights, n_counted / n_epochs, n_counted)
    n_before = n_warmup + schedule.n_held_epochs * n_steps // n_epochs
    progress = max(0, step - n_before) / max(1, n_steps - n_warmup)
    return _scheduled(weights, progress, n_counted)


def _scheduled(weights: Weights, progress: float, n_epochs_made: int) -> float:
    schedule = weights.schedule
    if schedule.name == "constant":
        return 1.0
    if schedule.name == "steps":
        return schedule.factor ** sum(n_epochs_made >= milestone for milestone in schedule.milestones)
    floor = schedule.floor / weights.learning_rate
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
