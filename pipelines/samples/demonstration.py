"""Decisions that show on the drawn sample what a review does; real data never sees them."""

from pathlib import Path

DEMONSTRATIONS = Path(__file__).resolve().with_name("demonstrations")


def demonstration(scale: str, owner: str) -> Path:
    """The file of decisions on the drawn landmarks; an empty one where the files are not drawn.

    Args:
        scale: only `sample` is drawn.
        owner: the dataset that has the files.
    """
    path = DEMONSTRATIONS / f"{owner}.jsonl"
    return path if scale == "sample" and path.is_file() else DEMONSTRATIONS / "none.jsonl"
