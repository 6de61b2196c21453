"""Low-rank adaptation of a backbone by peft: small factors learn in place of its weights, and are merged in the end.

LoRA: Hu et al., ICLR 2022, equation 3: `W + alpha / rank * B A`, with `B` 0 at the start.
"""

from collections.abc import Sequence

from torch import nn

from cairnhub.core.errors import BadInput
from cairnhub.core.text import quoted
from cairnhub.training.recipes.settings import LowRank


def adapt(backbone: nn.Module, settings: LowRank) -> None:
    """Put factors beside layers of a backbone; nothing else of it learns from now on.

    Args:
        backbone: with trained weights; it gives what it gave.
        settings: rank, weight, and which layers.

    Raises:
        BadInput: no layer has one of the names.
    """
    from peft import LoraConfig, inject_adapter_in_model

    network = getattr(
        backbone, "model", backbone
    )  # peft asks a published one for what its library says of it
    names = _adapted(network, settings.layers)
    config = LoraConfig(r=settings.rank, lora_alpha=settings.alpha, target_modules=names)
    inject_adapter_in_model(config, network)
    for name, weight in backbone.named_parameters():
        weight.requires_grad_("lora_" in name)


def merge(backbone: nn.Module) -> None:
    """Add the factors to the weights beside which they learnt; the backbone has its own layers again."""
    from peft.tuners.lora import LoraLayer

    layers = [(name, part) for name, part in backbone.named_modules() if isinstance(part, LoraLayer)]
    for name, part in layers:
        part.merge()
        above, _, own = name.rpartition(".")
        setattr(backbone.get_submodule(above), own, part.get_base_layer())


def _adapted(backbone: nn.Module, wanted: Sequence[str]) -> list[str]:
    """Layers by the ends of their names; else every linear one, of a network without any every plain convolution."""
    linear = [name for name, part in backbone.named_modules() if isinstance(part, nn.Linear)]
    mixing = [
        name for name, part in backbone.named_modules() if isinstance(part, nn.Conv2d) and part.groups == 1
    ]
    if not wanted:
        return linear or mixing
    known = [*linear, *mixing]
    found = [name for name in known if any(f".{name}".endswith(f".{end}") for end in wanted)]
    if not found:
        raise BadInput(
            f"network.lora.layers: no layer is called {quoted(wanted)}; there are, among others, "
            f"{quoted(dict.fromkeys(name.rpartition('.')[2] for name in known))}"
        )
    return found
