"""Parts of a network that keep their weights: nothing is computed backwards through those at its front."""

from collections.abc import Iterable, Iterator

from torch import nn

from cairnhub.core.errors import BadInput


def front_modules(backbone: nn.Module, n_blocks: int) -> list[nn.Module]:
    """The stem and the first blocks of a backbone: its modules in the order in which they are registered.

    Args:
        backbone: with a list of blocks.
        n_blocks: how many of them.

    Returns:
        Also what holds them: of a module in the list only its own weights are meant, not those of its parts.

    Raises:
        BadInput: it has no such list, or a shorter one.
    """
    blocks = blocks_of(backbone)
    if n_blocks > len(blocks):
        raise BadInput(f"network.frozen: the backbone has {len(blocks)} blocks to freeze, not {n_blocks}")
    of_blocks = [{id(module) for module in block.modules()} for block in blocks]
    front: list[nn.Module] = []
    is_past_the_last = False
    for module in backbone.modules():
        if n_blocks < len(blocks) and module is blocks[n_blocks]:
            break
        if is_past_the_last and id(module) not in of_blocks[-1]:
            break
        is_past_the_last = module is blocks[-1] or is_past_the_last
        front.append(module)
    return front


def depths_of(backbone: nn.Module) -> dict[int, int]:
    """How deep each weight of a backbone lies: 0 in what stands before its first block, n + 1 in what follows n blocks.

    Returns:
        The depth by `id` of the weight.

    Raises:
        BadInput: the backbone has no list of blocks.
    """
    blocks = blocks_of(backbone)
    inside = {id(weight): place for place, block in enumerate(blocks, 1) for weight in block.parameters()}
    depths, is_past = {}, False
    for weight in backbone.parameters():
        is_past |= id(weight) in inside
        depths[id(weight)] = inside.get(id(weight), len(blocks) + 1 if is_past else 0)
    return depths


def freeze(modules: Iterable[nn.Module]) -> None:
    """Keep the own weights of modules: at a network's front, no graph is kept of what they compute."""
    for module in modules:
        for weight in module.parameters(recurse=False):
            weight.requires_grad_(False)


def to_evaluation(modules: Iterable[nn.Module]) -> None:
    """Let modules without parts compute as in evaluation: statistics of batch norm stay, nothing is dropped."""
    for module in modules:
        if not list(module.children()):
            module.eval()


def batch_norms(module: nn.Module) -> Iterator[nn.Module]:
    """Its layers of batch norm."""
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm)
    return (part for part in module.modules() if isinstance(part, kinds))


def blocks_of(backbone: nn.Module) -> list[nn.Module]:
    """Those that a backbone names as `blocks`, else its outermost list of them.

    That is the first `ModuleList` of two or more, else the first such `Sequential`.

    Raises:
        BadInput: it has none.
    """
    named = getattr(backbone, "blocks", None)
    if isinstance(named, list) and len(named) > 1:
        return named
    for kind in (nn.ModuleList, nn.Sequential):
        for module in backbone.modules():
            if isinstance(module, kind) and len(module) > 1:
                return list(module)
    raise BadInput("network.frozen: this backbone has no list of blocks; freeze all of it or none")
