"""Everything that `dvc repro` runs: sources, stages, their parameters and their command lines."""
