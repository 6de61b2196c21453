"""Exact retrieval metrics over hierarchical labels."""

from cairnhub.training.metrics.retrieval import RetrievalMetrics, ground_truth_metrics, retrieval_metrics
from cairnhub.training.metrics.sharded import gallery_rows, sharded_retrieval_metrics

__all__ = [
    "RetrievalMetrics",
    "gallery_rows",
    "ground_truth_metrics",
    "retrieval_metrics",
    "sharded_retrieval_metrics",
]
