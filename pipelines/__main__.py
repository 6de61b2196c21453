"""`python -m pipelines`: `pipelines.command`, but for worker processes, which import this module again."""

if __name__ == "__main__":
    from pipelines.command import main

    main()
