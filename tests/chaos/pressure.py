"""Faults of a machine under pressure: stopped and interrupted runs, several at once, limits, layers of an image."""

import errno
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import cairnhub.core.files
from tests.chaos.children import Child, Ended, in_child
from tests.chaos.trials import Known, Row, Trials
from tests.chaos.world import contents

STOPPED_S = 3.0
MEMORY_CGROUP = Path("/sys/fs/cgroup/memory")
STORE = "data/store"
Chosen = Iterator[tuple[str, Known]]


class Pressure:
    """What these faults need of a campaign: a folder, a log, chance, and how often."""

    def __init__(self, folder: Path, log: Path, chance: random.Random, times: Callable[[int], int]) -> None:
        self.folder, self.work, self.log, self.chance, self.times = (
            folder,
            folder / "work",
            log,
            chance,
            times,
        )

    def stopped(self, name: str, known: Known) -> Row:
        """Ctrl-Z at a random moment, the same run beside it, then the first goes on."""
        return self._tried("stopped, the same run beside it, continued", name, known, self._run_stopped, 3)

    def _run_stopped(self, known: Known, root: Path) -> Ended:
        first = Child(lambda: known.undertaking.run(root), self.log)
        time.sleep(self.chance.uniform(0, known.seconds))
        os.kill(first.pid, signal.SIGSTOP)
        second = Child(lambda: known.undertaking.run(root), self.log)
        time.sleep(min(STOPPED_S, 2 * known.seconds))  # the second may wait for the first
        os.kill(first.pid, signal.SIGCONT)
        return _worse(first.answer(), second.answer())

    def together(self, name: str, known: Known) -> Row:
        """The same run twice at the same time, one of them killed now and then."""
        return self._tried("twice at once, one killed now and then", name, known, self._run_twice, 4)

    def _run_twice(self, known: Known, root: Path) -> Ended:
        children = [Child(lambda: known.undertaking.run(root), self.log) for _ in range(2)]
        if self.chance.random() < 0.5:
            children[0].kill_after(self.chance.uniform(0, known.seconds))
            return _worse(children[1].answer(), children[0].answer() or _DONE)
        return _worse(*(child.answer() for child in children))

    def interrupted(self, name: str, known: Known) -> Row:
        """Ctrl-C at a random moment; what was being written is cleaned up at once."""
        return self._tried("Ctrl-C", name, known, self._run_interrupted, 3)

    def _run_interrupted(self, known: Known, root: Path) -> Ended:
        child = Child(lambda: known.undertaking.run(root), self.log)
        time.sleep(self.chance.uniform(0, known.seconds))
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGINT)
        return _ended(child.answer())

    def no_room_at_a_rename(self, name: str, known: Known) -> Row:
        """The disk is full exactly when a finished file or folder gets its name."""
        return self._tried("full disk at a rename", name, known, self._run_without_renames, 3)

    def _run_without_renames(self, known: Known, root: Path) -> Ended:
        at = self.chance.randint(1, max(1, known.n_changes // 6))
        return in_child(_refusing_renames, known.undertaking.run, at, root, log=self.log)

    def few_files(self, name: str, known: Known) -> Row:
        """A process that may open a handful of files."""
        return self._limited("few open files", name, known, resource.RLIMIT_NOFILE, (4, 24))

    def small_files(self, name: str, known: Known) -> Row:
        """A process whose files may not grow (`ulimit -f`)."""
        return self._limited("a limit on a file's size", name, known, resource.RLIMIT_FSIZE, (0, 200_000))

    def _limited(self, fault: str, name: str, known: Known, limit: int, between: tuple[int, int]) -> Row:
        def run(known: Known, root: Path) -> Ended:
            most = self.chance.randint(*between)
            if limit == resource.RLIMIT_NOFILE:
                most += len(list(Path("/proc/self/fd").iterdir()))
            return in_child(_with_limit, known.undertaking.run, limit, most, root, log=self.log)

        return self._tried(fault, name, known, run, 2)

    def little_memory(self, name: str, known: Known) -> Row:
        """A memory cgroup: the kernel kills what needs more."""
        return self._tried("memory limit (cgroup)", name, known, self._run_in_cgroup, 3)

    def _run_in_cgroup(self, known: Known, root: Path) -> Ended:
        group = MEMORY_CGROUP / f"cairn-chaos-{os.getpid()}"
        group.mkdir()
        try:
            (group / "memory.limit_in_bytes").write_text(str(self.chance.randint(1, 60) * 2**20))
            child = Child(partial(_in_cgroup, group, known.undertaking.run, root), self.log)
            return _ended(child.answer())
        finally:
            for _ in range(50):
                with suppress(OSError):
                    group.rmdir()
                    break
                time.sleep(0.1)

    def clock_backwards(self, name: str, known: Known) -> Row:
        """Each look at the clock is a minute before the last one."""

        def run(known: Known, root: Path) -> Ended:
            return in_child(_against_the_clock, known.undertaking.run, root, log=self.log)

        return self._tried("a clock that runs backwards", name, known, run, 2)

    def _tried(
        self, fault: str, name: str, known: Known, run: Callable[[Known, Path], Ended], times: int
    ) -> Row:
        trials, row = Trials(known, self.work, self.log), Row(fault, name)
        for _ in range(self.times(times)):
            trials.disturb(row, partial(run, known))
        return row

    # ---- file systems -------------------------------------------------------------------------------------

    def image_layer(self, name: str, known: Known) -> Row:
        """The state before lies in a layer of a container's image; the run is killed now and then."""
        row = Row("overlayfs: built in a layer of an image", name)
        for i in range(self.times(2)):
            with overlay(known.before, self.folder / "overlay") as root:
                death = {"death": self._death(known)} if i % 2 else {}
                ended = in_child(known.undertaking.run, root, log=self.log, **death)
                again = in_child(known.undertaking.run, root, log=self.log)
                self._note(row, ended, again, contents(root), known.contents[1])
        return row

    def _death(self, known: Known) -> Any:
        from tests.chaos.children import Death

        return Death(after_s=self.chance.uniform(0, known.seconds))

    def store_elsewhere(self, name: str, known: Known, place: Path) -> Row:
        """`CAIRN_STORE` on another file system."""
        row, store = Row("store on another file system", name), place / "store"
        for i in range(self.times(2)):
            shutil.rmtree(self.work, ignore_errors=True)
            shutil.rmtree(store, ignore_errors=True)
            shutil.copytree(known.before, self.work)
            shutil.move(self.work / STORE, store) if (self.work / STORE).is_dir() else store.mkdir()
            run = partial(_with_store, store, known.undertaking.run)
            death = {"death": self._death(known)} if i % 2 else {}
            ended = in_child(run, self.work, log=self.log, **death)
            again = in_child(run, self.work, log=self.log)
            found = contents(self.work) | {
                f"{STORE}/{path}": digest for path, digest in contents(store).items()
            }
            self._note(row, ended, again, found, known.contents[1])
        shutil.rmtree(self.work)
        return row

    def _note(
        self, row: Row, ended: Ended, again: Ended, found: dict[str, str], expected: dict[str, str]
    ) -> None:
        row.times += 1
        row.note(ended)
        if not again.ok:
            row.losses.append(f"the second run failed: {again.error}")
        elif found != expected:
            other = sorted(n for n in found.keys() | expected.keys() if found.get(n) != expected.get(n))
            row.losses.append(f"other files than undisturbed: {', '.join(other[:5])}")
        else:
            row.recovered += 1


@contextmanager
def overlay(lower: Path, folder: Path) -> Iterator[Path]:
    """A folder as a container sees one of its image."""
    for name in ("upper", "work", "merged"):
        (folder / name).mkdir(parents=True)
    options = f"lowerdir={lower},upperdir={folder}/upper,workdir={folder}/work"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(folder / "merged")], check=True)
    try:
        yield folder / "merged"
    finally:
        subprocess.run(["umount", "-l", str(folder / "merged")], check=True)
        shutil.rmtree(folder)


_DONE: dict[str, Any] = {"result": None, "error": None, "n_changes": 0}


def _ended(answer: dict[str, Any] | None) -> Ended:
    return Ended(answer is None, None, answer and answer["error"], 0, 0)


def _worse(first: dict[str, Any] | None, second: dict[str, Any] | None) -> Ended:
    """How two runs ended, by the one that ended worse."""
    ends = [_ended(first), _ended(second)]
    return next((end for end in ends if not end.ok), ends[0])


def _refusing_renames(run: Callable[[Path], None], at: int, root: Path) -> None:
    n_renames, swap = 0, cairnhub.core.files._swap

    def refuse() -> None:
        nonlocal n_renames
        n_renames += 1
        if n_renames >= at:  # and from then on
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(root))

    def swap_or_refuse(new: Path, path: Path) -> None:
        refuse()
        swap(new, path)

    cairnhub.core.files._swap = swap_or_refuse
    sys.addaudithook(lambda event, _: refuse() if event == "os.rename" else None)
    run(root)


def _with_limit(run: Callable[[Path], None], limit: int, most: int, root: Path) -> None:
    resource.setrlimit(limit, (most, resource.getrlimit(limit)[1]))
    try:
        run(root)
    finally:  # the answer to the parent is no file
        resource.setrlimit(limit, (resource.getrlimit(limit)[1],) * 2)


def _in_cgroup(group: Path, run: Callable[[Path], None], root: Path) -> None:
    (group / "cgroup.procs").write_text(str(os.getpid()))
    run(root)


def _against_the_clock(run: Callable[[Path], None], root: Path) -> None:
    real, looks = time.time, iter(range(10**9))
    time.time = lambda: real() - 60 * next(looks)
    run(root)


def _with_store(store: Path, run: Callable[[Path], None], root: Path) -> None:
    os.environ["CAIRN_STORE"] = str(store)
    run(root)
