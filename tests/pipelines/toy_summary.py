"""A small summary, as if one dataset had been built."""

from cairnhub.hierarchies.agreement import Agreement
from cairnhub.pipelines.artifacts.check_report import SplitCounts
from cairnhub.pipelines.report_data import (
    DatasetSummary,
    Effort,
    ModelSummary,
    ProtocolSummary,
    ReviewSummary,
    Summary,
)
from cairnhub.training.retrieved import Picture, ShownQuery

INTERVAL = {"trained": (80.0, 75.0, 85.0), "untrained": (20.0, 15.0, 25.0)}


def summary_of(title: str = "Toy", caption: str = "Pont Neuf < bridge") -> Summary:
    """One dataset, proposed, reviewed, trained on."""
    published = DatasetSummary(
        "toy", "sample", title, "cc0-1.0", True, "given", True, 1234, 5_000_000, {"landmark": 5, "category": 2},
        {"train": SplitCounts(1240, 1234, 3, 3)}, {"truncated": 3}, (("look-alikes in two splits", 1),), "ab" * 32,
        {"explore the tree": "tree.html"},
    )  # fmt: skip
    reviewed = ReviewSummary(
        "toy",
        "sample",
        {"category by images": Agreement(0.5, 0.5, 0.5, 0.5, 0.5, 2, 3)},
        {"applied": 8},
        ("a -> b",),
    )
    picture = Picture("data:image/jpeg;base64,", caption, "H-AP 50.0", "query")
    protocol = ProtocolSummary(
        "retrieval", ("landmark",), {"H-AP": INTERVAL, "AP landmark": INTERVAL, "R@1 landmark": INTERVAL}
    )
    evaluated = ModelSummary(
        "toy",
        "sample",
        ((1.0, 2.0), (2.0, 1.0)),
        (protocol,),
        ("landmark", "category"),
        (ShownQuery("Worst", picture, ()),),
    )
    effort = Effort(2, 0.99, {"ours": 0}, {"ours": [0.9, 0.9, 1.0]})
    return Summary((published,), (reviewed,), (evaluated,), effort)
