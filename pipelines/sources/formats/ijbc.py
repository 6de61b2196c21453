"""IARPA Janus Benchmark C (Maze et al., ICB 2018): crops of faces, gathered in templates; probes search a gallery."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from cairnhub.core.errors import BrokenData
from cairnhub.core.parse import decode
from cairnhub.datasets_hub.card import Card, EvaluationProtocol
from cairnhub.pipelines.executors.local import HERE, Executor
from cairnhub.pipelines.settings.sources import IJBCSource, Subset
from cairnhub.pipelines.sources.line_tables import parse_lines
from cairnhub.pipelines.sources.listing import Listing, quarantine
from cairnhub.pipelines.sources.packed_lists import list_packed
from cairnhub.pipelines.sources.packs import Pack, Packed
from cairnhub.pipelines.sources.source_reader import SourceReader

CROPS = "meta/ijbc_face_tid_mid.txt"
TEMPLATES = {
    "meta/ijbc_1N_gallery_G1.csv": "gallery",
    "meta/ijbc_1N_gallery_G2.csv": "gallery",
    "meta/ijbc_1N_probe_mixed.csv": "query",
}
"""The lists of templates and whom they show -> the split of their images."""
PACK = Pack(
    name="IJBC.zip",
    root=None,
    mark=r"meta/ijbc_face_tid_mid\.txt",
    holds=r"meta/ijbc_(?:face_tid_mid\.txt|1N_(?:gallery_G[12]|probe_mixed)\.csv)|loose_crop/[0-9]+\.jpg",
    lists=(CROPS, *TEMPLATES),
    has_original=False,
)
LEVELS = ("identity",)
KEPT = ("template", "media")
HEADER = "TEMPLATE_ID,SUBJECT_ID"


class IJBC(SourceReader):
    """Reads `meta/ijbc_face_tid_mid.txt` (`<crop>.jpg <template> <media>`) and the three lists of the 1:N protocol.

    A person is what the galleries' and the probes' lists say of a template. What is searched for is a template, not an
    image: the columns `template` and `media` are kept.
    """

    levels = LEVELS
    edition = "ijbc"
    packs = (PACK,)

    def __init__(self, executor: Executor = HERE) -> None:
        self.executor = executor

    def list_images(self, store: Path) -> Listing:
        """List the crops of queries and gallery."""
        packed = self.packed(store, PACK)
        text, where = _text(packed, CROPS)
        record = r"(?P<name>[0-9]+\.jpg)\s+(?P<template>[0-9]+)\s+(?P<media>[0-9]+)"
        crops = parse_lines(text, record, where, "<number>.jpg, a template and a medium")
        listed = crops.assign(
            image_id=crops["name"].str.removesuffix(".jpg"), member="loose_crop/" + crops["name"]
        )
        templates = _templates(packed)
        images = listed.merge(templates, left_on="template", right_index=True, how="left")
        images["split"] = images["split"].fillna("query")
        images, unknown = quarantine(
            images, images["identity"].isna(), "its template is in no list of the protocol"
        )
        columns = (*LEVELS, *KEPT)
        listing = list_packed(packed, images, columns, unknown, listed["member"], self.executor)
        return replace(listing, kept=KEPT)

    def card(self) -> Card:
        """What the published dataset says of itself."""
        return Card(
            name="ijbc",
            title="IARPA Janus Benchmark C (IJB-C)",
            description=(
                "Crops of faces from photographs and videos, labelled by identity and gathered in templates (column "
                "`template`); probes search the gallery of both sets (1:N, mixed). Given by NIST on request, for "
                "research only; it shows people: mind the law where you are."
            ),
            homepage="https://www.nist.gov/programs-projects/face-challenges",
            licence="IJB-C-NIST-research-only",
            redistributable=False,
            citation=(
                "B. Maze, J. Adams, J. A. Duncan, N. Kalka, T. Miller, C. Otto, A. K. Jain, W. T. Niggel, J. Anderson, "
                "J. Cheney, P. Grother. IARPA Janus Benchmark - C: Face Dataset and Protocol. ICB 2018."
            ),
            levels=LEVELS,
            annotation_origin="given",
            protocols=(
                EvaluationProtocol(
                    name="retrieval", query="query", gallery="gallery", kind="templates", template="template"
                ),
            ),
        )


def make(dataset: str, source: IJBCSource, subset: Subset, executor: Executor) -> IJBC:
    """See `formats`."""
    return IJBC(executor)


def _text(packed: Packed, name: str) -> tuple[str, Path]:
    where = packed.where(name)
    return decode(packed.read_files([name])[name], str(where)), where


def _templates(packed: Packed) -> pd.DataFrame:
    """Whom a template shows and its split, by template."""
    frames = []
    for name, split in TEMPLATES.items():
        text, where = _text(packed, name)
        if not text.upper().startswith(HEADER):
            raise BrokenData(f"{where}:1: its columns are not {HEADER}, ...; fetch it again")
        record = r"(?P<template>[0-9]+),(?P<identity>[0-9]+)(?:,.*)?"
        rows = parse_lines(text, record, where, "a row that begins with a template and a subject", n_head=1)
        frames.append(rows.drop_duplicates(["template", "identity"]).assign(split=split))
    templates = pd.concat(frames).drop_duplicates(["template", "identity", "split"])
    if (twice := templates["template"].duplicated()).any():
        example = templates.loc[twice, "template"].iloc[0]
        raise BrokenData(
            f"{packed.where(CROPS).parent}: template {example} shows two people, or is both probe and gallery; fetch "
            "the lists again"
        )
    return templates.set_index("template")
