"""Training set-ups: a YAML file per dataset, their types in `settings.py` and `recipe.py`.

`reported.yaml` holds what papers report; only the table `results/recipes.md` reads it.
"""
