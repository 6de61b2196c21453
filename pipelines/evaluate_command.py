"""What `cairn evaluate` does: embeddings and labels from files or a published dataset, measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cairnhub.core.errors import BadInput, CairnError
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.open_split import PublishedSplits
from cairnhub.pipelines.embedding_files import EmbeddingFile, read_embeddings, read_labels
from cairnhub.training.embedding_evaluation import (
    EmbeddingEvaluation,
    chosen_protocol,
    evaluate_embeddings,
)

TABLES = (".csv", ".tsv")


@dataclass(frozen=True)
class Asked:
    """What is to be measured.

    Attributes:
        embeddings: a file.
        labels: a CSV, or a published dataset.
        gallery: a file; None: images search one another.
        gallery_labels: a CSV; of a dataset, its protocol says.
        levels: columns of the CSV, fine -> coarse; none: all.
        protocol: of the dataset.
        split: of the dataset.
        scale: of the dataset.
    """

    embeddings: Path
    labels: str
    gallery: Path | None = None
    gallery_labels: Path | None = None
    levels: Sequence[str] = ()
    protocol: str | None = None
    split: str | None = None
    scale: str | None = None


def evaluate_files(asked: Asked) -> EmbeddingEvaluation:
    """Measure what lies in files.

    Raises:
        CairnError: a file or an option does not fit; names the file and the row.
    """
    embeddings = read_embeddings(asked.embeddings)
    gallery = None if asked.gallery is None else read_embeddings(asked.gallery)
    if gallery is not None and gallery.vectors.shape[1] != embeddings.vectors.shape[1]:
        raise BadInput(
            f"{gallery.path}: {gallery.vectors.shape[1]} dimensions, where {embeddings.path} has "
            f"{embeddings.vectors.shape[1]}: give vectors of one network"
        )
    if Path(asked.labels).suffix in TABLES:
        return _by_tables(asked, embeddings, gallery)
    return _by_dataset(asked, embeddings, gallery)


def _by_tables(asked: Asked, embeddings: EmbeddingFile, gallery: EmbeddingFile | None) -> EmbeddingEvaluation:
    if asked.protocol or asked.split or asked.scale:
        raise BadInput("--protocol, --split and --scale are of a published dataset: name one as --labels")
    if (gallery is None) != (asked.gallery_labels is None):
        raise BadInput(
            "--gallery and --gallery-labels go together with a CSV of labels: give both or neither"
        )
    table = read_labels(Path(asked.labels), asked.levels)
    searched = None if asked.gallery_labels is None else read_labels(asked.gallery_labels, table.levels)
    labels = table.of(embeddings)
    gallery_labels = searched.of(gallery) if searched and gallery else None
    try:
        return evaluate_embeddings(
            embeddings.vectors,
            labels,
            gallery=None if gallery is None else gallery.vectors,
            gallery_labels=gallery_labels,
        )
    except CairnError as error:
        raise error.within(" with ".join(str(each.path) for each in (table, searched) if each)) from None


def _by_dataset(
    asked: Asked, embeddings: EmbeddingFile, gallery: EmbeddingFile | None
) -> EmbeddingEvaluation:
    if asked.gallery_labels or asked.levels:
        raise BadInput("a dataset brings its labels and levels: leave --gallery-labels and --levels out")
    published = describe(asked.labels, scale=asked.scale)
    protocol = chosen_protocol(published, asked.protocol, asked.split)
    splits = PublishedSplits(published)

    def ordered(file: EmbeddingFile, split: str) -> EmbeddingFile:
        ids = splits.columns(split, ["image_id"])["image_id"].to_pylist()
        return EmbeddingFile(file.path, file.in_order(ids, f"split {split!r} of {published.card.name}"), None)

    if (gallery is None) != (protocol.gallery == protocol.query):
        wanted = "leave --gallery out" if gallery else f"give --gallery, the split {protocol.gallery!r}"
        raise BadInput(f"protocol {protocol.name!r} searches the split {protocol.gallery!r}: {wanted}")
    return evaluate_embeddings(
        ordered(embeddings, protocol.query).vectors,
        published,
        protocol,
        gallery=None if gallery is None else ordered(gallery, protocol.gallery).vectors,
    )
