"""A published dataset in the formats of other tools."""
