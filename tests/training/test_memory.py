"""Cross-batch memory: what a batch is ranked against, what is kept."""

import pytest
import torch

from cairnhub.training.build_loss import build_loss
from cairnhub.training.cross_batch_memory import CrossBatchMemory
from cairnhub.training.loop import Training
from cairnhub.training.losses import HAPPIER, SupAP
from tests.training.tiny import TinyImages, optimizer, recipe


def batch(seed: int, n: int = 6, dim: int = 5):
    generator = torch.Generator().manual_seed(seed)
    points = torch.nn.functional.normalize(torch.randn(n, dim, generator=generator), dim=1)
    fine = torch.randint(0, 4, (n,), generator=generator)
    return points, torch.stack([fine, fine // 2], 1)


def test_the_loss_is_the_mean_over_the_batch_and_over_the_newest_embeddings():
    loss = HAPPIER(n_classes=4, dim=5)
    memory = CrossBatchMemory(loss, size=10, dim=5, n_levels=2)
    first, second = batch(0), batch(1)
    memory(*first)
    points = second[0].clone().requires_grad_()
    value = memory(points, second[1])
    kept = [torch.cat([first[i][2:], second[i]]) for i in (0, 1)]  # 10 of 12: the oldest two are gone
    again = second[0].clone().requires_grad_()
    expected = (loss(again, second[1]) + loss(again, second[1], *kept)) / 2
    torch.testing.assert_close(value, expected)
    gradient, wanted = torch.autograd.grad(value, points)[0], torch.autograd.grad(expected, again)[0]
    torch.testing.assert_close(gradient, wanted)
    assert gradient.abs().max() > 1e-3


def test_an_image_that_comes_again_keeps_its_newest_embedding_alone():
    memory = CrossBatchMemory(SupAP(), size=8, dim=5, n_levels=2)
    first, second = batch(0, 4), batch(1, 4)
    memory(*first, images=torch.tensor([3, 1, 4, 7]))
    memory(*second, images=torch.tensor([1, 9, 9, 4]))
    held = {int(i): row for i, row in zip(memory.images, memory.embeddings, strict=True) if i >= 0}
    rows = {3: first[0][0], 7: first[0][3], 1: second[0][0], 9: second[0][2], 4: second[0][3]}
    assert held.keys() == rows.keys()
    for image, row in rows.items():
        assert torch.equal(held[image], row)


def test_the_image_that_was_kept_longest_ago_makes_room():
    memory = CrossBatchMemory(SupAP(), size=4, dim=5, n_levels=2)
    for seed, images in enumerate(([0, 1], [2, 3], [0, 4], [5, 6])):
        memory(*batch(seed, 2), images=torch.tensor(images))
    assert sorted(memory.images.tolist()) == [0, 4, 5, 6]


def test_a_memory_of_a_whole_split_holds_every_image_once():
    memory = CrossBatchMemory(SupAP(), size=12, dim=5, n_levels=2)
    for seed in range(9):
        images = torch.randperm(12, generator=torch.Generator().manual_seed(seed // 3))[seed % 3 * 4 :][:4]
        memory(*batch(seed, 4), images=images)
        if seed >= 2:
            assert sorted(memory.images.tolist()) == list(range(12))


def test_at_the_start_the_batch_is_alone_and_yet_kept():
    loss = SupAP()
    memory = CrossBatchMemory(loss, size=12, dim=5, n_levels=2, n_before=2)
    for seed in range(2):
        assert memory(*batch(seed)) == loss(*batch(seed))
    kept = [torch.cat([batch(seed)[i] for seed in (1, 2)]) for i in (0, 1)]
    expected = (loss(*batch(2)) + loss(*batch(2), *kept)) / 2
    torch.testing.assert_close(memory(*batch(2)), expected)


@pytest.mark.parametrize(("n_warmup_steps", "n_before"), [(0, 8), (5, 10)])
def test_a_recipe_says_when_the_memory_begins(n_warmup_steps, n_before):
    batches = {"size": 8, "n_accumulated": 2, "memory": 16, "memory_from_epoch": 3}
    asked = recipe(batch=batches, optimizer=optimizer(0.01, 0.1, n_warmup_steps=n_warmup_steps))
    memory = build_loss(asked, torch.tensor([[0, 0], [1, 0], [2, 1]]), n_batches=4)
    assert int(memory.n_left_before) == n_before
    with pytest.raises(ValueError, match="memory_from_epoch has no use without a memory"):
        recipe(batch={"size": 8, "memory_from_epoch": 3})


def test_the_past_is_saved_with_the_loss():
    kept, fresh = (CrossBatchMemory(SupAP(), size=9, dim=5, n_levels=2, n_before=1) for _ in range(2))
    for seed in range(4):
        kept(*batch(seed), images=torch.arange(6) + seed)
    fresh.load_state_dict(kept.state_dict())
    assert torch.equal(kept(*batch(4)), fresh(*batch(4)))


def test_the_loop_tells_the_memory_which_images_it_saw():
    training = Training(recipe(batch={"size": 8, "images_per_class": 2, "memory": 16}), TinyImages(), 0, 0)
    training.run(None, 60.0)
    held = training.loss.images[training.loss.images >= 0].tolist()
    assert len(held) == len(set(held)) > 8


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
