"""The command line; light, for worker processes import this module again."""


def main() -> None:
    """Run `cairn`."""
    from cairnhub.core.errors import run_command_line
    from cairnhub.pipelines.cli import app

    run_command_line(app)


if __name__ == "__main__":
    main()
