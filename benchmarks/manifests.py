"""What a manifest of loose images costs in git: its size, what an edit of one file adds, and after `git gc`.

Beside it the form of before schema 2, which listed every file with its hash twice. Writes results/manifests.json.
"""

import hashlib
import json
import random
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from cairnhub.pipelines.sources.ledger import FetchedFile
from cairnhub.pipelines.sources.manifest import write_manifest

SIZES = ((5_902, 81), (110_000, 1_000))
"""Images, and folders of classes that they lie in."""
Write = Callable[[Path, Sequence[FetchedFile]], None]


def images(n_images: int, n_folders: int) -> list[FetchedFile]:
    """Loose images of random content."""
    draw = random.Random(0)
    return [_image(f"images/class_{i % n_folders:04d}/photo_{i:06d}.jpg", draw) for i in range(n_images)]


def _image(name: str, draw: random.Random) -> FetchedFile:
    sha256 = hashlib.sha256(draw.randbytes(16)).hexdigest()
    return FetchedFile(name, draw.randrange(50_000, 500_000), sha256, f"sha256:{sha256}")


def write_schema_1(folder: Path, files: Sequence[FetchedFile]) -> None:
    """A manifest as it was: everything in git."""
    listed = [asdict(file) for file in sorted(files, key=lambda file: file.name)]
    record = {"dataset": "photos", "files": listed, "scale": "full"}
    (folder / "manifest.json").write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


def write_schema_2(folder: Path, files: Sequence[FetchedFile]) -> None:
    """A manifest as it is: the table is DVC's."""
    write_manifest(folder / "manifest.json", folder / "images.tsv", "photos", "full", files)


def measure(write: Write, files: Sequence[FetchedFile]) -> dict[str, int]:
    """Bytes of the manifest, and what git keeps before and after one image changed."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        git(folder, "init", "--quiet")
        write(folder, files)
        commit(folder)
        loose = kept(folder)
        changed = [*files]
        changed[len(files) // 2] = replace(
            changed[len(files) // 2], sha256="0" * 64, hash="sha256:" + "0" * 64
        )
        git(folder, "gc", "--quiet")
        packed = kept(folder)
        write(folder, changed)
        commit(folder)
        edited = kept(folder) - packed
        lines = git(folder, "diff", "--numstat", "HEAD~1").split()[:2]
        git(folder, "gc", "--quiet")
        table = folder / "images.tsv"
        return {
            "manifest_bytes": (folder / "manifest.json").stat().st_size,
            "table_bytes": table.stat().st_size if table.exists() else 0,
            "git_bytes": loose,
            "edit_bytes": edited,
            "edit_bytes_after_gc": kept(folder) - packed,
            "edit_lines": sum(map(int, lines)),
        }


def git(folder: Path, *arguments: str) -> str:
    """Run git; gives what it prints."""
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "gc.auto=0")
    command = ["git", *who, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def commit(folder: Path) -> None:
    """Commit the manifest, and what else is in git."""
    git(folder, "add", "manifest.json")
    git(folder, "commit", "--quiet", "-m", "fetched")


def kept(folder: Path) -> int:
    """Bytes of git's objects, without the index of a pack."""
    paths = (folder / ".git/objects").rglob("*")
    return sum(path.stat().st_size for path in paths if path.is_file() and path.suffix in ("", ".pack"))


def main() -> None:
    """Measure both forms at both sizes."""
    if shutil.which("git") is None:
        raise SystemExit("git is not there: install it")
    forms: dict[str, Write] = {"schema 1": write_schema_1, "schema 2": write_schema_2}
    rows = [
        {"images": n, "folders": folders, "form": form} | measure(write, images(n, folders))
        for n, folders in SIZES
        for form, write in forms.items()
    ]
    target = Path(__file__).parent / "results/manifests.json"
    target.write_text(json.dumps({"rows": rows}, indent=1) + "\n")
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
