"""One trial: bring the project into its state before, disturb, look, run again, compare."""

import random
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.chaos.children import Death, Ended, Reader, in_child
from tests.chaos.world import Undertaking, contents, half_done, restore


@dataclass
class Row:
    """A line of the campaign's table.

    Attributes:
        fault: what was done.
        stage: to which undertaking.
        times: how often it struck.
        recovered: how often the run after it gave the bytes of an undisturbed run.
        losses: what was lost or seen half-done, in words.
        readings: how often a reader beside it loaded the result, and found it old or new.
        endings: how the disturbed runs ended: `killed`, `done` or the error, and how often.
    """

    fault: str
    stage: str
    times: int = 0
    recovered: int = 0
    losses: list[str] = field(default_factory=list)
    readings: int = 0
    endings: dict[str, int] = field(default_factory=dict)

    def note(self, ended: Ended) -> None:
        how = "killed" if ended.killed else (ended.error or "done").split(":")[0]
        self.endings[how] = self.endings.get(how, 0) + 1

    def to_json(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True)
class Known:
    """An undertaking's states before and after, and what its run and its readers give undisturbed.

    Attributes:
        undertaking: what it is.
        before: folder of the state before.
        after: folder of the state after.
        seconds: how long it takes.
        n_changes: how often it changes a file.
        allowed: what a reader may see.
        contents: of both states.
    """

    undertaking: Undertaking
    before: Path
    after: Path
    seconds: float
    n_changes: int
    allowed: frozenset[str]
    contents: tuple[dict[str, str], dict[str, str]]


def learn(undertaking: Undertaking, before: Path, after: Path, log: Path) -> Known:
    """Run an undertaking undisturbed, in a copy of `before` that becomes `after`."""
    shutil.copytree(before, after)
    done = in_child(undertaking.run, after, log=log)
    assert done.ok, f"{undertaking.name}: {done.error}"
    seen = [in_child(undertaking.read, root, log=log).result for root in (before, after)]
    assert seen[1] is not None, f"{undertaking.name}: the result cannot be read"
    allowed = frozenset(text for text in seen if text is not None)
    states = contents(before), contents(after)
    return Known(undertaking, before, after, done.seconds, done.n_changes, allowed, states)


Disturbed = Callable[[Path], Ended]


@dataclass
class Trials:
    """Trials of one undertaking in one folder, a reader beside them."""

    known: Known
    work: Path
    log: Path

    def __post_init__(self) -> None:
        self.work.mkdir(parents=True, exist_ok=True)
        restore(self.known.undertaking, self.known.before, self.work)

    def read_meanwhile(self) -> Reader:
        return Reader(self.known.undertaking.read, self.work, set(self.known.allowed), self.log)

    def disturb(self, row: Row, run: Disturbed, again: Disturbed | None = None) -> Ended:
        """One trial; a run that ended before its kill counts for nothing."""
        undertaking, known = self.known.undertaking, self.known
        restore(undertaking, known.before, self.work)
        ended = run(self.work)
        faults = half_done(undertaking, contents(self.work), *known.contents)
        second = again(self.work) if again else in_child(undertaking.run, self.work, log=self.log)
        row.times += 1
        row.note(ended)
        found, expected = contents(self.work), known.contents[1]
        if not second.ok:
            faults.append(f"the second run failed: {second.error}")
        elif found != expected:
            different = {
                name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)
            }
            faults.append(f"other files than undisturbed: {', '.join(sorted(different)[:5])}")
        else:
            row.recovered += 1
        row.losses += faults
        return ended


def kill(trials: Trials, row: Row, n_kills: int, chance: random.Random) -> None:
    """Kill the undertaking so often: at a random moment, and at a random change of a file, in turn."""
    known, n_late = trials.known, 0
    reader = trials.read_meanwhile()
    while row.endings.get("killed", 0) < n_kills and n_late < 3 * n_kills:
        if row.times % 2:
            death = Death(at_change=chance.randint(1, known.n_changes))
        else:
            death = Death(after_s=chance.uniform(0, known.seconds))
        ended = trials.disturb(
            row, lambda root, d=death: in_child(known.undertaking.run, root, death=d, log=trials.log)
        )
        n_late += not ended.killed
    row.readings, faults = reader.stop()
    row.losses += faults
