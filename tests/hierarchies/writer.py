"""A process that adds decisions to a file, to be run beside others or killed."""

import sys
from pathlib import Path

from cairnhub.hierarchies.review.decisions import Decision, append_decision


def write_many(path: Path, author: str, n: int) -> None:
    for i in range(n):
        append_decision(path, Decision("accept", "type", f"type {i}", "castle", author=author))


if __name__ == "__main__":
    write_many(Path(sys.argv[1]), "somebody", 1_000_000)
