"""Where a dataset is written until it is whole: out of the reach of whoever reads the hub, by one process at a time."""

import glob
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from cairnhub.core.errors import Unreachable
from cairnhub.core.files import can_move, lock_folder, remove_leftovers, switch_folder, write_text_atomic
from cairnhub.datasets_hub.location import SCALES
from cairnhub.datasets_hub.stats import ShardFile

STAGED = ".staged"
"""Ends the names of shards until readers may see them: a glob such as `**/*.parquet` passes them over."""


@dataclass(frozen=True)
class Staging:
    """The folder `.<hub>.<scale>.<name>.partial` beside the hub's own; travels to workers.

    `<hub>/**/data/*.parquet` goes into hidden folders too, and the old dataset changes places with the new one in one
    step: only a place outside the hub keeps readers from counting both.

    Attributes:
        root: holds the plan, the markers of finished shards, and `whole`.
        whole: becomes the dataset's folder; a folder deeper, so that `*/data/*.parquet` does not find it.
        gate: folder `.<name>.partial` in the hub. Whoever may replace the dataset can lock it, while it depends on a
            login's rights where `root` is.
    """

    root: Path
    whole: Path
    gate: Path

    @classmethod
    def of(cls, folder: Path) -> "Staging":
        """That of a dataset's folder; in the hub where that is a disk of its own, or nothing may be put beside it."""
        parent = folder.parent.resolve()
        hub = parent.parent if parent.name in SCALES else parent
        where = ".".join((hub.name, *parent.relative_to(hub).parts, folder.name))
        outside, inside = hub.parent / f".{where}.partial", parent / f".{folder.name}.partial"
        parent.mkdir(parents=True, exist_ok=True)
        if not can_move(outside.name, hub.parent, parent):
            return cls(inside, inside / folder.name, inside)
        remove_leftovers(parent, glob.escape(inside.name))  # of a time when it could not be outside
        return cls(outside, outside / folder.name, inside)

    @property
    def data(self) -> Path:
        """Of the shards."""
        return self.whole / "data"

    @property
    def markers(self) -> Path:
        """Of what is finished."""
        return self.root / "markers"

    def finished(self, file: ShardFile) -> Path | None:
        """Where a finished shard lies, by its hash: it is renamed once all shards are counted."""
        return next(self.data.glob(f"*-{file.sha256[:16]}.parquet{STAGED}"), None)

    def path(self, file: ShardFile) -> Path:
        """Where a shard that has its final name lies."""
        return self.whole / f"{file.path}{STAGED}"

    def readable(self, files: Sequence[ShardFile]) -> list[ShardFile]:
        """Shards by the names that they have here."""
        return [replace(file, path=f"{file.path}{STAGED}") for file in files]

    @contextmanager
    def held(self) -> Iterator["Staging"]:
        """Keep other processes out until the block ends.

        Raises:
            Unreachable: another one is writing this dataset.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        self.gate.mkdir(exist_ok=True)
        with lock_folder(self.gate) as is_ours:
            if not is_ours:
                raise Unreachable(
                    f"{self.gate}: another process is writing this dataset; wait for it, or stop it, and run again"
                )
            try:
                yield self
            finally:
                with suppress(OSError):  # it is `root`, and holds what the next run goes on with
                    self.gate.rmdir()

    def open(self, plan: str) -> None:
        """Continue what a killed run of the same plan left, or begin anew."""
        before = self.root / "plan"
        if not before.exists() or before.read_text() != plan:
            for path in self.root.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        remove_leftovers(self.root)
        self.data.mkdir(parents=True, exist_ok=True)
        self.markers.mkdir(exist_ok=True)
        for name in ("tree", "quarantine", "duplicates", "assets"):
            shutil.rmtree(self.whole / name, ignore_errors=True)
        write_text_atomic(before, plan)

    def switch(self, folder: Path) -> None:
        """Put the finished dataset in its place; killed in between, the next run does it again."""
        (self.root / "plan").unlink()
        for path in self.data.iterdir():
            path.rename(path.with_name(path.name.removesuffix(STAGED)))
        switch_folder(self.whole, folder)
        shutil.rmtree(self.root)
