"""Cross-batch memory: what a batch is ranked against, what is kept."""

import pytest
import torch

from cairnhub.training.cross_batch_memory import CrossBatchMemory
from cairnhub.training.losses import HAPPIER, SupAP
from tests.training.tiny import recipe


def batch(seed: int, n: int = 6, dim: int = 5):
    generator = torch.Generator().manual_seed(seed)
    points = torch.nn.functional.normalize(torch.randn(n, dim, generator=generator), dim=1)
    fine = torch.randint(0, 4, (n,), generator=generator)
    return points, torch.stack([fine, fine // 2], 1)


def test_a_batch_is_ranked_against_itself_and_the_newest_of_the_past():
    loss = HAPPIER(n_classes=4, dim=5)
    memory = CrossBatchMemory(loss, size=10, dim=5, n_levels=2)
    first, second, third = batch(0), batch(1), batch(2)
    assert memory(*first) == loss(*first)
    memory(*second)
    points = third[0].clone().requires_grad_()
    value = memory(points, third[1])
    past = [torch.cat([first[i][2:], second[i]]) for i in (0, 1)]  # 10 of 12: the oldest two are gone
    again = third[0].clone().requires_grad_()
    expected = loss(again, third[1], torch.cat([again, past[0]]), torch.cat([third[1], past[1]]))
    torch.testing.assert_close(value, expected)
    gradient, wanted = torch.autograd.grad(value, points)[0], torch.autograd.grad(expected, again)[0]
    torch.testing.assert_close(gradient, wanted)
    assert gradient.abs().max() > 1e-3


def test_the_first_batches_are_not_kept():
    loss = SupAP()
    memory = CrossBatchMemory(loss, size=12, dim=5, n_levels=2, n_skipped=2)
    for seed in range(3):
        assert memory(*batch(seed)) == loss(*batch(seed))
    assert memory(*batch(3)) != loss(*batch(3))


def test_the_past_is_saved_with_the_loss():
    kept, fresh = (CrossBatchMemory(SupAP(), size=9, dim=5, n_levels=2, n_skipped=1) for _ in range(2))
    for seed in range(4):
        kept(*batch(seed))
    fresh.load_state_dict(kept.state_dict())
    assert torch.equal(kept(*batch(4)), fresh(*batch(4)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "NormalisedSoftmax", "batch": {"size": 8, "memory": 64}}, "ranks nothing"),
        ({"batch": {"size": 8, "memory": 7}}, "a batch of 8 at least"),
    ],
)
def test_a_memory_without_use_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        recipe(**changes)
