"""The two kinds of places: the coarsest level of a landmark tree."""

NATURAL, HUMAN_MADE = "natural", "human-made"
