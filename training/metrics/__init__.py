"""Exact retrieval metrics over hierarchical labels."""

from training.metrics.retrieval import RetrievalMetrics, ground_truth_metrics, retrieval_metrics

__all__ = ["RetrievalMetrics", "ground_truth_metrics", "retrieval_metrics"]
