"""evaluate: exact metrics per level, the trained model beside two baselines."""

import json
import shutil

import pandas as pd

from datasets_hub import describe, load_dataset, load_tree
from hierarchies.files import atomic_write, write_text_atomic
from pipelines.stages import Context
from training.data import ImageDataset
from training.evaluate import Encoder, colour_histogram, encode, evaluate, model_encoder
from training.loop import untrained_model
from training.models import load_model
from training.recipes import load_recipe


def run(context: Context) -> None:
    """Measure every protocol of the card; write `metrics.json`, `table.md` and the loss curve."""
    settings = getattr(context.params.evaluate, context.scale)
    model, description = load_model(context.paths.model)
    tree = load_tree(context.paths.hub)
    encoders: dict[str, Encoder] = {
        "trained": model_encoder(model),
        "untrained": model_encoder(untrained_model(load_recipe(description.recipe), description.seed)),
        "colour_histogram": colour_histogram,
    }
    metrics: dict[str, dict[str, dict[str, float]]] = {name: {} for name in encoders}
    for protocol in describe(context.paths.hub).card.protocols:
        splits = {
            name: ImageDataset(
                load_dataset(context.paths.hub, split=name), tree, model.network.decoded_side_px
            )
            for name in (protocol.query, protocol.gallery)
        }
        for system, encoder in encoders.items():
            embedded = {
                name: encode(images, encoder, settings.batch_size, settings.n_workers)
                for name, images in splits.items()
            }
            gallery = None if protocol.gallery == protocol.query else embedded[protocol.gallery]
            metrics[system][protocol.name] = evaluate(
                embedded[protocol.query], gallery, tree.levels, protocol.levels
            )
    _write(context, metrics, tree.levels)


def _write(
    context: Context, metrics: dict[str, dict[str, dict[str, float]]], levels: tuple[str, ...]
) -> None:
    folder = context.paths.results("evaluate")
    rounded = json.loads(json.dumps(metrics), parse_float=lambda number: round(float(number), 5))
    write_text_atomic(folder / "metrics.json", json.dumps(rounded, indent=1, sort_keys=True) + "\n")
    table = metrics_table(metrics, levels)
    write_text_atomic(folder / "table.md", table)
    with atomic_write(folder / "loss.csv") as temporary:
        shutil.copyfile(context.paths.model / "loss.csv", temporary)
    print(table)


def metrics_table(metrics: dict[str, dict[str, dict[str, float]]], levels: tuple[str, ...]) -> str:
    """A Markdown table: one row per protocol and system; H-AP, then AP and R@1 per level, in percent."""
    names = ["h_ap", *(f"{metric}_{level}" for metric in ("ap", "r_at_1") for level in levels)]
    titles = ["H-AP", *(f"{metric} {level}" for metric in ("AP", "R@1") for level in levels)]
    rows = [
        [protocol, system.replace("_", " "), *(f"{100 * values[name]:.1f}" for name in names)]
        for system, protocols in metrics.items()
        for protocol, values in protocols.items()
    ]
    frame = pd.DataFrame(rows, columns=["protocol", "system", *titles]).sort_values("protocol", kind="stable")
    header = "| " + " | ".join(frame.columns) + " |"
    rule = "| --- | --- |" + " ---: |" * len(titles)
    body = ["| " + " | ".join(row) + " |" for row in frame.to_numpy().tolist()]
    return "\n".join([header, rule, *body]) + "\n"
