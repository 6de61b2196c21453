"""Networks on a processor, their weights laid out with channels last beside the order of their shape, in one run.

    python benchmarks/layouts.py [--images 16] [--rounds 3]

Published architectures with random weights see 224 x 224 pixels; CPU seconds of one thread for each image, the best of
the rounds, to embed it and to train on it (forward and backward). Writes results/layouts.json beside this file.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    ConvNextConfig,
    ConvNextModel,
    EfficientNetConfig,
    EfficientNetModel,
    MobileNetV2Config,
    MobileNetV2Model,
    ResNetConfig,
    ResNetModel,
    ViTConfig,
    ViTModel,
)

RESULTS = Path(__file__).parent / "results/layouts.json"
RESNET_18: dict[str, Any] = {
    "embedding_size": 64,
    "hidden_sizes": [64, 128, 256, 512],
    "depths": [2] * 4,
    "layer_type": "basic",
}
VIT_SMALL: dict[str, Any] = {"hidden_size": 384, "intermediate_size": 1536, "num_attention_heads": 6}
EFFICIENT_B0: dict[str, Any] = {
    "width_coefficient": 1.0,
    "depth_coefficient": 1.0,
    "hidden_dim": 1280,
    "image_size": 224,
}
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "ResNet-18": lambda: ResNetModel(ResNetConfig(**RESNET_18)),
    "ResNet-50": lambda: ResNetModel(ResNetConfig()),
    "MobileNetV2": lambda: MobileNetV2Model(MobileNetV2Config()),
    "EfficientNet-B0": lambda: EfficientNetModel(EfficientNetConfig(**EFFICIENT_B0)),
    "ConvNeXt-T": lambda: ConvNextModel(ConvNextConfig()),
    "ViT-S/16": lambda: ViTModel(ViTConfig(**VIT_SMALL)),
}
LAYOUTS = {"plain": torch.contiguous_format, "channels_last": torch.channels_last}


def milliseconds(run: Callable[[], object], rounds: int, n_images: int) -> float:
    """CPU time for each image, the best of the rounds after one that warms up."""
    run()
    times = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return round(1000 * min(times) / n_images, 1)


def measure(network: nn.Module, images: Tensor, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds by layout and task, and how many times as fast channels last are."""

    def embed() -> None:
        network.eval()
        with torch.inference_mode():
            network(images)

    def train() -> None:
        network.train()
        network(images).last_hidden_state.sum().backward()

    rows = {}
    for name, layout in LAYOUTS.items():
        network.to(memory_format=layout)  # type: ignore[call-overload]
        rows[name] = {
            task: milliseconds(run, rounds, len(images)) for task, run in (("embed", embed), ("train", train))
        }
    ratio = {task: round(rows["plain"][task] / rows["channels_last"][task], 2) for task in rows["plain"]}
    return {**rows, "times_as_fast": ratio}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    images = torch.rand(options.images, 3, 224, 224)
    found = {}
    for name, make in NETWORKS.items():
        torch.manual_seed(0)
        found[name] = measure(make(), images, options.rounds)
        print(name, json.dumps(found[name]), flush=True)
    RESULTS.write_text(json.dumps({"torch": torch.__version__, **found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
