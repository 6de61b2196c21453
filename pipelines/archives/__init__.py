"""Archives read in place: one module per kind, chosen by a file's name in `kinds`."""
