"""evaluate: exact metrics per level, the trained model beside baselines: untrained, off the shelf, and colours."""

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial

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
from cairnhub.pipelines.evaluation_tables import (
    Curves,
    Results,
    h_ap_histogram,
    means_table,
    metrics_table,
    precision_per_recall,
    values_per_level,
    without_match,
)
from cairnhub.pipelines.image_vectors import ImageEmbedder, View
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.protocol_points import ProtocolPoints, views
from cairnhub.pipelines.retrieval_examples import write_examples
from cairnhub.pipelines.settings.evaluate import Evaluate
from cairnhub.pipelines.split_names import nothing_to_evaluate, training_split
from cairnhub.training.encoders import EmbeddedSplit
from cairnhub.training.evaluation import ProtocolMetrics, group_means
from cairnhub.training.metrics.keys import ByMetric, MetricKey
from cairnhub.training.metrics.retrieval import ground_truth_metrics
from cairnhub.training.models import read_description
from cairnhub.training.protocol_evaluation import evaluate_protocol
from cairnhub.training.protocol_kinds.labels import label_curves
from cairnhub.training.protocol_kinds.points import Points
from cairnhub.training.whitening import Whitening

log = logging.getLogger(__name__)

N_WHITENING = 50_000  # images; vectors of 2,048 entries take 0.8 GB as double
MAP_AT_100 = MetricKey("map_at", k=100)
Official = Mapping[str, Mapping[str, ByMetric[float]]]  # by system and part of the queries


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
    plan = ProtocolsFolder(context.paths.protocols)
    points = ProtocolPoints(embedder, plan.protocols, _learn_whitening(context, embedder))
    answers = plan.ground_truth()
    results: dict[str, dict[str, ProtocolMetrics]] = {}
    official: dict[str, Mapping[str, ByMetric[float]]] = {}
    for system in points.systems:
        embedded = points.of(system)
        results[system] = {
            protocol.name: evaluate_protocol(protocol, *_sides(embedded, protocol), tree.levels, answers)
            for protocol in plan.protocols
        }
        if answers is not None and plan.protocols[0].kind == "labels":
            query, gallery = (embedded[view] for view in views(plan.protocols[0]))
            official[system] = official_metrics(answers, query.image_ids, gallery.image_ids, query, gallery)
        if system == "trained":
            curves = _curves(plan.protocols, embedded, tree.levels)
            shown = [protocol for protocol in plan.protocols[:1] if protocol.kind == "labels"]
            write_examples(
                context.paths.results("evaluate") / "examples.json",
                shown,
                tree,
                results[system],
                {view.split: embedded[view] for protocol in shown for view in views(protocol)},
                lambda split: embedder.images(View(split)),
                may_show=plan.may_show_images,
            )
    _write(context, plan.protocols, results, official, curves, tree.levels)


def _learn_whitening(
    context: Context, embedder: ImageEmbedder
) -> Callable[[tuple[float, ...]], Whitening] | None:
    """Learns it on what another dataset's model was trained on, seen at the sizes given; None: none is declared."""
    transfer = context.settings(Evaluate).transfer.get(context.dataset)
    if transfer is None or transfer.whitening is None:
        return None
    learnt_on = Paths(context.paths.root, context.scale, transfer.model)
    splits = LocalSplits(learnt_on.shards, LabelTree.load(learnt_on.hub_tree))
    model = ImageEmbedder(context.paths.model, splits, embedder.batch_size, embedder.run_all)
    split = training_split(splits.names)

    def learn(scales: tuple[float, ...]) -> Whitening:
        seen = model.embedded(View(split, None, scales, N_WHITENING))
        return Whitening.learn(seen.embeddings, transfer.whitening)

    return learn


def _curves(
    protocols: Sequence[EvaluationProtocol], embedded: Mapping[View, Points], levels: tuple[str, ...]
) -> Curves:
    """Precision over recall of the protocols that go by labels."""
    return {
        protocol.name: label_curves(protocol, *_sides(embedded, protocol), levels)
        for protocol in protocols
        if protocol.kind == "labels"
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


def _sides(embedded: Mapping[View, Points], protocol: EvaluationProtocol) -> tuple[Points, Points | None]:
    """Queries, and what they search where that is another split."""
    query, gallery = views(protocol)
    return embedded[query], None if protocol.gallery == protocol.query else embedded[gallery]


def _write(
    context: Context,
    protocols: Sequence[EvaluationProtocol],
    results: Results,
    official: Official,
    curves: Curves,
    levels: tuple[str, ...],
) -> None:
    folder = context.paths.results("evaluate")
    measured = {
        system: {name: (metrics.values, metrics.intervals) for name, metrics in protocols.items()}
        for system, protocols in results.items()
    }
    groups = {protocol.name: protocol.group for protocol in protocols}
    means = {system: group_means(groups, by_protocol) for system, by_protocol in results.items()}
    evaluation = Evaluation.of(measured, official, means)
    evaluation.save(folder / "metrics.json")
    finest = {name: metrics.levels[0] for name, metrics in results["trained"].items()}
    evaluation.save_headline(folder / "headline.json", finest)
    table = metrics_table(results, levels) + means_table(means)
    unmatched = without_match(results["trained"])
    remarks = [line for measured in results["trained"].values() for line in measured.notes]
    notes = "".join(f"\n{line}\n" for line in (*remarks, *unmatched))
    write_text_atomic(folder / "table.md", table + notes)
    write_text_atomic(folder / "h_ap.csv", h_ap_histogram(results["trained"]))
    write_text_atomic(folder / "levels.csv", values_per_level(results["trained"]))
    write_text_atomic(folder / "precision_recall.csv", precision_per_recall(curves))
    with atomic_write(folder / "loss.csv") as temporary:
        shutil.copyfile(context.paths.model / "loss.csv", temporary)
    log.info(table + notes)
    for line in unmatched:
        log.warning(f"{context.dataset}: {line}")
