"""`python -m pipelines`: `cairnhub.pipelines.command`, but for worker processes, which import this module again."""

if __name__ == "__main__":
    from cairnhub.pipelines.command import main

    main()
