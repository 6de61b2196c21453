"""The command line; light, for worker processes import this module again."""

import io
import sys


def main() -> None:
    """Run `cairn`."""
    from cairnhub.core.errors import run_command_line
    from cairnhub.pipelines.cli import app

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # labels have signs that LC_ALL=C has not
    run_command_line(app)


if __name__ == "__main__":
    main()
