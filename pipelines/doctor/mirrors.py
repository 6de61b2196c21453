"""How files of local mirrors get into the store: shared with it, or copied."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from cairnhub.pipelines.context import Context
from cairnhub.pipelines.doctor.diagnosis import Diagnosis
from cairnhub.pipelines.params import Params
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.sources.fetching import mirror_of
from cairnhub.pipelines.sources.mirror_links import SETTLED_S, Sharing, share
from cairnhub.pipelines.sources.transport import is_file, local_path

_HOLDS = {
    "reflink": "ok: images and archives take no room twice, and nobody can change them from outside",
    "hard link": "ok: images and archives take no room twice; what is changed there in place is changed in the store, "
    "which is noticed: `mirror_files: copy` under fetch keeps a copy of one's own",
    "copy": "ok, but every file takes its space twice",
}


def examine_mirrors(root: Path, params: Params) -> Iterator[Diagnosis]:
    """What each mirror that is a folder of this machine shares with the store."""
    for scale in params.scales:
        for dataset in params.datasets:
            context = Context(dataset, scale, params, Paths(root, scale, dataset, params.files_of(dataset)))
            mirror = mirror_of(context)
            if mirror and is_file(mirror):
                yield _mirror(context, local_path(mirror))


def _mirror(context: Context, mirror: Path) -> Diagnosis:
    what = f"mirror {context.scale}/{context.dataset}"
    if not mirror.is_dir():
        return Diagnosis(what, f"{mirror} is missing", "problem: mount it, or correct fetch in params.yaml")
    if getattr(context.params.fetch, context.scale).mirror_files == "copy":
        return Diagnosis(what, f"{mirror}: copy, as params.yaml says", _HOLDS["copy"])
    how = _sharing(mirror, context.paths.store)
    reason = " (another disk than the store's, or one without links)" if how == "copy" else ""
    return Diagnosis(what, f"{mirror}: {how}{reason}", _HOLDS[how])


def _sharing(mirror: Path, store: Path) -> Sharing:
    """What the store's disk can, by trial; nothing is written into the mirror."""
    place = next(folder for folder in (store, *store.parents) if folder.is_dir())
    if mirror.stat().st_dev != place.stat().st_dev:
        return "copy"
    with TemporaryDirectory(dir=place, prefix=".cairn-doctor-") as folder:
        trial = Path(folder) / "a.tar"
        trial.write_bytes(b"cairn")
        os.utime(trial, (trial.stat().st_mtime - 2 * SETTLED_S,) * 2)
        return share(trial, trial.with_name("b.tar"))
