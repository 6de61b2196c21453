"""What `params.yaml` may say, one module per stage, so that a default makes only its own stage stale."""
