"""Everything that `dvc repro` runs: sources, stages, their parameters and their command lines."""

import os

# Arrow's own allocator keeps what was freed, in every worker; read when pyarrow is imported.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
