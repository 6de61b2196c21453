"""The README of a published dataset: the card as its YAML head, and the same in prose."""

import html
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import yaml

from cairnhub.datasets_hub.card import Card
from cairnhub.datasets_hub.schema import MAX_CLASS_LABEL_NAMES, image_features, table_features
from cairnhub.datasets_hub.stats import Stats
from cairnhub.hierarchies.label_tree.tree import LabelTree

if TYPE_CHECKING:
    from datasets import Features

HERE = "path/of/this/folder"  # in the snippet of a folder that may be copied anywhere
# The Hugging Face hub's words for how many images there are, and where each ends.
_SIZES = {"n<1K": 10**3, "1K<n<10K": 10**4, "10K<n<100K": 10**5, "100K<n<1M": 10**6, "1M<n<10M": 10**7,
          "10M<n<100M": 10**8, "100M<n<1B": 10**9}  # fmt: skip
# Licences that the Hugging Face hub knows by name; others are shown as "other" with their name beside.
_HUB_LICENCES = {"apache-2.0", "mit", "bsd-3-clause", "cc0-1.0", "odc-by", "odbl"} | {
    f"cc-{kind}-{version}"
    for kind in ("by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd")
    for version in ("2.0", "2.5", "3.0", "4.0")
}


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


def _front_matter(card: Card, tree: LabelTree, stats: Stats) -> dict[str, object]:
    return {
        "pretty_name": card.title,
        **licence_keys(card.licence, card.licence_url),
        "task_categories": ["image-feature-extraction"],
        "size_categories": [next((name for name, end in _SIZES.items() if stats.n_images < end), "n>1T")],
        "tags": list(card.tags),
        "configs": configs(stats),
        "dataset_info": dataset_info(card, tree, stats),
        "cairn": card.model_dump(mode="json", exclude_none=True),
    }


def dataset_info(card: Card, tree: LabelTree, stats: Stats) -> list[object]:
    """The `dataset_info:` of the YAML head, per config: features with the labels' names, rows and sizes of splits."""
    from datasets import DatasetInfo, SplitDict, SplitInfo
    from datasets.info import DatasetInfosDict
    from huggingface_hub import DatasetCardData

    def info(features: "Features", splits: dict[str, tuple[int, int]]) -> DatasetInfo:
        listed = SplitDict({name: SplitInfo(name, size, rows) for name, (size, rows) in splits.items()})
        size_bytes = sum(size for size, _ in splits.values())
        return DatasetInfo(
            features=features, splits=listed, download_size=size_bytes, dataset_size=size_bytes
        )

    images = image_features(tree, card.texts, stats.with_images)
    splits = {
        name: (sum(shard.size_bytes for shard in split.shards), split.n_images)
        for name, split in stats.splits.items()
    }
    infos = {"default": info(images, splits)}
    infos |= {name: info(images, {name: numbers}) for name, numbers in splits.items()}
    for name, file in stats.tables.items():
        infos[name] = info(table_features(name), {"train": (file.size_bytes, file.n_rows)})
    data = DatasetCardData()
    DatasetInfosDict(infos).to_dataset_card_data(data)
    listed: list[object] = data["dataset_info"]
    return listed


def licence_keys(licence: str, url: str | None = None) -> dict[str, object]:
    """The keys by which the Hugging Face hub shows a licence; names it does not know are one lower-case word.

    Args:
        licence: its name, an SPDX id where there is one.
        url: where its text stands.
    """
    name = licence.lower()
    link = {"license_link": url} if url else {}
    if name in _HUB_LICENCES:
        return {"license": name, **link}
    if name.startswith("unknown"):
        return {"license": "unknown", **link}
    slug = re.sub(r"[^a-z0-9.]+", "-", name).strip("-")
    return {"license": "other", "license_name": slug, **link}


def configs(stats: Stats) -> list[dict[str, object]]:
    """The `configs:` of the YAML head: files by name, so that what else lies in the folder is invisible.

    `datasets` prepares every split of a config that it opens, so each split is a config of its own too.
    """

    def files_of(split: str) -> dict[str, object]:
        return {"split": split, "path": [shard.path for shard in stats.splits[split].shards]}

    splits: list[dict[str, object]] = [
        {"config_name": split, "data_files": [files_of(split)]} for split in stats.splits
    ]
    tables: list[dict[str, object]] = [
        {"config_name": name, "data_files": [{"split": "train", "path": file.path}]}
        for name, file in stats.tables.items()
    ]
    whole = {
        "config_name": "default",
        "data_files": [files_of(split) for split in stats.splits],
        "default": True,
    }
    return [whole, *splits, *tables]


def escape(text: str) -> str:
    """Text that Markdown shows as it is: neither HTML nor formatting in it comes alive."""
    escaped = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", escaped)


def _body(card: Card, tree: LabelTree, stats: Stats, pictures: tuple[str, ...]) -> str:
    sections = [f"# {escape(card.title)}", escape(card.description)]
    sections += [f"![{PurePosixPath(picture).stem.split('-')[0]}]({picture})" for picture in pictures]
    sections += [_counts(card, tree, stats), _loading(card, stats), _provenance(card, stats)]
    if card.citation:
        quoted = card.citation.strip().replace("```", "'''")
        sections.append(f"## Citation\n\n```\n{quoted}\n```")
    return "\n\n".join(section for section in sections if section) + "\n"


def _counts(card: Card, tree: LabelTree, stats: Stats) -> str:
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
    if card.excluded:
        reasons = ", ".join(f"{escape(reason)} ({count:,})" for reason, count in card.excluded.items())
        lines += ["", f"Excluded: {reasons}."]
    if twice := stats.tables.get("duplicates"):
        lines += [
            "",
            f"Images that are the same, or look so: {twice.n_rows:,} pairs, in config `duplicates`.",
        ]
    return "\n".join(lines)


def _loading(card: Card, stats: Stats) -> str:
    last = list(stats.splits)[-1]
    lines = [
        "## Loading",
        "",
        "```python",
        "from datasets import load_dataset",
        "",
        f'images = load_dataset("{HERE}")           # splits as above',
        f'{last} = load_dataset("{HERE}", "{last}", split="{last}")   # this split and nothing else',
        f'nodes = load_dataset("{HERE}", "nodes")   # the label tree, one row per node',
        "```",
        "",
        "Every level's column holds `class_index` of `nodes` on that level; where a level has at most",
        f"{MAX_CLASS_LABEL_NAMES} names it is a `ClassLabel`. `tree.json` is the whole tree, `stats.json` has the",
        "counts and the SHA-256 of every file.",
    ]
    if card.protocols:
        lines += ["", "| protocol | queries | gallery |", "|---|---|---|"]
        remarks = [f" ({p.remark})" if p.remark else "" for p in card.protocols]
        lines += [
            f"| {p.name} | {p.query} | {p.gallery}{remark} |"
            for p, remark in zip(card.protocols, remarks, strict=True)
        ]
    return "\n".join(lines)


def addressed(readme: str, uri: str) -> str:
    """A README whose snippet loads the dataset from where it lies.

    Args:
        readme: as `render_readme` gives it.
        uri: of the dataset's folder or repository. `datasets` itself opens those of the Hugging Face hub, Cairn other
            storage; a folder of this machine may be moved, and its README stays as it is.
    """
    if uri.startswith("hf://"):
        return readme.replace(f'load_dataset("{HERE}"', f'load_dataset("{_repository(uri)}"')
    if "://" not in uri:
        return readme
    by_cairn = readme.replace(
        "\nfrom datasets import load_dataset\n", "\nfrom cairnhub import load_dataset\n"
    )
    by_cairn = re.sub(rf'\("{HERE}", "(\w+)", split="\1"\)', rf'("{HERE}", "\1")', by_cairn)
    return by_cairn.replace(f'("{HERE}", "nodes")', f'("{HERE}", config="nodes")').replace(
        f'("{HERE}"', f'("{uri}"'
    )


def _repository(uri: str) -> str:
    return uri.removeprefix("hf://").removeprefix("datasets/")


def _provenance(card: Card, stats: Stats) -> str:
    origin = {
        "given": "given by the data's authors",
        "automatic": "proposed by a machine, not reviewed",
        "automatic-and-reviewed": "proposed by a machine, reviewed by people",
    }[card.annotation_origin]
    images = "may" if card.redistributable else "may not"
    whose = f"the images {images} be redistributed" if not card.is_own else "its publisher's own"
    edition = "" if stats.with_images else "; this copy has labels and splits, `path` names each image"
    link = f" ({card.licence_url})" if card.licence_url else ""
    lines = [
        "## Origin and licence",
        "",
        f"- Licence: {escape(card.licence)}{link}; {whose}{edition}.",
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
