"""What is fuzzed: every parser as a function of bytes, and seeds that it accepts.

A target calls its parser and uses what comes out as the product would: what is taken in must not fail later.
`CairnError` is the contract; the harness counts any other exception as a finding.
"""

import contextlib
import gzip
import io
import json
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from safetensors.numpy import save

from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.card import front_matter, read_card
from cairnhub.datasets_hub.decoding import decode_image
from cairnhub.datasets_hub.duplicates import look
from cairnhub.datasets_hub.image_check import ImageCheck
from cairnhub.datasets_hub.location import Location, open_dataset
from cairnhub.datasets_hub.stats import SCHEMA, Stats
from cairnhub.hierarchies.export import FORMATS, export
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.proposal.text_vectors import Embeddings
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.render import render_text
from cairnhub.hierarchies.review.apply import apply_decisions
from cairnhub.hierarchies.review.decisions import Decision, read_decisions
from cairnhub.hierarchies.review.label_studio_answers import read_answers, unanimous
from cairnhub.hierarchies.voice.model_evidence import read_evidence, with_evidence
from cairnhub.pipelines.archives.member_reader import MemberReader
from cairnhub.pipelines.archives.tar import Tar
from cairnhub.pipelines.archives.targz import TarGz
from cairnhub.pipelines.archives.zip import Zip
from cairnhub.pipelines.artifacts.class_list import HEADER, ClassList
from cairnhub.pipelines.embedding_files import KINDS, read_embeddings, read_labels
from cairnhub.pipelines.params import load_params
from cairnhub.pipelines.sources.registered_counts import expected_counts
from cairnhub.pipelines.sources.registry import REGISTRIES
from cairnhub.training.recipes.files import FOLDER, recipe_files
from cairnhub.training.recipes.recipe import load_recipe
from tests.fuzz.inputs import Target, chosen, tar_of, write, zip_of
from tests.fuzz.sources import SOURCES
from tests.hierarchies.toy import PROPOSAL
from tests.odd_images import EXIF, with_exif
from tests.project import ROOT

MAX_PIXELS = 1_000_000


# ---- archives and images ------------------------------------------------------------------------------------


def _tar(content: bytes, folder: Path) -> None:
    write(folder, {"x.tar": content})
    with MemberReader(folder) as reader:
        for entry in Tar(folder, "x.tar").entries():
            entry.member.encode()
            if not entry.refusal:
                reader.read(entry)


def _tar_gz(content: bytes, folder: Path) -> None:
    is_raw, rest = content[:1] == b"\0", content[1:]
    write(folder, {"x.tar.gz": rest if is_raw else gzip.compress(rest, 1)})
    for member in TarGz(folder, "x.tar.gz").members():
        member.name.encode()


def _zip(content: bytes, folder: Path) -> None:
    write(folder, {"x.zip": content})
    archive = Zip(folder, "x.zip")
    with contextlib.closing(archive.open()) as opened:
        for entry in archive.entries():
            entry.member.encode()
            if not entry.refusal:
                with contextlib.suppress(CairnError):
                    opened.read(entry)


def _image(content: bytes, folder: Path) -> None:
    ImageCheck().fault(content)
    if ImageCheck(MAX_PIXELS, decode=True).fault(content) is None:
        look(decode_image(content))


def pictures() -> list[bytes]:
    found = []
    for form in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "TGA", "QOI", "SGI"):
        out = io.BytesIO()
        Image.effect_noise((12, 9), 50).convert("RGB").save(out, form)
        found.append(out.getvalue())
    return [*found, *(with_exif(found[0], block) for block in EXIF.values())]


# ---- trees and decisions ------------------------------------------------------------------------------------


def use_tree(tree: LabelTree) -> None:
    """Everything that is done with a tree."""
    assert LabelTree.from_json(tree.to_json()) == tree
    assert LabelTree.from_nodes(tree.nodes()) == tree
    for form in FORMATS:
        export(tree, form).encode()
    render_text(tree)
    tree.find(tree.leaves[0])


def _tree(content: bytes, folder: Path) -> None:
    write(folder, {"tree.json": content})
    use_tree(LabelTree.load(folder / "tree.json"))


NODES = LabelTree.from_table(pd.DataFrame({"fine": ["a", "b"], "coarse": ["c", "c"]}), ["fine", "coarse"])


def _nodes(content: bytes, folder: Path) -> None:
    """A table of nodes as somebody might have saved it: CSV with types guessed."""
    try:
        frame = pd.read_csv(io.BytesIO(content))
    except (ValueError, OverflowError):
        return
    use_tree(LabelTree.from_nodes(frame))


def _proposal(content: bytes, folder: Path) -> None:
    write(folder, {"proposal.json": content})
    proposal = TreeProposal.load(folder / "proposal.json")
    tree, report = apply_decisions(proposal, ())
    tree.to_json().encode()
    report.counts()


def _class_list(content: bytes, folder: Path) -> None:
    write(folder, {"x.tsv": content})
    tree, classes = ClassList.load(folder / "x.tsv").number(NODES)
    use_tree(tree)
    classes.save()
    assert ClassList.load(folder / "x.tsv").number(NODES)[0] == tree


def _decisions(content: bytes, folder: Path) -> None:
    write(folder, {"x.jsonl": content})
    decisions = read_decisions(folder / "x.jsonl")
    tree, report = apply_decisions(PROPOSAL, decisions)
    assert sum(report.counts().values()) - len(report.pending) <= len(decisions)
    use_tree(tree)


def _evidence(content: bytes, folder: Path) -> None:
    write(folder, {"x.jsonl": content})
    told = with_evidence(PROPOSAL, read_evidence(folder / "x.jsonl"))
    told.check("x")
    use_tree(apply_decisions(told, ())[0])


def _label_studio(content: bytes, folder: Path) -> None:
    write(folder, {"x.json": content})
    for answer in unanimous(read_answers(folder / "x.json")):
        decision = Decision(
            "move", answer.level, answer.label, answer.to, author=answer.author, date=answer.date
        )
        assert Decision.from_line(decision.to_line(), "x") == decision


LABEL_STUDIO = b"""[{"id": 1, "data": {"dataset": "gldv2", "level": "landmark", "label": "moat"}, "annotations":
[{"result": [{"from_name": "group", "type": "choices", "value": {"choices": ["castle"]}}], "was_cancelled": false,
"completed_by": {"id": 7, "email": "ada@example.org"}, "updated_at": "2026-03-01T10:00:00Z"}]}]"""
EVIDENCE = b"""{"ask": "place", "level": "type", "label": "moat", "members": ["fort"], "choices": ["castle", "x"], \
"answer": "castle", "model": "m", "date": "2026-03-01T10:00:00Z"}
{"ask": "name", "level": "category", "members": ["fort", "keep"], "answer": "a", "model": "m", \
"date": "2026-03-01T10:00:00Z"}
"""
DECISIONS = b"""{"act": "move", "level": "type", "label": "keep", "to": "castle", "author": "ada"}
{"act": "rename", "level": "category", "label": "castle", "to": "fortress"}
{"act": "split", "level": "category", "label": "castle", "to": "fort", "members": ["fort"], "kind": "natural"}
{"act": "undo", "of": "0123456789ab"}
"""


# ---- cards, numbers, parameters -----------------------------------------------------------------------------

CARD = """---
license: mit
configs: []
cairn:
  name: toy
  title: Toy
  description: Drawn.
  licence: MIT
  redistributable: true
  levels: [fine, coarse]
  annotation_origin: given
  protocols: [{name: main, query: test, gallery: test}]
  sources: [{name: a, url: "https://example.org"}]
---

# Toy
"""
SHARD = {
    "path": "data/x-0123456789abcdef.parquet",
    "n_rows": 1,
    "size_bytes": 1,
    "image_bytes": 1,
    "sha256": "0",
}
STATS = {
    "schema": SCHEMA, "fingerprint": "0", "tree_fingerprint": "0", "n_names": {"fine": 1},
    "splits": {"train": {"n_listed": 1, "n_images": 1, "n_quarantined": 0, "n_excluded": 0, "n_unlabelled": 0,
                         "n_labels": {"fine": 1}, "shards": [SHARD]}},
    "tables": {"nodes": SHARD}, "quarantine": {}, "with_images": True,
}  # fmt: skip


def _published(readme: bytes, stats: bytes, folder: Path) -> None:
    write(folder, {"README.md": readme, "stats.json": stats})
    found = open_dataset(Location(str(folder)))
    f"{found.stats.n_images:,} {found.card.licence} {found.data_files}".encode()


def _card(content: bytes, folder: Path) -> None:
    _published(content, json.dumps(STATS).encode(), folder)
    text = content.decode()
    front_matter(text, "README.md")
    assert read_card(text, "README.md").model_dump_json()


def _stats(content: bytes, folder: Path) -> None:
    _published(CARD.encode(), content, folder)
    Stats.from_json(content.decode(), "stats.json").save(folder / "again.json")


def _params(content: bytes, folder: Path) -> None:
    write(folder, {"params.yaml": content})
    load_params(folder / "params.yaml")


def _recipe(content: bytes, folder: Path) -> None:
    write(folder, {"mine.yaml": content, "small.yaml": (FOLDER / "small.yaml").read_bytes()})
    load_recipe("mine", folder)


def _counts(content: bytes, folder: Path) -> None:
    write(folder, {"gldv2.counts.yaml": content})
    expected_counts("gldv2", "full", folder)


# ---- models and vectors -------------------------------------------------------------------------------------


def _models() -> ModuleType:
    """Torch takes seconds to import: only where it is needed."""
    from tests.fuzz import models

    return models


@cache
def embeddings() -> bytes:
    with tempfile.TemporaryDirectory() as name:
        from tests.hierarchies.toy import ToyEmbedder

        Embeddings.of(["a", "b"], ToyEmbedder()).save(Path(name) / "x.parquet")
        return (Path(name) / "x.parquet").read_bytes()


def _embeddings(content: bytes, folder: Path) -> None:
    write(folder, {"x.parquet": content})
    Embeddings.load(folder / "x.parquet")


def _vectors(content: bytes, folder: Path) -> None:
    kind = KINDS[content[0] % len(KINDS)] if content else KINDS[0]
    write(folder, {f"x{kind}": content[1:]})
    read = read_embeddings(folder / f"x{kind}")
    assert np.isfinite(read.vectors).all()
    assert read.ids is None or len(read.ids) == len(read.vectors)


def vectors() -> list[bytes]:
    """One of each kind, after the kind's number."""
    rows = np.eye(3, 2, dtype=np.float32) + 1
    npy, parquet = io.BytesIO(), io.BytesIO()
    np.save(npy, rows)
    pq.write_table(pa.table({"image_id": list("abc"), "vector": rows.tolist()}), parquet)
    made = [npy.getvalue(), parquet.getvalue(), save({"embeddings": rows})]
    return [bytes([number]) + content for number, content in enumerate(made)]


def _label_table(content: bytes, folder: Path) -> None:
    write(folder, {"x.csv": content})
    read = read_labels(folder / "x.csv")
    assert read.ids is None or len(set(read.ids)) == len(read.labels)


def _text(path: Path) -> Callable[[], list[bytes]]:
    return lambda: [path.read_bytes()]


_MEMBERS = {"a.jpg": b"12345", "d/b.txt": b"x" * 600}

TARGETS: Mapping[str, Target] = {
    **SOURCES,
    "tar": Target(_tar, lambda: [tar_of(_MEMBERS), tar_of({"é" * 90: b"1"})]),
    "tar_gz": Target(_tar_gz, lambda: [b"\1" + tar_of(_MEMBERS), b"\0" + gzip.compress(tar_of(_MEMBERS))]),
    "zip": Target(_zip, lambda: [zip_of(_MEMBERS)]),
    "image": Target(_image, pictures),
    "tree": Target(_tree, lambda: [NODES.to_json().encode()]),
    "nodes": Target(_nodes, lambda: [NODES.nodes().to_csv(index=False).encode()]),
    "proposal": Target(_proposal, lambda: [PROPOSAL.to_json().encode()]),
    "class_list": Target(
        _class_list, lambda: [f"{HEADER}\n{NODES.levels[0]}\t{NODES.leaves[-1]}\n".encode()]
    ),
    "decisions": Target(_decisions, lambda: [DECISIONS]),
    "evidence": Target(_evidence, lambda: [EVIDENCE]),
    "label_studio": Target(_label_studio, lambda: [LABEL_STUDIO]),
    "card": Target(_card, lambda: [CARD.encode()]),
    "stats": Target(_stats, lambda: [json.dumps(STATS).encode()]),
    "params": Target(_params, _text(ROOT / "params.yaml")),
    "recipe": Target(_recipe, lambda: [path.read_bytes() for path in recipe_files()]),
    "counts": Target(_counts, _text(REGISTRIES / "gldv2.counts.yaml")),
    "model": Target(lambda *given: _models().model(*given), lambda: chosen(_models().model_files())),
    "model_config": Target(
        lambda *given: _models().model_config(*given), lambda: chosen(_models().config_files())
    ),
    "checkpoint": Target(lambda *given: _models().checkpoint(*given), lambda: [_models().checkpoint_file()]),
    "embeddings": Target(_embeddings, lambda: [embeddings()]),
    "vectors": Target(_vectors, vectors),
    "label_table": Target(_label_table, lambda: [b"image_id,species,genus\na,b,c\nd,e,c\n"]),
}
"""Parser -> how it is fuzzed."""
