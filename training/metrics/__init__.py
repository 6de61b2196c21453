"""Exact retrieval metrics over hierarchical labels."""

from training.metrics.retrieval import RetrievalMetrics, retrieval_metrics

__all__ = ["RetrievalMetrics", "retrieval_metrics"]
