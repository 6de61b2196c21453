"""Cairn: hierarchical image-retrieval datasets, their label trees, losses and metrics."""
