"""evaluate: exact metrics per level, the trained model beside baselines: untrained, off the shelf, and colours."""

import logging
import math
import shutil
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from cairnhub.core.errors import BadInput
from cairnhub.core.files import atomic_write, write_text_atomic
from cairnhub.core.portable import run_portable
from cairnhub.datasets_hub.card import EvaluationProtocol
from cairnhub.datasets_hub.local_splits import LocalSplits
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.pipelines.artifacts.evaluation import Evaluation
from cairnhub.pipelines.artifacts.protocols import ProtocolsFolder
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.image_vectors import ImageEmbedder
from cairnhub.pipelines.retrieval_examples import write_examples
from cairnhub.pipelines.settings.evaluate import Evaluate
from cairnhub.pipelines.split_names import nothing_to_evaluate
from cairnhub.training.embedding import (
    LoadEncoder,
    colour_encoder,
    embed_blocks,
    off_the_shelf_encoder,
    untrained_encoder,
)
from cairnhub.training.encoders import EmbeddedSplit
from cairnhub.training.evaluation import ProtocolMetrics, evaluate, headlines, precision_recall_curves
from cairnhub.training.metrics.curves import RECALLS
from cairnhub.training.metrics.keys import H_AP, ByMetric, MetricKey
from cairnhub.training.metrics.retrieval import ground_truth_metrics
from cairnhub.training.models import read_description

log = logging.getLogger(__name__)

N_BINS = 20
MAP_AT_100 = MetricKey("map_at", k=100)
Results = dict[str, dict[str, ProtocolMetrics]]  # by system and protocol
Official = Mapping[str, Mapping[str, ByMetric[float]]]  # by system and part of the queries
Curves = Mapping[str, Mapping[str, npt.NDArray[np.float64]]]  # by protocol and level


def run(context: Context) -> None:
    """Measure every protocol of the card; write `metrics.json`, `table.md`, examples, and what `dvc plots` draws.

    Raises:
        BadInput: there is no protocol; nothing is written.
    """
    if not ProtocolsFolder(context.paths.protocols).protocols:
        splits = LocalSplits(context.paths.shards, LabelTree.load(context.paths.hub_tree)).names
        raise BadInput(nothing_to_evaluate(context.dataset, splits))
    if read_description(context.paths.model).portable:
        run_portable(_evaluate, context)
    else:
        _evaluate(context)


def _evaluate(context: Context) -> None:
    settings = context.settings(Evaluate)
    run_all = partial(context.executor.map, title="embed", on_gpu=True)
    tree = LabelTree.load(context.paths.hub_tree)
    splits = LocalSplits(context.paths.shards, tree)
    embedder = ImageEmbedder(context.paths.model, splits, settings.batch_size, run_all)
    description = embedder.description
    baselines: dict[str, LoadEncoder] = {
        "untrained": partial(untrained_encoder, description.network, description.seed),
        "colour_histogram": colour_encoder,
    }
    if description.network.weights:
        baselines["off_the_shelf"] = partial(off_the_shelf_encoder, description.network)
    plan = ProtocolsFolder(context.paths.protocols)
    embedded = {"trained": {name: embedder.embedded(name) for name in plan.splits}}
    for system, encoder in baselines.items():
        embedded[system] = {
            name: embed_blocks(embedder.images(name), encoder, settings.batch_size, run_all)
            for name in plan.splits
        }
    results: Results = {
        system: {
            protocol.name: evaluate(*_sides(points, protocol), tree.levels, protocol.levels)
            for protocol in plan.protocols
        }
        for system, points in embedded.items()
    }
    curves = {
        protocol.name: precision_recall_curves(
            *_sides(embedded["trained"], protocol), tree.levels, protocol.levels
        )
        for protocol in plan.protocols
    }
    _write(context, results, _official(plan, splits, embedded), curves, tree.levels)
    write_examples(
        context.paths.results("evaluate") / "examples.json",
        plan.protocols[:1],
        tree,
        results["trained"],
        embedded["trained"],
        embedder.images,
        may_show=plan.may_show_images,
    )


def _official(
    plan: ProtocolsFolder, splits: LocalSplits, embedded: Mapping[str, Mapping[str, EmbeddedSplit]]
) -> Official:
    """What the benchmark's own answers say of its protocol, the first, where it has some."""
    answers = plan.ground_truth()
    if answers is None:
        return {}
    sides = (plan.protocols[0].query, plan.protocols[0].gallery)
    ids = [splits.columns(side, ["image_id"])["image_id"].to_pylist() for side in sides]
    return {
        system: official_metrics(answers, *ids, *(points[side] for side in sides))
        for system, points in embedded.items()
    }


def official_metrics(
    answers: pd.DataFrame,
    query_ids: Sequence[str],
    gallery_ids: Sequence[str],
    query: EmbeddedSplit,
    gallery: EmbeddedSplit,
) -> dict[str, ByMetric[float]]:
    """mAP@100 by the answers that the benchmark lists, which may differ from those that share a label.

    Args:
        answers: `query_id`, `image_id`, `usage`.
        query_ids: of the query split, in its order.
        gallery_ids: of the gallery.
        query: what searches.
        gallery: what is searched.

    Returns:
        Of `all` queries, and of each part of them, such as `private`.
    """
    place = pd.Series(range(len(gallery_ids)), index=pd.Index(gallery_ids))
    known = answers[answers["image_id"].isin(place.index)]
    by_query = known.assign(item=known["image_id"].map(place)).groupby("query_id")["item"].apply(list)
    relevant = [by_query.get(image_id, []) for image_id in query_ids]
    average_precision = ground_truth_metrics(query.embeddings, gallery.embeddings, relevant).per_query[
        MAP_AT_100
    ]
    per_query = pd.Series(average_precision, index=pd.Index(query_ids)).dropna()
    usage = known.drop_duplicates("query_id").set_index("query_id")["usage"].str.lower()
    parts = per_query.groupby(usage.reindex(per_query.index)).mean()
    means = {"all": per_query.mean()} | {str(name): mean for name, mean in parts.items()}
    return {name: ByMetric({MAP_AT_100: float(mean)}) for name, mean in means.items()}


def _sides(
    embedded: Mapping[str, EmbeddedSplit], protocol: EvaluationProtocol
) -> tuple[EmbeddedSplit, EmbeddedSplit | None]:
    """Queries, and what they search where that is another split."""
    is_own_gallery = protocol.gallery == protocol.query
    return embedded[protocol.query], None if is_own_gallery else embedded[protocol.gallery]


def _write(
    context: Context, results: Results, official: Official, curves: Curves, levels: tuple[str, ...]
) -> None:
    folder = context.paths.results("evaluate")
    measured = {
        system: {name: (metrics.values, metrics.intervals) for name, metrics in protocols.items()}
        for system, protocols in results.items()
    }
    evaluation = Evaluation.of(measured, official)
    evaluation.save(folder / "metrics.json")
    finest = {name: metrics.levels[0] for name, metrics in results["trained"].items()}
    evaluation.save_headline(folder / "headline.json", finest)
    table = metrics_table(results, levels)
    unmatched = without_match(results["trained"])
    notes = "".join(f"\n{line}\n" for line in unmatched)
    write_text_atomic(folder / "table.md", table + notes)
    write_text_atomic(folder / "h_ap.csv", h_ap_histogram(results["trained"]))
    write_text_atomic(folder / "levels.csv", values_per_level(results["trained"]))
    write_text_atomic(folder / "precision_recall.csv", precision_per_recall(curves))
    with atomic_write(folder / "loss.csv") as temporary:
        shutil.copyfile(context.paths.model / "loss.csv", temporary)
    log.info(table)
    for line in unmatched:
        log.warning(f"{context.dataset}: {line}")


def h_ap_histogram(protocols: Mapping[str, ProtocolMetrics]) -> str:
    """CSV: how many queries, of all protocols, have an H-AP of at least `h_ap` and less than the next."""
    values = np.concatenate([measured.per_query[H_AP] for measured in protocols.values()])
    counts, edges = np.histogram(values[~np.isnan(values)], bins=N_BINS, range=(0, 1))
    return pd.DataFrame({"h_ap": edges[:-1].round(3), "n_queries": counts}).to_csv(index=False)


def values_per_level(protocols: Mapping[str, ProtocolMetrics]) -> str:
    """CSV: AP and R@1 of each level, with the interval of AP."""
    rows = []
    for name, measured in protocols.items():
        for level in measured.levels:
            ap = MetricKey("ap", level)
            if math.isnan(measured.values[ap]):
                continue
            ends, r_at_1 = measured.intervals[ap], measured.values[MetricKey("r_at", level, 1)]
            values = (measured.values[ap], ends.low, ends.high, r_at_1)
            rows.append((name, level, *(round(value, 5) for value in values)))
    columns = ["protocol", "level", "ap", "ap_low", "ap_high", "r_at_1"]
    return pd.DataFrame(rows, columns=columns).to_csv(index=False)


def precision_per_recall(curves: Curves) -> str:
    """CSV: precision at each recall, by level; where there are several protocols, the level is named after both."""
    rows = [
        {
            "level": level if len(curves) == 1 else f"{protocol}, {level}",
            "recall": recall,
            "precision": precision,
        }
        for protocol, by_level in curves.items()
        for level, precisions in by_level.items()
        for recall, precision in zip(RECALLS, precisions.round(5).tolist(), strict=True)
        if not math.isnan(precision)
    ]
    return pd.DataFrame(rows, columns=["level", "recall", "precision"]).to_csv(index=False)


def metrics_table(results: Results, levels: tuple[str, ...]) -> str:
    """A Markdown table: one row per protocol and system; H-AP, then AP and R@1 per level, in percent.

    After each value stands half the width of its 95 % interval.
    """
    keys = headlines(levels)
    titles = ["H-AP", *(f"{metric} {level}" for metric in ("AP", "R@1") for level in levels)]
    rows = [
        [protocol, system.replace("_", " "), *(_cell(measured, key) for key in keys)]
        for system, protocols in results.items()
        for protocol, measured in protocols.items()
    ]
    frame = pd.DataFrame(rows, columns=["protocol", "system", *titles]).sort_values("protocol", kind="stable")
    header = "| " + " | ".join(frame.columns) + " |"
    rule = "| --- | --- |" + " ---: |" * len(titles)
    body = ["| " + " | ".join(row) + " |" for row in frame.to_numpy().tolist()]
    return "\n".join([header, rule, *body]) + "\n"


def without_match(protocols: Mapping[str, ProtocolMetrics]) -> list[str]:
    """A sentence for each protocol and level at which no query has a match, so that nothing can be measured."""
    return [
        f"{name}: no query has another image of its {level} to find, so nothing is measured there"
        for name, measured in protocols.items()
        for level in measured.levels
        if math.isnan(measured.values[MetricKey("ap", level)])
    ]


def _cell(measured: ProtocolMetrics, key: MetricKey) -> str:
    """A value and its interval; nothing where the protocol does not measure it."""
    if key not in measured.values:
        return ""
    if math.isnan(measured.values[key]):
        return "no match"
    ends = measured.intervals[key]
    return f"{100 * measured.values[key]:.1f} ± {100 * (ends.high - ends.low) / 2:.1f}"
