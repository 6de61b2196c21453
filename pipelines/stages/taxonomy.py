"""taxonomy: the label tree that the data itself gives."""

import logging

import pandas as pd

from cairnhub.core.errors import CairnError
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.pipelines.artifacts.class_list import ClassList
from cairnhub.pipelines.artifacts.index import IndexFolder
from cairnhub.pipelines.context import Context

log = logging.getLogger(__name__)


def run(context: Context) -> None:
    """Build the tree from the label columns of the index."""
    index = IndexFolder(context.paths.index)
    counts = index.counts()
    levels = list(counts.levels)
    images = pd.read_parquet(index.images, columns=levels)
    try:
        tree = LabelTree.from_table(images.drop_duplicates(), levels, twins=counts.twins)
    except CairnError as error:
        raise error.within(f"{context.dataset}: the annotations in {context.paths.store}") from error
    tree, classes = ClassList.load(context.paths.class_list).number(tree)
    tree.save(context.paths.tree)
    classes.save()
    log.info(f"{context.dataset}: " + ", ".join(f"{len(tree.at_level(level)):,} {level}" for level in levels))
