"""One module per DVC stage, each with `run`; they read artifacts, call a room and write artifacts."""
