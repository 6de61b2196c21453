"""`cairn site`: report, trees, maps, retrieval pages and cards as one folder, for any web server or a double click."""

import logging
from collections.abc import Mapping
from pathlib import Path

from cairnhub.core.errors import NotFound
from cairnhub.core.files import replace_folder, write_text_atomic
from cairnhub.pipelines.params import SCALES
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.report_data import read_summary
from cairnhub.pipelines.result_pages import write_dataset_pages
from cairnhub.pipelines.stages.summary import report_page

log = logging.getLogger(__name__)

MARK = ".cairn-site"
"""A file of a folder that this wrote and may replace."""
WORDS = {
    "tree": "explore the tree",
    "retrieval": "what the model finds",
    "map": "map of the images",
    "card": "card",
}


def write_site(root: Path, output: Path) -> list[Path]:
    """Write the folder anew, whole: `index.html`, and per scale and dataset its pages.

    Images whose licence lets nobody pass them on are not in it.

    Args:
        root: of the project.
        output: the folder; what lies there is replaced, if this wrote it.

    Returns:
        The pages, in order.

    Raises:
        CairnError: nothing is built, or the folder holds something else.
    """
    built = [
        Paths(root, scale, folder.name)
        for scale in SCALES
        for folder in sorted((root / "data/hub" / scale).glob("[!.]*"))
        if (folder / "README.md").is_file()
    ]
    if not built:
        raise NotFound(f"{root / 'data/hub'}: nothing is published yet; run `dvc repro` first")
    if output.exists() and any(output.iterdir()) and not (output / MARK).is_file():
        raise NotFound(
            f"{output}: is not empty, and nothing that `cairn site` wrote: name another folder, or empty it"
        )
    links: dict[tuple[str, str], Mapping[str, str]] = {}
    with replace_folder(output) as folder:
        (folder / MARK).touch()
        for paths in built:
            place = folder / paths.scale / paths.dataset
            place.mkdir(parents=True)
            files = write_dataset_pages(place, paths)
            links[paths.scale, paths.dataset] = {
                WORDS[what]: f"{paths.scale}/{paths.dataset}/{file}" for what, file in files.items()
            }
            log.info(f"{paths.dataset}: {', '.join(files)}")
        summary = read_summary(root, lambda scale, name: links.get((scale, name), {}))
        write_text_atomic(folder / "index.html", report_page(summary))
    return sorted(output.rglob("*.html"))
