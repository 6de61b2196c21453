"""A dataset's card: typed, kept in the YAML head of the README, from which it is read back."""

import html
import re
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from cairnhub.core.errors import UNPRINTABLE, BrokenData
from cairnhub.core.parse import parse_yaml, typed
from cairnhub.datasets_hub.schema import image_features, table_features
from cairnhub.datasets_hub.stats import Stats
from cairnhub.hierarchies.label_tree.tree import LabelTree

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
SplitName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]\w{0,63}$")]


def _shown(text: str) -> str:
    if UNPRINTABLE.search(text):
        raise ValueError("control characters or overrides of the writing direction; remove them")
    return text


Text = Annotated[str, AfterValidator(_shown)]  # it is shown in terminals and pages
WebUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s<>\"'()]+$")]
# Licences that the Hugging Face hub knows by name; others are shown as "other" with their name beside.
_HUB_LICENCES = {"apache-2.0", "mit", "bsd-3-clause", "cc0-1.0", "odc-by", "odbl"} | {
    f"cc-{kind}-{version}"
    for kind in ("by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd")
    for version in ("2.0", "2.5", "3.0", "4.0")
}


class _Typed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Typed):
    """Where data came from: `sha256` is that of its manifest or of its one file."""

    name: Text
    version: Text | None = None
    url: WebUrl | None = None
    sha256: str | None = None


class Decisions(_Typed):
    """The file of human decisions that shaped the tree, and the SHA-256 of what was applied."""

    file: str
    fingerprint: str
    n_applied: int = 0


class EvaluationProtocol(_Typed):
    """One way to evaluate: images of `query` search those of `gallery` (in the same split: the others).

    `levels` are those that mean something in these splits, fine to coarse; none named means all.
    """

    name: Slug
    query: SplitName
    gallery: SplitName
    levels: tuple[str, ...] = ()


class Card(_Typed):
    """What a person must know before using a dataset.

    Attributes:
        name: folder name in the hub.
        licence: of the images and labels, an SPDX id where there is one.
        redistributable: whether the *images* may be passed on; if not, only labels and splits travel.
        levels: level names, fine to coarse.
        annotation_origin: who gave the labels above the finest level.
        attribution: columns of `schema.ATTRIBUTION` that the source has.
        attribution_required: splits whose images each need a licence and, but for the public domain, an author.
        protocols: named pairs of splits.
    """

    name: Slug
    title: Text
    description: Text
    licence: Text
    redistributable: bool
    levels: tuple[str, ...]
    annotation_origin: Literal["given", "automatic", "automatic-and-reviewed"]
    citation: Text | None = None
    homepage: WebUrl | None = None
    licence_url: WebUrl | None = None
    attribution: tuple[Literal["source_url", "author", "license", "title"], ...] = ()
    attribution_required: tuple[SplitName, ...] = ()
    protocols: tuple[EvaluationProtocol, ...] = ()
    sources: tuple[Source, ...] = ()
    decisions: Decisions | None = None
    tags: tuple[str, ...] = Field(default=("image-retrieval", "metric-learning", "hierarchical-labels"))

    @model_validator(mode="after")
    def _attribution_is_there(self) -> Self:
        if self.attribution_required and not {"author", "license"} <= set(self.attribution):
            raise ValueError("attribution_required needs `author` and `license` in attribution")
        return self


def render_readme(card: Card, tree: LabelTree, stats: Stats, pictures: tuple[str, ...] = ()) -> str:
    """The README of a published dataset: YAML head for machines, Markdown for people.

    Args:
        card: the description.
        tree: the label tree.
        stats: counts and files.
        pictures: paths of pictures below the dataset's folder.
    """
    head = yaml.safe_dump(
        _front_matter(card, tree, stats), sort_keys=False, allow_unicode=True, width=110, line_break="\n"
    )
    return f"---\n{head}---\n\n{_body(card, tree, stats, pictures)}"


def read_card(text: str, origin: str) -> Card:
    """Read the card back from a README.

    Raises:
        CairnError: no YAML head, or none that Cairn wrote; the message names the key.
    """
    head = front_matter(text, origin)
    if "cairn" not in head:
        raise BrokenData(f"{origin}: its YAML head has no key `cairn`: give a dataset that Cairn published")
    return typed(Card, head["cairn"], f"{origin}: the card is not valid")


def front_matter(text: str, origin: str) -> dict[str, object]:
    """The YAML head of a README as plain values.

    Raises:
        CairnError: there is none, or it is not YAML.
    """
    match = re.match(r"---\n(.*?\n)---\n", text, re.DOTALL)
    if not match:
        raise BrokenData(f"{origin}: no YAML head between `---` lines; is the file whole?")
    content = parse_yaml(f"\n{match[1]}", origin)  # so that its lines count as those of the file
    if not isinstance(content, dict):
        raise BrokenData(f"{origin}: the YAML head is no mapping; is the file whole?")
    return content


def _front_matter(card: Card, tree: LabelTree, stats: Stats) -> dict[str, object]:
    from datasets import DatasetInfo, SplitDict, SplitInfo
    from datasets.info import DatasetInfosDict
    from huggingface_hub import DatasetCardData

    def info(features: object, splits: list[tuple[str, int, int]]) -> DatasetInfo:
        listed = SplitDict({name: SplitInfo(name, size, rows) for name, size, rows in splits})
        size_bytes = sum(size for _, size, _ in splits)
        return DatasetInfo(
            features=features, splits=listed, download_size=size_bytes, dataset_size=size_bytes
        )

    images = [
        (name, sum(shard.size_bytes for shard in split.shards), split.n_images)
        for name, split in stats.splits.items()
    ]
    infos = {"default": info(image_features(tree, card.attribution, stats.with_images), images)}
    for name, file in stats.tables.items():
        infos[name] = info(table_features(name), [("train", file.size_bytes, file.n_rows)])
    data = DatasetCardData()
    DatasetInfosDict(infos).to_dataset_card_data(data)
    return {
        "pretty_name": card.title,
        **_licence(card),
        "task_categories": ["image-feature-extraction"],
        "tags": list(card.tags),
        "configs": configs(stats),
        "dataset_info": data["dataset_info"],
        "cairn": card.model_dump(mode="json", exclude_none=True),
    }


def _licence(card: Card) -> dict[str, object]:
    """The keys by which the Hugging Face hub shows a licence; names it does not know are one lower-case word."""
    name = card.licence.lower()
    if name in _HUB_LICENCES:
        return {"license": name}
    if name.startswith("unknown"):
        return {"license": "unknown"}
    slug = re.sub(r"[^a-z0-9.]+", "-", name).strip("-")
    link = {"license_link": card.licence_url} if card.licence_url else {}
    return {"license": "other", "license_name": slug, **link}


def configs(stats: Stats) -> list[dict[str, object]]:
    """The `configs:` of the YAML head: files by name, so that what else lies in the folder is invisible."""
    images: list[dict[str, object]] = [
        {"split": name, "path": [shard.path for shard in split.shards]}
        for name, split in stats.splits.items()
    ]
    tables: list[dict[str, object]] = [
        {"config_name": name, "data_files": [{"split": "train", "path": file.path}]}
        for name, file in stats.tables.items()
    ]
    return [{"config_name": "default", "data_files": images, "default": True}, *tables]


def escape(text: str) -> str:
    """Text that Markdown shows as it is: neither HTML nor formatting in it comes alive."""
    escaped = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", escaped)


def _body(card: Card, tree: LabelTree, stats: Stats, pictures: tuple[str, ...]) -> str:
    sections = [f"# {escape(card.title)}", escape(card.description)]
    sections += [f"![{PurePosixPath(picture).stem.split('-')[0]}]({picture})" for picture in pictures]
    sections += [_counts(tree, stats), _loading(card, tree), _provenance(card, stats)]
    if card.citation:
        quoted = card.citation.strip().replace("```", "'''")
        sections.append(f"## Citation\n\n```\n{quoted}\n```")
    return "\n\n".join(section for section in sections if section) + "\n"


def _counts(tree: LabelTree, stats: Stats) -> str:
    levels = tree.levels
    lines = [
        "## Contents",
        "",
        f"| split | images | {' | '.join(levels)} | without a label |",
        "|---|" + "---:|" * (len(levels) + 2),
    ]
    for name, split in stats.splits.items():
        labels = " | ".join(f"{split.n_labels[level]:,}" for level in levels)
        lines.append(f"| {escape(name)} | {split.n_images:,} | {labels} | {split.n_unlabelled:,} |")
    names = " | ".join(f"{stats.n_names[level]:,}" for level in levels)
    lines += [
        f"| *names in the tree* | | {names} | |",
        "",
        "Levels run from fine to coarse. Under each level: how many of its names have an image in the split.",
    ]
    if stats.quarantine:
        reasons = ", ".join(f"{escape(reason)} ({count:,})" for reason, count in stats.quarantine.items())
        lines += ["", f"Quarantined: {reasons}."]
    return "\n".join(lines)


def _loading(card: Card, tree: LabelTree) -> str:
    lines = [
        "## Loading",
        "",
        "```python",
        "from datasets import load_dataset",
        "",
        'images = load_dataset("path/of/this/folder")           # splits as above',
        'nodes = load_dataset("path/of/this/folder", "nodes")   # the label tree, one row per node',
        "```",
        "",
        "A level of at most 500 names is a `ClassLabel` (its integer is `class_index` in `nodes`);",
        "a larger one holds the `node_id`. `tree.json` is the whole tree, `stats.json` has the counts and",
        "the SHA-256 of every file.",
    ]
    if card.protocols:
        lines += ["", "| protocol | queries | gallery |", "|---|---|---|"]
        lines += [f"| {p.name} | {p.query} | {p.gallery} |" for p in card.protocols]
    return "\n".join(lines)


def _provenance(card: Card, stats: Stats) -> str:
    origin = {
        "given": "given by the data's authors",
        "automatic": "proposed by a machine, not reviewed",
        "automatic-and-reviewed": "proposed by a machine, reviewed by people",
    }[card.annotation_origin]
    images = "may" if card.redistributable else "may not"
    edition = "" if stats.with_images else "; this copy has labels and splits, `path` names each image"
    link = f" ({card.licence_url})" if card.licence_url else ""
    lines = [
        "## Origin and licence",
        "",
        f"- Licence: {escape(card.licence)}{link}; the images {images} be redistributed{edition}.",
        f"- Labels above the finest level: {origin}.",
        f"- Data fingerprint `{stats.fingerprint}`, tree `{stats.tree_fingerprint}`.",
    ]
    if card.homepage:
        lines.append(f"- Home: {card.homepage}")
    if card.decisions:
        applied = f"{card.decisions.n_applied:,} decisions applied"
        lines.append(
            f"- Review: {applied} from {escape(card.decisions.file)} (`{card.decisions.fingerprint}`)."
        )
    for source in card.sources:
        facts = [escape(source.name), source.version and escape(source.version), source.url]
        facts.append(source.sha256 and f"sha256 `{escape(source.sha256)}`")
        lines.append("- Source: " + ", ".join(fact for fact in facts if fact))
    return "\n".join(lines)
