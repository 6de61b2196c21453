"""evaluate: exact metrics per level, the trained model beside two baselines."""

import json
import shutil
from collections.abc import Mapping
from functools import partial

import numpy as np
import pandas as pd

from datasets_hub import describe, load_dataset, load_tree
from hierarchies.files import atomic_write, write_text_atomic
from pipelines.examples import write_examples
from pipelines.stages import Context
from training.blocks import LoadEncoder, colour_encoder, embed_blocks, trained_encoder, untrained_encoder
from training.data import ImageDataset
from training.evaluate import Embedded, Measured, evaluate
from training.models import load_model

N_BINS = 20
Results = dict[str, dict[str, Measured]]  # by system and protocol


def run(context: Context) -> None:
    """Measure every protocol of the card; write `metrics.json`, `table.md`, the loss curve and examples."""
    settings = getattr(context.params.evaluate, context.scale)
    model, description = load_model(context.paths.model)
    tree = load_tree(context.paths.hub)
    encoders: dict[str, LoadEncoder] = {
        "trained": partial(trained_encoder, context.paths.model),
        "untrained": partial(untrained_encoder, description.recipe, description.seed),
        "colour_histogram": colour_encoder,
    }
    results: Results = {name: {} for name in encoders}
    card, images, points = describe(context.paths.hub).card, dict[str, ImageDataset](), dict[str, Embedded]()
    run_all = partial(context.executor.map, title="embed", on_gpu=True)
    for protocol in card.protocols:
        splits = {
            name: ImageDataset(
                load_dataset(context.paths.hub, split=name), tree, model.network.decoded_side_px
            )
            for name in (protocol.query, protocol.gallery)
        }
        for system, encoder in encoders.items():
            embedded = {
                name: embed_blocks(images, encoder, settings.batch_size, run_all)
                for name, images in splits.items()
            }
            if system == "trained":
                images |= splits
                points |= embedded
            gallery = None if protocol.gallery == protocol.query else embedded[protocol.gallery]
            results[system][protocol.name] = evaluate(
                embedded[protocol.query], gallery, tree.levels, protocol.levels
            )
    _write(context, results, tree.levels)
    path = context.paths.results("evaluate") / "examples.json"
    write_examples(path, card, tree, results["trained"], points, images.__getitem__)


def _write(context: Context, results: Results, levels: tuple[str, ...]) -> None:
    folder = context.paths.results("evaluate")
    metrics = {
        system: {name: _defined(measured.values) for name, measured in protocols.items()}
        for system, protocols in results.items()
    }
    rounded = json.loads(json.dumps(metrics), parse_float=lambda number: round(float(number), 5))
    write_text_atomic(folder / "metrics.json", json.dumps(rounded, indent=1, sort_keys=True) + "\n")
    table = metrics_table(results, levels)
    write_text_atomic(folder / "table.md", table)
    write_text_atomic(folder / "h_ap.csv", h_ap_histogram(results["trained"]))
    write_text_atomic(folder / "levels.csv", values_per_level(results["trained"]))
    with atomic_write(folder / "loss.csv") as temporary:
        shutil.copyfile(context.paths.model / "loss.csv", temporary)
    print(table)


def _defined(values: Mapping[str, float]) -> dict[str, float]:
    """Without metrics for which no query counts: JSON has no NaN."""
    return {name: value for name, value in values.items() if not np.isnan(value)}


def h_ap_histogram(protocols: Mapping[str, Measured]) -> str:
    """CSV: how many queries, of all protocols, have an H-AP of at least `h_ap` and less than the next."""
    values = np.concatenate([measured.per_query["h_ap"] for measured in protocols.values()])
    counts, edges = np.histogram(values[~np.isnan(values)], bins=N_BINS, range=(0, 1))
    return pd.DataFrame({"h_ap": edges[:-1].round(3), "n_queries": counts}).to_csv(index=False)


def values_per_level(protocols: Mapping[str, Measured]) -> str:
    """CSV: AP and R@1 of each level, with the interval of AP."""
    rows = [
        {
            "protocol": name,
            "level": level,
            "ap": round(measured.values[f"ap_{level}"], 5),
            "ap_low": round(measured.values[f"ap_{level}_low"], 5),
            "ap_high": round(measured.values[f"ap_{level}_high"], 5),
            "r_at_1": round(measured.values[f"r_at_1_{level}"], 5),
        }
        for name, measured in protocols.items()
        for level in measured.levels
    ]
    return pd.DataFrame(rows).to_csv(index=False)


def metrics_table(results: Results, levels: tuple[str, ...]) -> str:
    """A Markdown table: one row per protocol and system; H-AP, then AP and R@1 per level, in percent.

    After each value stands half the width of its 95 % interval.
    """
    names = ["h_ap", *(f"{metric}_{level}" for metric in ("ap", "r_at_1") for level in levels)]
    titles = ["H-AP", *(f"{metric} {level}" for metric in ("AP", "R@1") for level in levels)]
    rows = [
        [protocol, system.replace("_", " "), *(_cell(measured.values, name) for name in names)]
        for system, protocols in results.items()
        for protocol, measured in protocols.items()
    ]
    frame = pd.DataFrame(rows, columns=["protocol", "system", *titles]).sort_values("protocol", kind="stable")
    header = "| " + " | ".join(frame.columns) + " |"
    rule = "| --- | --- |" + " ---: |" * len(titles)
    body = ["| " + " | ".join(row) + " |" for row in frame.to_numpy().tolist()]
    return "\n".join([header, rule, *body]) + "\n"


def _cell(values: Mapping[str, float], name: str) -> str:
    """A value and its interval; nothing where the protocol does not measure it."""
    if name not in values:
        return ""
    half = (values[f"{name}_high"] - values[f"{name}_low"]) / 2
    return f"{100 * values[name]:.1f} ± {100 * half:.1f}"
