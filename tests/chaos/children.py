"""Children of this process: they share its imports, run one function, and may be killed on the way.

This process must have no threads of its own: a forked lock stays locked.
"""

import ctypes
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cairnhub.core.errors import disk_explained

_DIE_WITH_PARENT = 1
"""Of `prctl`, PR_SET_PDEATHSIG: a campaign that ends halfway leaves nobody who reads for ever."""
_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir")


@dataclass(frozen=True)
class Death:
    """When a child is killed: after so many seconds, or at its so-manyth change of a file; None for never."""

    after_s: float | None = None
    at_change: int | None = None


NEVER = Death()


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Attributes:
        killed: by its `Death`, before its function was done.
        result: what the function gave.
        error: `Type: message` of what it raised, None if it raised nothing.
        seconds: how long it ran.
        n_changes: how often it opened a file for writing, renamed, removed or made one.
    """

    killed: bool
    result: Any
    error: str | None
    seconds: float
    n_changes: int

    @property
    def ok(self) -> bool:
        return not self.killed and self.error is None


def in_child(function: Callable[..., Any], *arguments: Any, death: Death = NEVER, log: Path) -> Ended:
    """Run a function in a child; its result must be JSON."""
    started = time.monotonic()
    child = Child(lambda: function(*arguments), log, death.at_change)
    killed = death.after_s is not None and child.kill_after(death.after_s)
    answer = child.answer()
    killed = killed or answer is None
    seconds = time.monotonic() - started
    if answer is None:
        return Ended(True, None, None, seconds, 0)
    return Ended(killed, answer["result"], answer["error"], seconds, answer["n_changes"])


class Child:
    """A forked process; what it prints goes to a file."""

    def __init__(self, function: Callable[[], Any], log: Path, die_at: int | None = None) -> None:
        self._pipe, theirs = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
            os.close(self._pipe)
            _live(function, log, die_at, theirs)
        os.close(theirs)

    def ends_within(self, seconds: float) -> bool:
        """Wait so long at most; whether it has ended."""
        return bool(select.select([self._pipe], [], [], seconds)[0])

    def kill_after(self, seconds: float) -> bool:
        """Kill it, unless it answers before."""
        if self.ends_within(seconds):
            return False
        os.kill(self.pid, signal.SIGKILL)
        return True

    def answer(self) -> dict[str, Any] | None:
        """Wait for its end; None if it was killed."""
        with os.fdopen(self._pipe, "rb") as pipe:
            text = pipe.read()
        os.waitpid(self.pid, 0)
        with suppress(json.JSONDecodeError):
            return dict(json.loads(text))
        return None


def _live(function: Callable[[], Any], log: Path, die_at: int | None, pipe: int) -> None:
    """The child's life; does not return."""
    with log.open("ab") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    n_changes, me = 0, os.getpid()

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal n_changes
        writes = event == "open" and (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if (event in _CHANGES or writes) and os.getpid() == me:  # its own children are not counted
            n_changes += 1
            if n_changes == die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    result = error = None
    try:
        with disk_explained():
            result = function()
    except BaseException as raised:  # the parent reports whatever it is
        traceback.print_exc()
        error = f"{type(raised).__name__}: {raised}"
    sys.stdout.flush()
    os.write(pipe, json.dumps({"result": result, "error": error, "n_changes": n_changes}).encode())
    os._exit(0)


class Reader:
    """A child that reads again and again, and notes whatever it should not have seen."""

    def __init__(self, read: Callable[[Path], str], root: Path, allowed: set[str], log: Path) -> None:
        self._child = Child(lambda: _keep_reading(read, root, allowed), log)

    def stop(self) -> tuple[int, list[str]]:
        """How often it read, and what was wrong."""
        os.kill(self._child.pid, signal.SIGTERM)
        answer = self._child.answer()
        assert answer is not None, "the reader died"
        assert answer["error"] is None, answer["error"]
        n_reads, faults = answer["result"]
        return n_reads, faults


def _keep_reading(read: Callable[[Path], str], root: Path, allowed: set[str]) -> tuple[int, list[str]]:
    stopped, n_reads, faults = False, 0, []

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGTERM, stop)
    while not stopped:
        started = time.monotonic()
        try:
            seen = read(root)
            if seen not in allowed:
                faults.append(f"saw {seen[:200]}")
        except Exception as error:
            traceback.print_exc()
            faults.append(f"{type(error).__name__}: {error}"[:300])
        n_reads += 1
        time.sleep(max(0.1, time.monotonic() - started))
    return n_reads, faults[:20]
