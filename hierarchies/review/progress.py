"""How far a review is, and how fast it goes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np

from cairnhub.hierarchies.review.apply import PENDING_BELOW
from cairnhub.hierarchies.review.queue import Queue

_PAUSE_S = 300.0  # a longer gap between two answers is a break, no thinking


@dataclass(frozen=True)
class Progress:
    """How far a review is.

    Attributes:
        n_answered: questions answered in this session.
        n_left: undecided questions.
        n_doubtful: those among them that the machine doubts (confidence below `PENDING_BELOW`) or a person flagged.
        n_skipped: those put off in this session.
        settled: share of all images x doubt that is decided, 0..1.
        seconds_each: median time of an answer in this session; None before the second.
    """

    n_answered: int
    n_left: int
    n_doubtful: int
    n_skipped: int
    settled: float
    seconds_each: float | None

    @property
    def seconds_left(self) -> float | None:
        """For what the machine doubts, at the pace so far."""
        return None if self.seconds_each is None else self.seconds_each * self.n_doubtful


def measure(left: Queue, undecided: Queue, answered_at: Sequence[float], doubt_at_first: float) -> Progress:
    """How far a review is.

    Args:
        left: what is undecided and was not skipped.
        undecided: all that is.
        answered_at: times of the start and of each answer, s.
        doubt_at_first: images x doubt before any decision.
    """
    gaps = [b - a for a, b in pairwise(answered_at)]
    thinking = [gap for gap in gaps if gap < _PAUSE_S]
    return Progress(
        n_answered=len(gaps),
        n_left=len(left),
        n_doubtful=int(np.count_nonzero((left.confidences < PENDING_BELOW) | left.flagged)),
        n_skipped=len(undecided) - len(left),
        settled=1 - undecided.doubt / doubt_at_first if doubt_at_first else 1.0,
        seconds_each=median(thinking) if thinking else None,
    )
