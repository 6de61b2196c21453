"""The labels of a dataset whose tree is declared as `tree: {from: text}`, with what its columns say of them."""

from pathlib import Path

from cairnhub.core.errors import CairnError
from cairnhub.hierarchies.proposal.label_trees import LabelTable
from cairnhub.pipelines.artifacts.index import IndexFolder
from cairnhub.pipelines.label_list import read_names
from cairnhub.pipelines.label_vectors import read_label_vectors
from cairnhub.pipelines.settings.sources import TreeFromText


def label_table(index: IndexFolder, tree: TreeFromText, root: Path) -> LabelTable:
    """What `propose_labels` needs, from the index and the declaration.

    Args:
        index: of the dataset.
        tree: as declared under its source.
        root: of the project, where the files that the declaration names lie.

    Raises:
        BadInput: a column is missing, or rows of one label differ in it.
    """
    levels = tree.published_levels(index.counts().levels)
    leaf, columns = levels[0], tree.columns(levels[0])
    try:
        table = index.labels(leaf, columns)
    except CairnError as error:
        raise error.within("tree") from error
    texts, *described = tree.texts or (leaf,)
    told = (
        [" ".join(filter(None, row)) for row in table[described].itertuples(index=False)]
        if described
        else None
    )
    return LabelTable(
        labels=table[leaf].tolist(),
        levels=levels,
        texts=_in_words(table[texts].tolist(), table[leaf].tolist()) if texts != leaf else None,
        descriptions=told,
        known={name: table[name].tolist() for name in tree.known},
        sizes=tree.sizes or None,
        names=read_names(root / tree.names) if tree.names else (),
        n_images=table["n_images"].tolist(),
        views=(read_label_vectors(root / tree.vectors, table[leaf].tolist()),) if tree.vectors else (),
    )


def _in_words(texts: list[str], labels: list[str]) -> list[str]:
    """What labels are in words; a label for which nothing is said speaks for itself."""
    return [text or label for text, label in zip(texts, labels, strict=True)]
