"""embed: vectors of the label texts, by a text model whose weights are checked by hash."""

import logging
from functools import partial

from cairnhub.core.portable import run_portable
from cairnhub.hierarchies.proposal.label_trees import propose_labels, spoken
from cairnhub.hierarchies.proposal.landmarks import texts_to_embed
from cairnhub.hierarchies.proposal.language import required_multilingual_embedder
from cairnhub.hierarchies.proposal.model_record import ModelRecord
from cairnhub.hierarchies.proposal.remembered import Remembered
from cairnhub.hierarchies.proposal.text_vectors import Embeddings, SentenceEmbedder
from cairnhub.pipelines.artifacts.index import IndexFolder
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.label_table import label_table
from cairnhub.pipelines.settings.embed import Embed

log = logging.getLogger(__name__)


def run(context: Context) -> None:
    """Embed every distinct text that the proposal needs; of the sample, with the same bits on every machine."""
    if context.scale == "sample":
        run_portable(_embed, context)
    else:
        _embed(context)


def _embed(context: Context) -> None:
    settings = context.settings(Embed)
    model = ModelRecord(settings.model, settings.revision, settings.sha256)
    embedder = SentenceEmbedder(model=model, batch_size=settings.batch_size)
    index = IndexFolder(context.paths.index)
    if tree := context.params.source(context.dataset).tree:
        table = label_table(index, tree, context.paths.root)
        language = spoken(table, tree.language)
        reader = Remembered(embedder if language == "en" else required_multilingual_embedder())
        propose_labels(table, reader, tree.pack, language)
        embeddings = reader.stored
    else:
        texts = texts_to_embed(index.landmarks())
        embeddings = Embeddings.of(texts, embedder, partial(context.executor.map, title="embedding texts"))
    embeddings.save(context.paths.text_vectors)
    log.info(
        f"{context.dataset}: {len(embeddings.texts):,} texts by {embeddings.model.name}, weights "
        f"{embeddings.model.sha256[:12]} verified"
    )
