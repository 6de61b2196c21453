"""Protocols as benchmarks publish them: what is ranked, what is right, how often it is drawn."""
