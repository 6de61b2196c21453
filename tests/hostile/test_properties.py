"""Any bytes, any JSON, any mutation of a good file: a parser takes it or raises `CairnError`, and nothing else.

The same targets are fuzzed for longer, and guided by coverage, by `make fuzz`.
"""

import contextlib
import json
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cairnhub.core.errors import CairnError
from cairnhub.core.parse import parse_json
from cairnhub.core.safe_names import stays_below
from cairnhub.core.text import label_key
from cairnhub.hierarchies.label_tree.label_rules import check_names
from cairnhub.pipelines.archives.entry import refusal_of_name
from tests.fuzz.targets import TARGETS

# Those that need no drawn sample and take milliseconds.
QUICK = ("registry", "ledger", "md5", "mined", "wikimedia", "table", "tar", "tar_gz", "zip", "image", "tree", "nodes",
         "proposal", "decisions", "evidence", "card", "stats", "recipe", "checkpoint", "embeddings",
         "model", "mat", "answers", "vectors", "label_table")  # fmt: skip
quick = settings(
    max_examples=12, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@st.composite
def mutations(draw: st.DrawFn, seed: bytes) -> bytes:
    """A good file with some bytes replaced, cut out, repeated or put in."""
    content = bytearray(seed)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        stop = min(len(content), start + draw(st.integers(0, 40)))
        inserted = draw(
            st.binary(max_size=8)
            | st.sampled_from([b"\0", b"9" * 400, b"-1", b"NaN", b"../", b"\xff\xfe", b"["])
        )
        content[start:stop] = inserted * draw(st.sampled_from([1, 1, 1, 50]))
    return bytes(content)


def parse(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(CairnError):
        TARGETS[name].parse(content, Path(folder))


@pytest.mark.parametrize("name", QUICK)
def test_a_damaged_file_is_taken_or_refused(name: str) -> None:
    seeds = list(TARGETS[name].seeds())

    @quick
    @given(st.sampled_from(seeds).flatmap(mutations))
    def check(content: bytes) -> None:
        parse(name, content)

    check()


@pytest.mark.parametrize("name", ["tree", "proposal", "decisions", "evidence", "stats", "mined", "wikimedia"])
def test_any_json_is_taken_or_refused(name: str) -> None:
    (seed, *_) = TARGETS[name].seeds()
    good = json.loads(seed.splitlines()[0] if name in ("decisions", "evidence", "wikimedia") else seed)

    @quick
    @given(st.sampled_from(sorted(good)), values)
    def check(key: str, value: object) -> None:
        parse(name, json.dumps(good | {key: value}).encode())

    check()


@quick
@given(values)
def test_json_comes_back_as_it_was_or_is_refused(value: object) -> None:
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
    except ValueError:  # not JSON, or no text
        return
    if any(len(digits) > 20 for digits in re.findall(r"-?[0-9]+", text)):
        return  # refused as absurd; floats of many digits with them
    assert parse_json(text, "x") == value


@quick
@given(st.text())
def test_a_name_that_is_let_in_stays_below_its_folder(name: str) -> None:
    if stays_below(name):
        assert (Path("/a/b") / name).resolve().is_relative_to("/a/b")
    assert (refusal_of_name(name) is None) <= stays_below(name)


@quick
@given(st.text())
def test_keys_of_labels_are_stable_and_labels_that_are_let_in_can_be_written(name: str) -> None:
    assert label_key(label_key(name)) == label_key(name)
    try:
        check_names([name], "fine")
    except CairnError:
        return
    assert name.encode().decode() == name
