"""The versions that were pushed to a place: `versions.json` there, and what its changelog says of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from pydantic import ConfigDict

from cairnhub.core.errors import BrokenData, Unreachable
from cairnhub.core.parse import parse_json, typed
from cairnhub.datasets_hub.destinations import Destination
from cairnhub.datasets_hub.readme import escape

HISTORY = "versions.json"
_UNDER_WAY = "under_way"
"""Key of the newest version while files are written that enter no version; other Cairns keep it."""


@dataclass(frozen=True)
class Version:
    """One state of a dataset that was pushed.

    Attributes:
        name: `v1`, `v2` ..
        content: SHA-256 over the names of its files and the content of those without a hash in their name.
        fingerprint: `Stats.fingerprint` of its data.
        n_images: images in it.
        message: why it was pushed.
        changes: what changed since the version before.
        others: what another Cairn, newer than this one, wrote about it; is kept.
    """

    __pydantic_config__ = ConfigDict(extra="ignore")

    name: str
    content: str
    fingerprint: str
    n_images: int
    message: str
    changes: tuple[str, ...]
    others: Mapping[str, object] = field(default_factory=dict)


def read_history(destination: Destination) -> list[Version]:
    """Every version that was pushed there, oldest first.

    Raises:
        BrokenData: the history cannot be read.
    """
    return parse_history(destination.read_text(HISTORY), destination)


def parse_history(text: str | None, destination: Destination) -> list[Version]:
    """What `versions.json` says; nothing where there is none."""
    origin = f"{destination.uri}/{HISTORY}"
    if not text:
        return []
    known = set(Version.__dataclass_fields__) - {"others"}
    entries = [
        {**entry, "others": {key: value for key, value in entry.items() if key not in known}}
        for entry in typed(list[dict[str, object]], parse_json(text, origin), origin)
    ]
    return typed(list[Version], entries, origin)


def render_history(history: list[Version]) -> str:
    """The text of `versions.json`."""
    records = [asdict(version) for version in history]
    entries = [{**record, **record.pop("others")} for record in records]
    return json.dumps(entries, indent=1, ensure_ascii=False) + "\n"


def announced(history: Sequence[Version], act: str) -> list[Version]:
    """A history that says what is under way at its place, so that whoever else would write there sees it."""
    *earlier, last = history
    return [*earlier, replace(last, others={**last.others, _UNDER_WAY: act})]


def under_way(history: Sequence[Version]) -> str | None:
    """What a history says is under way, or was cut."""
    told = history[-1].others.get(_UNDER_WAY) if history else None
    return None if told is None else str(told)


def settled(history: Sequence[Version]) -> list[Version]:
    """A history without what is under way."""
    return [
        replace(known, others={key: value for key, value in known.others.items() if key != _UNDER_WAY})
        for known in history
    ]


def render_changelog(history: list[Version]) -> str:
    """The page `CHANGELOG.md`, the newest version first."""
    parts = ["# Changes\n"]
    for version in reversed(history):
        lines = [f"## {version.name}\n", f"{version.n_images:,} images, data `{version.fingerprint[:16]}`."]
        if version.message:
            lines.append(f"\n{escape(version.message)}")
        lines += ["", *(f"- {escape(change)}" for change in version.changes)] if version.changes else []
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def check_finished(
    destination: Destination,
    history: list[Version],
    version: Version,
    there: Mapping[str, int],
    act: str,
) -> None:
    """Refuse to write between the files of a push or a rollback that has begun and is not finished.

    Args:
        destination: the place.
        history: of the place.
        version: what is to be written there.
        there: the files of the place.
        act: what is to be done; one that was cut is finished by the same.

    Raises:
        Unreachable: another is under way, or was cut.
        BrokenData: versions are there that the history does not have.
    """
    other = under_way(history)
    if other not in (None, act):
        raise Unreachable(
            f"{destination.uri}: a {other} is under way there, or was cut: wait for it, or run it again to finish it, "
            f"or take `{_UNDER_WAY}` out of {HISTORY}"
        )
    names = {known.name for known in history}
    unknown = [
        path.split("/")[1]
        for path in there
        if path.startswith("versions/") and path.endswith("/README.md") and path.split("/")[1] not in names
    ]
    if unknown:
        raise BrokenData(
            f"{destination.uri}: {HISTORY} does not know {', '.join(sorted(unknown))}, which lies there: bring back "
            "that file from a copy, or push to another place; nothing was sent"
        )
    last = history[-1] if history else version
    if last.content != version.content and f"versions/{last.name}/README.md" not in there:
        raise Unreachable(
            f"{destination.uri}: {last.name} is being pushed, or that push was cut: wait for it, or push the same data "
            f"again to finish it, or take its entry out of {HISTORY}"
        )
