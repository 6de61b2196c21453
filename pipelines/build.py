"""`cairn build`: the stages of `dvc.yaml` in order, without DVC; what is up to date is skipped.

What a stage read and wrote when it last ran stands by hashes in `.cairn/build.json`, one entry a stage, written as soon
as it has run: a build that was killed goes on with the stage it was in.
"""

import contextlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cairnhub.core.errors import BadInput, NotFound
from cairnhub.core.files import lock_folder, write_text_atomic
from cairnhub.core.parse import parse_yaml, read_json, read_text
from cairnhub.core.text import did_you_mean
from cairnhub.pipelines.content_hashes import ContentHashes
from cairnhub.pipelines.graph import graph, is_current, write_graph
from cairnhub.pipelines.params import load_params
from cairnhub.pipelines.run_stage import run_stage

log = logging.getLogger(__name__)

Hashes = dict[str, str]


@dataclass(frozen=True)
class Step:
    """A stage of one dataset.

    Attributes:
        name: as DVC has it, such as `index@sample-birds`.
        arguments: of `cairn stage`: the stage, and for a stage over one dataset that and the scale.
        reads: files and folders below the root.
        params: file and dotted key; no key: all of the file.
        writes: files and folders below the root.
    """

    name: str
    arguments: tuple[str, ...]
    reads: tuple[str, ...]
    params: tuple[tuple[str, str], ...]
    writes: tuple[str, ...]


@dataclass(frozen=True)
class Built:
    """What a stage read and wrote when it last ran: hashes by path, parameters as JSON by file and key."""

    reads: Hashes
    params: Hashes
    writes: Hashes


def build(root: Path, targets: Sequence[str] = ()) -> tuple[int, int]:
    """Run what is stale, in order.

    Args:
        root: the folder of `dvc.yaml`.
        targets: stages, such as `check` or `check@sample-birds`, that are built with all that they need; none: all.

    Returns:
        How many stages ran, and how many were up to date.

    Raises:
        CairnError: another build runs here, no such target, or what a stage raises; the stages before it are kept.
    """
    steps = chosen_steps(steps_of(graph(load_params(root / "params.yaml"), root)), targets)
    if not is_current(root):
        write_graph(root)
    folder = root / ".cairn"
    folder.mkdir(exist_ok=True)
    with lock_folder(folder) as is_ours:
        if not is_ours:
            raise BadInput(f"{root}: another `cairn build` runs here; wait for its end")
        with contextlib.chdir(root):
            return _run(root, steps)


def _run(root: Path, steps: Sequence[Step]) -> tuple[int, int]:
    path = root / ".cairn/build.json"
    built, n_run = _read_state(path), 0
    with ContentHashes.kept_at(root, root / ".cairn/hashes.json") as hashes:
        for step in steps:
            reason = _stale(step, built.get(step.name), hashes)
            if not reason:
                continue
            log.info(f"{step.name}: {reason}")
            before = Built(_hashed(step.reads, hashes), _values(root, step), {})
            run_stage(*step.arguments)
            built[step.name] = Built(before.reads, before.params, _hashed(step.writes, hashes))
            _write_state(path, built)
            n_run += 1
    return n_run, len(steps) - n_run


def _stale(step: Step, built: Built | None, hashes: ContentHashes) -> str:
    """Why a stage must run; empty where it must not."""
    if built is None:
        return "never ran"
    groups = [
        (built.reads, _hashed(step.reads, hashes)),
        (built.params, _values(hashes.root, step)),
        (built.writes, _hashed(step.writes, hashes)),
    ]
    changed = [key for old, new in groups for key in {**old, **new} if old.get(key) != new.get(key)]
    return f"{changed[0]} changed" if changed else ""


def _hashed(paths: Sequence[str], hashes: ContentHashes) -> Hashes:
    return {path: hashes.of(path) for path in paths}


def _values(root: Path, step: Step) -> Hashes:
    """The parameters of a stage: `file:key` -> value as JSON, `null` where the file has no such key."""
    files = {name: parse_yaml(read_text(root / name), name) for name in {name for name, _ in step.params}}
    return {
        f"{name}:{key}": json.dumps(_value(files[name], key), sort_keys=True) for name, key in step.params
    }


def _value(content: Any, key: str) -> Any:
    for part in key.split(".") if key else ():
        content = content.get(part) if isinstance(content, dict) else None
    return content


def _read_state(path: Path) -> dict[str, Built]:
    return read_json(path, dict[str, Built]) if path.is_file() else {}


def _write_state(path: Path, built: dict[str, Built]) -> None:
    write_text_atomic(path, json.dumps({name: asdict(each) for name, each in built.items()}, indent=1))


def steps_of(stages: dict[str, dict[str, Any]]) -> list[Step]:
    """The stages of `dvc.yaml`, one for each dataset, in the order in which they run."""
    steps = []
    for name, entry in stages.items():
        if "foreach" not in entry:
            steps.append(_step(name, entry, {}))
        for key, item in entry.get("foreach", {}).items():
            steps.append(_step(f"{name}@{key}", entry["do"], item))
    return steps


def _step(name: str, entry: dict[str, Any], item: dict[str, str]) -> Step:
    def filled(text: str) -> str:
        for key, value in item.items():
            text = text.replace(f"${{item.{key}}}", value)
        return text

    outs = [path for kind in ("outs", "metrics", "plots") for out in entry.get(kind, ()) for path in out]
    return Step(
        name,
        tuple(filled(entry["cmd"]).split()[2:]) if item else (name, "", ""),
        tuple(dict.fromkeys(map(filled, entry["deps"]))),
        tuple((filled(file), filled(key)) for file, key in _params(entry.get("params", ()))),
        tuple(map(filled, outs)),
    )


def _params(listed: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """File and key of each parameter, as `dvc.yaml` has them."""
    for each in listed:
        if isinstance(each, str):
            yield "params.yaml", each
        else:
            for file, keys in each.items():
                yield from ((file, key) for key in keys or ("",))


def chosen_steps(steps: Sequence[Step], targets: Sequence[str]) -> list[Step]:
    """Targets and the steps that they need, in order; all steps where no target is named.

    Raises:
        NotFound: no such stage.
    """
    names = {step.name: step.name.partition("@")[0] for step in steps}
    for target in targets:
        if target not in {*names, *names.values()}:
            stages = [*dict.fromkeys(names.values())]
            hint = did_you_mean(target, [*stages, *names])
            raise NotFound(f"no stage {target!r}{hint}; there are {', '.join(stages)}")
    if not targets:
        return [*steps]
    needed: dict[str, Step] = {}
    waiting = [step for step in steps if {step.name, names[step.name]} & {*targets}]
    while waiting:
        step = waiting.pop()
        if step.name not in needed:
            needed[step.name] = step
            waiting += [other for other in steps if _feeds(other, step)]
    return [step for step in steps if step.name in needed]


def _feeds(first: Step, second: Step) -> bool:
    """Whether the second reads what the first writes."""
    return any(
        one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")
        for one in first.writes
        for other in second.reads
    )
