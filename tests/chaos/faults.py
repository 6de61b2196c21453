"""The faults of the campaign, one method per kind."""

# What the stages import is imported once, here; children are forked from this process.
# (Another user may not be let into the folder where Python has its codecs.)
import encodings.idna
import encodings.utf_8_sig  # noqa: F401
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import datasets  # noqa: F401
import sklearn.cluster
import sklearn.metrics  # noqa: F401

import cairnhub.pipelines.stages.cluster
import cairnhub.pipelines.stages.fetch
import cairnhub.pipelines.stages.index
import cairnhub.pipelines.stages.publish
import cairnhub.pipelines.stages.review  # noqa: F401
from cairnhub.hierarchies.review.decisions import read_decisions
from cairnhub.pipelines.settings.executor import Executor
from tests.chaos.acts import (
    as_nobody,
    at_another_time,
    decide_as,
    grandchildren,
    leave_what_ada_planned,
    publish_with_ray,
    working_for_ray,
)
from tests.chaos.apps import one_is_stopped
from tests.chaos.children import Child, Death, Ended, in_child
from tests.chaos.kinds import KINDS, N_KILLS, PRESSURE, SHORT, WITH_TIMES
from tests.chaos.pressure import MEMORY_CGROUP, Pressure
from tests.chaos.remote import Remote
from tests.chaos.repro import two_at_once_and_killed
from tests.chaos.trials import Known, Row, Trials, kill, learn
from tests.chaos.world import (
    OLD,
    UNDERTAKINGS,
    Undertaking,
    build_old,
    context,
    embed,
    planned_decisions,
    run_stage,
)


class Campaign:
    """All faults, in one temporary folder."""

    def __init__(self, folder: Path, addresses: dict[str, str], chance: random.Random, short: bool) -> None:
        self.folder, self.log, self.work = folder, folder / "log", folder / "work"
        self.addresses, self.chance, self.short = addresses, chance, short
        self.stages: list[str] = []
        self.skipped: dict[str, str] = {}
        self.known: dict[str, Known] = {}

    def run(self, only: list[str], stages: list[str]) -> Iterator[Row]:
        """Every kind in turn, or only some, on every undertaking, or only some."""
        self.stages = stages
        if not self.short:
            import torch._dynamo  # noqa: F401

        self._learn()
        for kind in KINDS[self.short]:
            if kind in (only or KINDS[self.short]):
                started = time.monotonic()
                yield from self._under_pressure(kind) if kind in PRESSURE else getattr(self, kind)()
                print(f"{kind}: {time.monotonic() - started:.0f} s", file=sys.stderr)

    def _under_pressure(self, kind: str) -> Iterator[Row]:
        needs_root = kind in ("little_memory", "image_layer")
        if needs_root and (os.geteuid() or (kind == "little_memory" and not MEMORY_CGROUP.is_dir())):
            self.skipped[kind.replace("_", " ")] = "only root can, and where the system has it"
            return
        pressure = Pressure(self.folder, self.log, self.chance, self._times)
        for name, known in self._chosen(kind):
            yield getattr(pressure, kind)(name, known)

    def store_elsewhere(self) -> Iterator[Row]:
        """The store on another file system than the project."""
        pressure = Pressure(self.folder, self.log, self.chance, self._times)
        with self._small_disk("store on another file system") as place:
            for name in ("fetch", "index", "publish") if place else ():
                yield pressure.store_elsewhere(name, self.known[name], place)

    def _learn(self) -> None:
        """The old state of everything, then each undertaking undisturbed."""
        before = self.folder / "state"
        before.mkdir()
        done = in_child(build_old, before, log=self.log)
        assert done.ok, done.error
        chosen = [u for u in UNDERTAKINGS if not self.short or u.name not in ("train", "evaluate")]
        for undertaking in chosen:
            if undertaking.name in ("train", "evaluate"):
                assert in_child(run_stage, undertaking.name, before, OLD, log=self.log).ok
        for i, undertaking in enumerate(chosen):
            if undertaking.name == "fetch":
                undertaking = Undertaking(
                    "fetch",
                    partial(run_stage, "fetch", mirror=self.addresses["honest"]),
                    undertaking.units,
                    undertaking.read,
                )
            if undertaking.name == "cluster":
                assert in_child(embed, before, log=self.log).ok
            after = self.folder / f"after-{i}"
            self.known[undertaking.name] = learn(undertaking, before, after, self.log)
            before = after

    def _chosen(self, kind: str) -> list[tuple[str, Known]]:
        long = PRESSURE.get(kind, WITH_TIMES if kind == "clocks" else tuple(self.known))
        names = SHORT[kind] if self.short else long
        return [(name, self.known[name]) for name in names if name in (self.stages or names)]

    def _times(self, n: int) -> int:
        return 1 if self.short else n

    def kills(self) -> Iterator[Row]:
        """kill -9, at random moments and at random changes of files, a reader beside it."""
        for name, known in self._chosen("kills"):
            n_kills = 1 if self.short else N_KILLS[name]
            row = Row("kill -9", name)
            kill(Trials(known, self.work, self.log), row, n_kills, self.chance)
            yield row

    def remote_kills(self) -> Iterator[Row]:
        """kill -9 while a version travels to S3 and to a hub."""
        old, new = self.known["index"].before, self.known["publish"].after
        for where, uri, options in self._remotes():
            row = Row("kill -9", f"upload to {where}")
            if self.stages and row.stage not in self.stages:
                continue
            remote = Remote(old, new, uri, options, self.log)
            remote.learn()
            while row.endings.get("killed", 0) < self._times(N_KILLS[row.stage]):
                remote.disturb(row, Death(after_s=self.chance.uniform(0, remote.seconds)))
            yield row

    def _remotes(self) -> Iterator[tuple[str, str, dict[str, object]]]:
        s3 = {"key": "k", "secret": "s", "endpoint_url": self.addresses["s3"]}
        yield "S3", "s3://hub/{}/gldv2", s3
        yield "a hub", "hf://org/{}", {}

    # ---- the disk -----------------------------------------------------------------------------------------

    @contextmanager
    def _small_disk(self, fault: str) -> Iterator[Path | None]:
        """A file system of 32 MB; None, with the reason, where none may be mounted."""
        place = self.folder / "small"
        place.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(place)]
        done = (
            subprocess.run(command, capture_output=True, text=True, check=False)
            if os.geteuid() == 0
            else None
        )
        if done is None or done.returncode:
            self.skipped[fault] = "no file system may be mounted here"
            yield None
            return
        try:
            yield place
        finally:
            subprocess.run(["umount", "-l", str(place)], check=True)

    def full_disk(self) -> Iterator[Row]:
        """No space left, at a random point of every undertaking."""
        with self._small_disk("full disk") as place:
            for name, known in self._chosen("full_disk") if place else ():
                trials, row = Trials(known, place / "work", self.log), Row("full disk", name)
                for _ in range(self._times(3)):
                    trials.disturb(row, partial(self._run_full, known, place))
                yield row

    def _run_full(self, known: Known, place: Path, root: Path) -> Ended:
        filler = place / "filler"
        free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
        room = self.chance.choice([0, self.chance.randint(0, 64), self.chance.randint(0, 512)]) * 1024
        with filler.open("wb") as file:
            file.write(bytes(max(0, free - room)))
        try:
            return in_child(known.undertaking.run, root, log=self.log)
        finally:
            filler.unlink()

    def read_only(self) -> Iterator[Row]:
        """A disk that takes no write."""
        with self._small_disk("read-only disk") as place:
            for name, known in self._chosen("read_only") if place else ():
                trials, row = Trials(known, place / "work", self.log), Row("read-only disk", name)
                trials.disturb(row, partial(self._run_read_only, known, place))
                yield row

    def _run_read_only(self, known: Known, place: Path, root: Path) -> Ended:
        def remount(mode: str) -> None:
            subprocess.run(["mount", "-o", f"remount,{mode}", str(place)], check=True)

        remount("ro")
        try:
            return in_child(known.undertaking.run, root, log=self.log)
        finally:
            remount("rw")

    def no_permission(self) -> Iterator[Row]:
        """Another user's folders."""
        if os.geteuid():
            self.skipped["no permission"] = "only root can become somebody else"
            return
        (self.folder / "cache").mkdir(exist_ok=True)
        subprocess.run(["chmod", "-R", "a+rwX", str(self.folder / "cache")], check=True)
        for name, known in self._chosen("no_permission"):
            trials, row = Trials(known, self.work, self.log), Row("no permission", name)
            trials.disturb(
                row, lambda root, known=known: in_child(as_nobody, known.undertaking.run, root, log=self.log)
            )
            yield row

    # ---- the network --------------------------------------------------------------------------------------

    def lying_mirror(self) -> Iterator[Row]:
        """A mirror that cuts, stalls, lies about sizes, sends pages and flips bits."""
        known = self.known["fetch"]
        trials, row = Trials(known, self.work, self.log), Row("lying and stalling server", "fetch")
        reader = trials.read_meanwhile()
        for _ in range(self._times(10)):
            run = partial(run_stage, "fetch", mirror=self.addresses["liar"])
            trials.disturb(row, lambda root, run=run: in_child(run, root, log=self.log))
        row.readings, faults = reader.stop()
        row.losses += faults
        yield row

    def failing_s3(self) -> Iterator[Row]:
        """An S3 that answers with errors or `SlowDown`: one request in five, storms of them, and by a skewed clock."""
        old, new = self.known["index"].before, self.known["publish"].after
        (_, uri, options), *_ = self._remotes()
        remote = Remote(old, new, uri, options, self.log)
        remote.learn()
        for fault, door in (
            ("S3 errors and throttling", "failing_s3"),
            ("S3: storms of 503", "stormy_s3"),
            ("S3: a skewed clock", "skewed_s3"),
        ):
            row = Row(fault, "upload to S3")
            for _ in range(self._times(5)):
                remote.disturb(row, Death(), {**options, "endpoint_url": self.addresses[door]})
            yield row

    def failing_hub(self) -> Iterator[Row]:
        """A hub that fails before, in and after a commit, or does not say that it has done it."""
        old, new = self.known["index"].before, self.known["publish"].after
        *_, (_, uri, options) = self._remotes()
        row = Row("a hub that fails in mid-commit", "upload to a hub")
        remote = Remote(old, new, uri, options, self.log)
        remote.learn()
        for _ in range(self._times(8)):
            remote.disturb(row, Death(), hub=self.addresses["failing_hub"])
        yield row

    # ---- time ---------------------------------------------------------------------------------------------

    def clocks(self) -> Iterator[Row]:
        """Clocks that jump by years, and files from the past and the future."""
        for name, known in self._chosen("clocks"):
            trials, row = Trials(known, self.work, self.log), Row("clock jumps", name)
            for days in (-20_000, 30_000) if not self.short else (30_000,):
                run = partial(at_another_time, known.undertaking.run, days)
                trials.disturb(row, lambda root, run=run: in_child(run, root, log=self.log))
            yield row

    # ---- several at once ----------------------------------------------------------------------------------

    def reviewers(self) -> Iterator[Row]:
        """Two people decide at the same time, one of them killed now and then."""
        known, row = self.known["decide"], Row("two reviewers at once", "decide")
        trials = Trials(known, self.work, self.log)
        for i in range(self._times(10)):
            trials.disturb(row, partial(self._two_reviewers, row, dies=i % 2 == 1))
        yield row

    def _two_reviewers(self, row: Row, root: Path, dies: bool) -> Ended:
        paths = context(root).paths
        other = Child(lambda: decide_as("bob", root), self.log)
        ended = in_child(decide_as, "ada", root, log=self.log)
        died = dies and other.kill_after(self.chance.uniform(0, 0.2))
        other.answer()
        plan = {author: planned_decisions(paths.proposal, author) for author in ("ada", "bob")}
        for author, planned in plan.items():
            made = [decision for decision in read_decisions(paths.decisions) if decision.author == author]
            complete = made == planned or (died and author == "bob" and made == planned[: len(made)])
            row.losses += [] if complete else [f"{author}: {len(made)} of {len(planned)} decisions"]
        leave_what_ada_planned(root)
        return ended

    def stopped_app(self) -> Iterator[Row]:
        """The review app of one stops at a random moment, another decides in theirs, and the first goes on."""
        row = Row("a review app stopped, another beside it, continued", "decide")
        trials = Trials(self.known["decide"], self.work, self.log)
        for _ in range(self._times(5)):
            trials.disturb(row, partial(self._stop_app, row))
        yield row

    def _stop_app(self, row: Row, root: Path) -> Ended:
        ended = one_is_stopped(row, self.log, self.chance, root)
        leave_what_ada_planned(root)
        return ended

    def dead_worker(self) -> Iterator[Row]:
        """kill -9 of one process among those that share the work."""
        run = partial(run_stage, "publish", executor=Executor(n_workers=2))
        yield self._dead_worker("worker killed (local executor)", run, grandchildren)

    def dead_ray_worker(self) -> Iterator[Row]:
        """kill -9 of a Ray worker at its task: Ray does the task again."""
        yield self._dead_worker("worker killed (Ray)", publish_with_ray, working_for_ray)

    def _dead_worker(
        self, fault: str, run: Callable[[Path], None], workers_of: Callable[[int], list[int]]
    ) -> Row:
        known, row = self.known["publish"], Row(fault, "publish")
        trials = Trials(known, self.work, self.log)
        reader = trials.read_meanwhile()
        for _ in range(self._times(5)):
            trials.disturb(row, partial(self._kill_worker, run, workers_of))
        row.readings, faults = reader.stop()
        row.losses += faults
        return row

    def _kill_worker(
        self, run: Callable[[Path], None], workers_of: Callable[[int], list[int]], root: Path
    ) -> Ended:
        child, workers = Child(lambda: run(root), self.log), []
        while not workers and not child.ends_within(0.005):
            workers = workers_of(child.pid)
        if workers and not child.ends_within(self.chance.uniform(0, 0.5)):
            with suppress(ProcessLookupError):
                os.kill(self.chance.choice(workers), signal.SIGKILL)
        answer = child.answer()
        return Ended(answer is None, None, answer and answer["error"], 0, 0)

    def repro(self) -> Iterator[Row]:
        """`dvc repro` twice at the same time, and killed."""
        for fault, run in two_at_once_and_killed(self.folder / "project", self.chance):
            row = Row(fault, "dvc repro")
            run(row)
            yield row
