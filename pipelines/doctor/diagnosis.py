"""What the doctor finds, and what it may do about it."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from cairnhub.pipelines.sources.manifest import mark_damaged

DAY_S = 86_400


@dataclass(frozen=True)
class Repair:
    """What mends a finding; nothing that a person made is touched, and nothing damaged is deleted.

    Attributes:
        path: a leftover to remove or a damaged file to quarantine.
        quarantine: where a damaged file goes; None for a leftover.
        manifest: names the damaged file; it is marked there, so that `dvc repro` fetches it again.
        name: the damaged file's there.
    """

    path: Path
    quarantine: Path | None = None
    manifest: Path | None = None
    name: str = ""

    def apply(self) -> str:
        """Do it, and say what was done."""
        if self.quarantine is None:
            shutil.rmtree(self.path) if self.path.is_dir() else self.path.unlink(missing_ok=True)
            return f"removed {self.path}"
        place = _free(self.quarantine)
        place.parent.mkdir(parents=True, exist_ok=True)
        self.path.rename(place)
        if self.manifest is not None:
            mark_damaged(self.manifest, self.name)
        return f"moved {self.path} to {place}: now run `dvc repro`"


@dataclass(frozen=True)
class Diagnosis:
    """One thing looked at, what was found, and `ok ...` or `problem: ...`."""

    what: str
    found: str
    verdict: str
    repair: Repair | None = None

    @property
    def is_problem(self) -> bool:
        """Whether something must be mended."""
        return self.verdict.startswith("problem")


def age_s(path: Path) -> float:
    """Seconds since a file was last changed or moved; negative for one from the future."""
    status = path.lstat()
    return time.time() - max(status.st_mtime, status.st_ctime)


def _free(path: Path) -> Path:
    """The path itself, or the first numbered one that nothing has."""
    number, free = 1, path
    while free.exists():
        number, free = number + 1, path.with_name(f"{path.name}.{number}")
    return free
