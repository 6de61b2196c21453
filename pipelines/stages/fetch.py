"""fetch: every file of a source, verified, in the store."""

import logging

from cairnhub.pipelines.context import Context
from cairnhub.pipelines.sources.fetching import fetch

log = logging.getLogger(__name__)


def run(context: Context) -> None:
    """Fetch and write the manifest."""
    files = fetch(context)
    size_mb = sum(file.size_bytes for file in files) / 1e6
    log.info(f"{context.dataset}: {len(files):,} files, {size_mb:,.1f} MB, verified")
