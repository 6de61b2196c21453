"""Training set-ups: a YAML file per paper and dataset, with a row per method; types in `settings.py` and `recipe.py`.

A paper's `reported.yaml` holds what it reports and where its settings stand; the table in `results/` alone reads it.
"""
