"""Models over published datasets: one row per model; what was measured once is kept."""

import hashlib
import json
import logging
import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from cairnhub.core.errors import BadInput, NotFound
from cairnhub.core.files import write_text_atomic
from cairnhub.core.html import fill
from cairnhub.core.parse import FORBID, parse_json, read_json
from cairnhub.core.text import did_you_mean, quoted
from cairnhub.core.version import __version__
from cairnhub.datasets_hub.card import EvaluationProtocol
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.location import PublishedDataset
from cairnhub.datasets_hub.open_split import PublishedSplits
from cairnhub.pipelines.code import fingerprint
from cairnhub.pipelines.image_vectors import ImageEmbedder
from cairnhub.pipelines.protocol_points import views
from cairnhub.pipelines.retrieval_commands import find_model
from cairnhub.training.backbones import PublishedBackbone
from cairnhub.training.embedding_evaluation import evaluate_embeddings
from cairnhub.training.library_backbones import LibraryBackbone
from cairnhub.training.metrics.keys import H_AP, MetricKey, from_json
from cairnhub.training.off_the_shelf import (
    OFF_THE_SHELF,
    POOLINGS,
    is_published_network,
    write_off_the_shelf,
)

log = logging.getLogger(__name__)

LEADERBOARD, PAGE = "leaderboard.json", "leaderboard.html"


@dataclass(frozen=True)
class Measured:
    """A model on a dataset.

    Attributes:
        model: as it was asked for.
        recipe: that trained it.
        seed: of its training.
        dataset: as it was asked for.
        dataset_fingerprint: of its tree and images.
        versions: of what computed it.
        protocols: by name, what `EmbeddingEvaluation.to_json` says but for nodes and confusions.
        left_out: protocols that vectors alone do not answer.
    """

    __pydantic_config__ = FORBID

    model: str
    recipe: str
    seed: int
    dataset: str
    dataset_fingerprint: str
    versions: dict[str, str]
    protocols: dict[str, dict[str, Any]]
    left_out: tuple[str, ...] = ()

    @property
    def h_ap(self) -> float:
        """Of the first protocol, 0..1; NaN where it has none."""
        first = next(iter(self.protocols.values()))
        values, _ = from_json(first["metrics"])
        return values.get(H_AP, math.nan)


def run_benchmark(
    models: Sequence[str],
    datasets: Sequence[str],
    folder: Path,
    scale: str | None = None,
    pooling: str = "average",
) -> list[dict[str, Any]]:
    """Measure every model on every dataset, and write `leaderboard.json` and `leaderboard.html`.

    A pair is kept in `folder/measured` as soon as it is measured, by model, images, protocols and code: a run that was
    killed goes on, and another model costs its own row only.

    Args:
        models: folders, datasets whose trained models are meant, or networks as they were published: a short name,
            `timm/<name>`, `open_clip/<name>:<weights>`, a folder with `config.json`, a hub id.
        datasets: published ones, with protocols.
        folder: where results lie.
        scale: `sample` or `full`, for names.
        pooling: of published networks, as a recipe names it.

    Returns:
        One row per model, the best mean H-AP (over the datasets' first protocols) first.

    Raises:
        NotFound: no such model or dataset, or one without a protocol; before anything is measured.
        BadInput: no such pooling.
    """
    if pooling not in POOLINGS:
        raise BadInput(
            f"no pooling {pooling!r}{did_you_mean(pooling, POOLINGS)}; there are {quoted(POOLINGS)}"
        )
    published = {name: describe(name, scale=scale) for name in dict.fromkeys(datasets)}
    plans = {name: _measurable(name, each) for name, each in published.items()}
    with ExitStack() as scratch:
        folders = {model: _folder(model, scale, pooling, scratch) for model in dict.fromkeys(models)}
        rows = [
            _row(
                model,
                {
                    name: _measured(model, model_folder, name, each, plans[name], folder / "measured")
                    for name, each in published.items()
                },
            )
            for model, model_folder in folders.items()
        ]
    rows.sort(key=lambda row: -row["mean_h_ap"])
    board = {"datasets": list(published), "rows": rows}
    write_text_atomic(folder / LEADERBOARD, json.dumps(board, indent=1, ensure_ascii=False) + "\n")
    write_text_atomic(folder / PAGE, leaderboard_page(rows, plans))
    return rows


def _folder(model: str, scale: str | None, pooling: str, scratch: ExitStack) -> Path:
    """Of a trained model; or a published network as one, while the block runs."""
    if not is_published_network(model):
        return find_model(model, scale)[0]
    folder = Path(scratch.enter_context(TemporaryDirectory(prefix="cairn-benchmark-")))
    write_off_the_shelf(model, folder, pooling)
    return folder


def _measurable(name: str, published: PublishedDataset) -> list[EvaluationProtocol]:
    """Protocols that vectors answer."""
    kept = [protocol for protocol in published.card.protocols if protocol.kind != "graded"]
    if not kept:
        raise NotFound(
            f"{name} has no protocol that vectors of its images answer: leave it out of --datasets"
        )
    return kept


def _measured(
    model: str,
    model_folder: Path,
    name: str,
    published: PublishedDataset,
    protocols: Sequence[EvaluationProtocol],
    kept: Path,
) -> Measured:
    splits = PublishedSplits(published)
    embedder = ImageEmbedder(model_folder, splits)
    plan = json.dumps([protocol.model_dump(mode="json") for protocol in protocols], sort_keys=True)
    parts = (embedder.key, plan, fingerprint(["training.embedding_evaluation"]), model, name)
    file = kept / f"{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]}.json"
    if file.is_file():
        return read_json(file, Measured)
    log.info(f"{model} on {name}")
    found = {protocol.name: _evaluation(embedder, published, protocol) for protocol in protocols}
    measured = Measured(
        model,
        embedder.description.recipe,
        embedder.description.seed,
        name,
        splits.fingerprint,
        _versions(embedder.network.backbone),
        found,
        tuple(each.name for each in published.card.protocols if each not in protocols),
    )
    write_text_atomic(file, json.dumps(asdict(measured), indent=1, ensure_ascii=False) + "\n")
    return measured


def _versions(backbone: object) -> dict[str, str]:
    """Of what computed the vectors."""
    described = getattr(backbone, "described", None)
    library = {"timm": "timm", "open_clip": "open-clip-torch"}.get(
        getattr(described, "library", ""), "transformers"
    )
    is_published = isinstance(backbone, PublishedBackbone | LibraryBackbone)
    found = {library: metadata.version(library)} if is_published else {}
    return {"cairnhub": __version__, "torch": torch.__version__, **found}


def _evaluation(
    embedder: ImageEmbedder, published: PublishedDataset, protocol: EvaluationProtocol
) -> dict[str, Any]:
    query, gallery = views(protocol)
    vectors = embedder.embedded(query).embeddings
    searched = None if protocol.gallery == protocol.query else embedder.embedded(gallery).embeddings
    result = evaluate_embeddings(vectors, published, protocol, gallery=searched)
    whole = parse_json(result.to_json(), protocol.name)
    assert isinstance(whole, dict)
    return {key: value for key, value in whole.items() if key not in ("nodes", "confusions", "cairnhub")}


def _row(model: str, cells: Mapping[str, Measured]) -> dict[str, Any]:
    first = next(iter(cells.values()))
    known = [cell.h_ap for cell in cells.values() if not math.isnan(cell.h_ap)]
    return {
        "model": model,
        "recipe": first.recipe,
        "seed": None if first.recipe == OFF_THE_SHELF else first.seed,
        "mean_h_ap": sum(known) / len(known) if known else 0.0,
        "datasets": {name: asdict(cell) for name, cell in cells.items()},
    }


def leaderboard_page(
    rows: Sequence[Mapping[str, Any]], plans: Mapping[str, Sequence[EvaluationProtocol]]
) -> str:
    """The board as one self-contained page: a row per model, H-AP, AP and R@1 of each protocol in per cent."""
    columns = [(dataset, protocol.name) for dataset, plan in plans.items() for protocol in plan]
    table = [
        {
            "model": row["model"],
            "recipe": row["recipe"] if row["seed"] is None else f"{row['recipe']}, seed {row['seed']}",
            "mean": f"{100 * row['mean_h_ap']:.1f}",
            "cells": [
                _shown(row["datasets"][dataset]["protocols"][protocol]) for dataset, protocol in columns
            ],
        }
        for row in rows
    ]
    versions = sorted(
        {
            f"{name} {version}"
            for row in rows
            for cell in row["datasets"].values()
            for name, version in cell["versions"].items()
        }
    )
    values = {
        "title": "Leaderboard",
        "columns": [f"{dataset}, {protocol}" for dataset, protocol in columns],
        "rows": table,
        "versions": ", ".join(versions),
    }
    return fill(Path(__file__).with_name("leaderboard.html"), values)


def _shown(measured: Mapping[str, Any]) -> str:
    values, intervals = from_json(measured["metrics"])
    level = next((key.level for key in values if key.name == "ap"), None)
    keys = {"H-AP": H_AP, f"AP {level}": MetricKey("ap", level), f"R@1 {level}": MetricKey("r_at", level, 1)}
    parts = []
    for title, key in keys.items():
        if key in values:
            half = (intervals[key].high - intervals[key].low) / 2 if key in intervals else math.nan
            parts.append(
                f"{title} {100 * values[key]:.1f}" + ("" if math.isnan(half) else f" ± {100 * half:.1f}")
            )
    return "; ".join(parts) or "no match"
