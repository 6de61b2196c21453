"""embed: vectors of the label texts, by a text model whose weights are checked by hash."""

from functools import partial

from cairnhub.core.files import replace_folder
from cairnhub.core.portable import run_portable
from cairnhub.hierarchies.proposal.landmarks import texts_to_embed
from cairnhub.hierarchies.proposal.text_vectors import Embeddings, ModelRecord, SentenceEmbedder
from cairnhub.pipelines.landmarks import landmarks_of
from cairnhub.pipelines.stages import Context

VECTORS = "embeddings.parquet"


def run(context: Context) -> None:
    """Embed every distinct text that the proposal needs; of the sample, with the same bits on every machine."""
    if context.scale == "sample":
        run_portable(_embed, context)
    else:
        _embed(context)


def _embed(context: Context) -> None:
    settings = getattr(context.params.embed, context.scale)
    model = ModelRecord(settings.model, settings.revision, settings.sha256)
    texts = texts_to_embed(landmarks_of(context.paths.index))
    embedder = SentenceEmbedder(model=model, batch_size=settings.batch_size)
    embeddings = Embeddings.of(texts, embedder, partial(context.executor.map, title="embedding texts"))
    with replace_folder(context.paths.embeddings) as folder:
        embeddings.save(folder / VECTORS)
    print(
        f"{context.dataset}: {len(embeddings.texts):,} texts by {model.name}, weights {model.sha256[:12]} verified"
    )
