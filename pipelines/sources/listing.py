"""What a source lists: one row per image, and what became of the rows that are not published."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from cairnhub.hierarchies.label_tree.qualification import Qualified
from cairnhub.pipelines.archives.entry import Entry

ATTRIBUTION: tuple[Literal["source_url", "author", "license", "title"], ...] = (
    "source_url",
    "author",
    "license",
    "title",
)
PLACE = ("image_id", "split", "archive", "member", "offset", "size_bytes")
"""The columns before the labels: which image, and where it lies (`archives.entry.Entry`)."""
_ENTRY_TYPES = {"archive": "str", "member": "str", "offset": "Int64", "size_bytes": "Int64", "refusal": "str"}
"""Text in Arrow's memory, whole numbers that may be missing: a tenth of what Python's objects take."""


@dataclass(frozen=True)
class Listing:
    """One row per image that a source lists, and what became of the rows that are not published.

    Attributes:
        images: the columns `PLACE`, of which the last four are those of `Entry` (null: no archive, no offset,
            no size known), then the label columns (names, finest first), then attribution columns where the source
            has them, as text or as categories.
        quarantine: columns `image_id`, `split`, `reason`: listed, but damaged, missing, or its member is refused.
        excluded: images that a rule excludes, `split -> reason -> count`.
        published_labels: where others have published a hierarchy of the same landmarks: `landmark`, `category`,
            `kind`. A yardstick for the proposal, never its input.
        names: where labels were made readable: `label`, `original`, `changes` (what was changed, in words).
        chains: type -> its superclasses, nearest first, where they were mined.
        ground_truth: where a benchmark lists the answers of each query: `query_id`, `image_id`, `usage` (a part of the
            queries, such as `Private`; empty where there are no parts), and, where it grades them, `relevance`: `easy`,
            `hard`, or `junk`, which is neither right nor wrong.
        refused_members: columns `member`, `reason`: members of archives that are refused and that no list asks for.
        unnamed: good members, and files of folders, that no list names.
        kept: columns of text among those of `images`, which are published.
        not_kept: columns of the list that are neither used nor published.
        qualified: labels that were told apart from others of their name, coarse to fine.
        copies: what its archives are, where they are not the files that its authors publish.
        is_part: whether a copy lacks listed images, which are excluded.
    """

    images: pd.DataFrame
    quarantine: pd.DataFrame
    excluded: dict[str, dict[str, int]] = field(default_factory=dict)
    published_labels: pd.DataFrame | None = None
    names: pd.DataFrame | None = None
    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ground_truth: pd.DataFrame | None = None
    refused_members: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["member", "reason"]))
    unnamed: "pd.Series[str]" = field(default_factory=lambda: pd.Series(dtype="str"))
    qualified: tuple[Qualified, ...] = ()
    kept: tuple[str, ...] = ()
    not_kept: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    is_part: bool = False

    def counts(self) -> dict[str, dict[str, int]]:
        """Per split: listed = indexed + quarantined + excluded."""
        splits = sorted({*self.images["split"], *self.quarantine["split"], *self.excluded})
        return {split: self._counts_of(split) for split in splits}

    def summary(self, levels: Sequence[str]) -> dict[str, dict[str, int]]:
        """Per split what `registries/<edition>.counts.yaml` may state: `listed`, `images`, labels of each level."""
        counted: dict[str, dict[str, int]] = {}
        present = [level for level in levels if level in self.images]
        for split, count in self.counts().items():
            images = self.images.loc[self.images["split"] == split, present]
            n_labels = {level: int(images[level].nunique()) for level in present}
            n_images = count["indexed"] + count["quarantined"]
            counted[split] = {"listed": count["listed"], "images": n_images, **n_labels}
        return counted

    def n_excluded(self) -> dict[str, int]:
        """How many images each rule excludes, by its reason."""
        totals = Counter[str]()
        for reasons in self.excluded.values():
            totals.update(reasons)
        return dict(sorted(totals.items()))

    def _counts_of(self, split: str) -> dict[str, int]:
        indexed = int((self.images["split"] == split).sum())
        quarantined = int((self.quarantine["split"] == split).sum())
        excluded = sum(self.excluded.get(split, {}).values())
        return {
            "listed": indexed + quarantined + excluded,
            "indexed": indexed,
            "quarantined": quarantined,
            "excluded": excluded,
        }


def joined(listings: Sequence[Listing]) -> Listing:
    """One listing of several that name images only, as those of a source in several archives."""
    excluded: dict[str, dict[str, int]] = {}
    for listing in listings:
        for split, reasons in listing.excluded.items():
            of_split = excluded.setdefault(split, {})
            for reason, count in reasons.items():
                of_split[reason] = of_split.get(reason, 0) + count
    return Listing(
        pd.concat([each.images for each in listings], ignore_index=True),
        pd.concat([each.quarantine for each in listings], ignore_index=True),
        excluded,
        refused_members=pd.concat([each.refused_members for each in listings], ignore_index=True),
        unnamed=pd.concat([each.unnamed for each in listings], ignore_index=True),
        copies=tuple(copy for each in listings for copy in each.copies),
        is_part=any(each.is_part for each in listings),
    )


def as_frame(entries: Iterable[Entry]) -> pd.DataFrame:
    """Members of archives as a table; missing values are null."""
    return pd.DataFrame(entries, columns=Entry._fields).astype(_ENTRY_TYPES)


def in_streamed(images: pd.DataFrame, archive: str) -> pd.DataFrame:
    """Images with a `member` each in an archive that is not read yet: no offset, no size is known."""
    unknown = pd.array([pd.NA], dtype="Int64").repeat(len(images))
    return images.assign(archive=archive, offset=unknown, size_bytes=unknown)


def quarantine(
    images: pd.DataFrame, is_bad: "pd.Series[bool]", reason: "str | pd.Series[str]"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide rows into the good ones and a quarantine table that gives the reason."""
    bad = images.loc[is_bad, ["image_id", "split"]]
    given = (
        reason if isinstance(reason, str) else reason.reindex(bad.index)
    )  # an empty frame would take a longer index
    return images.loc[~is_bad], bad.assign(reason=given)


def exclude(
    images: pd.DataFrame,
    by_rule: "pd.Series[bool]",
    reason: "str | pd.Series[str]",
    excluded: dict[str, dict[str, int]],
) -> pd.DataFrame:
    """The other rows; those that a rule excludes are counted by split and reason in `excluded`."""
    counts = images.loc[by_rule, ["split"]].assign(reason=reason).value_counts(sort=False)
    for place, count in zip(counts.index.to_list(), counts.tolist(), strict=True):
        split, why = place
        reasons = excluded.setdefault(split, {})
        reasons[why] = reasons.get(why, 0) + count
    return images.loc[~by_rule]
