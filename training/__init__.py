"""Rank losses, exact retrieval metrics, and the trainer that uses them."""
