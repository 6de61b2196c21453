"""Everything that `dvc repro` runs: sources, stages, their parameters and their command lines."""

import os

# Writes shards in a fifth less memory than Arrow's default, as fast; read when pyarrow is imported.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
