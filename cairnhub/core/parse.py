"""Text, JSON and YAML that anybody may have written: strict, bounded, and every fault a `CairnError`.

All parsers of Cairn read through here. Nothing in a file is ever run: JSON has no code, and of YAML only plain values
are built. Keys occur once, JSON's numbers are finite, YAML's aliases do not multiply.
"""

import json
from collections.abc import Hashable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from cairnhub.core.errors import BadInput, BrokenData, NotFound

MAX_TEXT_BYTES = 2**29
"""Larger than any table or tree of a source; what is larger would fill the memory."""
MAX_YAML_CHARACTERS = 2**24
"""YAML is slow to read; a card of many labels has less than a tenth of it."""
MAX_YAML_NODES = 1_000_000
"""Values in a YAML file, those behind an alias counted wherever it stands."""
FORBID = ConfigDict(extra="forbid", allow_inf_nan=False)
"""`__pydantic_config__` of a dataclass that is read from a file: a key that nobody reads is an error."""
T = TypeVar("T")


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, with or without a byte order mark. `FileNotFoundError` passes: its cure differs.

    Raises:
        CairnError: it is too large, cannot be read, or is in another encoding.
    """
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise BrokenData(f"{path}: larger than {MAX_TEXT_BYTES:,} bytes: not a file of text; remove it")
        return decode(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BadInput(
            f"{path}: cannot be read ({error.strerror}); is it a file that you may read?"
        ) from None


def decode(content: bytes, origin: str) -> str:
    """Bytes as UTF-8, a byte order mark left out.

    Args:
        content: the bytes.
        origin: where they are from, for the message.

    Raises:
        CairnError: they are in another encoding; names the line.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadInput(f"{origin}:{line}: not UTF-8 text ({error.reason}); save it as UTF-8") from None


def read_json(path: Path, shape: type[T]) -> T:
    """A JSON file as a dataclass, a pydantic model, or containers of them.

    Raises:
        CairnError: it is missing, is no JSON, or has another shape.
    """
    try:
        return typed(shape, parse_json(read_text(path), str(path)), str(path))
    except FileNotFoundError:
        raise NotFound(f"{path} is missing: run the stage that writes it again") from None


def parse_json(text: str, origin: str) -> object:
    """JSON as plain values.

    Raises:
        CairnError: no JSON, a key twice, a number that is not finite, or nesting without end; names file and line.
    """
    try:
        value = json.loads(
            text, object_pairs_hook=_once, parse_constant=_not_finite, parse_float=_finite, parse_int=_integer
        )
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair is no character
        return value
    except json.JSONDecodeError as error:
        where = f"{origin}:{error.lineno}" if "\n" in text else origin
        raise BrokenData(f"{where}: not JSON ({error.msg}); is it cut? Mend or remove it") from None
    except UnicodeEncodeError:
        raise BrokenData(f"{origin}: holds half of a surrogate pair, which is no text; mend it") from None
    except RecursionError:
        raise BrokenData(f"{origin}: nested too deeply to be read; is it a file of Cairn?") from None
    except ValueError as error:
        raise BrokenData(f"{origin}: {error}; mend the file") from None


def parse_yaml(text: str, origin: str) -> object:
    """YAML as plain values.

    Raises:
        CairnError: no YAML, a tag that asks for more than plain values, a key twice, an alias inside itself, or
            aliases that multiply; names file and line.
    """
    if len(text) > MAX_YAML_CHARACTERS:
        raise BadInput(f"{origin}: longer than {MAX_YAML_CHARACTERS:,} characters: is it YAML? Remove it")
    try:
        loader = _PlainLoader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{origin}:{mark.line + 1}" if mark else origin
        raise BadInput(f"{where}: not valid YAML: {error.problem or error.context}; mend that line") from None
    except RecursionError:
        raise BadInput(f"{origin}: not valid YAML: nested too deeply to be read") from None
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError) as error:
        # What PyYAML lets pass where a value is not what its form or tag promises, as 2026-99-99.
        raise BadInput(f"{origin}: not valid YAML: {error}; quote values that are text") from None


def typed(shape: type[T], value: object, origin: str) -> T:
    """Plain values as a dataclass, a pydantic model, or containers of them.

    Args:
        shape: the type that is wanted.
        value: what `parse_json` or `parse_yaml` gave.
        origin: the file, for the message.

    Raises:
        CairnError: one line per fault: file, key, what is wrong.
    """
    try:
        adapter: TypeAdapter[T] = _adapter(cast(Hashable, shape))
        return adapter.validate_python(value)
    except ValidationError as error:
        raise BrokenData(explain(error, origin)) from None


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    """Made once per type: it costs more than what it validates."""
    return TypeAdapter(shape)


def explain(error: ValidationError, origin: str) -> str:
    """The first faults, one a line: file, key, what is wrong."""
    lines = []
    for fault in error.errors(include_input=False, include_url=False)[:10]:
        key = ".".join(str(part)[:100] for part in fault["loc"])
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            message = "no key of this Cairn: misspelt, or of a newer one (then upgrade)"
        lines.append(f"{origin}: {key}: {message}" if key else f"{origin}: {message}")
    return "\n".join(dict.fromkeys(lines)) + "; mend it, or make the file again"


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {twice[:100]!r} occurs twice")
    return mapping


def _not_finite(text: str) -> float:
    raise ValueError(f"{text} is not a number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:40]} is too large a number")
    return number


def _integer(text: str) -> int:
    if len(text) > 20:
        raise ValueError(f"{text[:20]}... is too large a number")
    return int(text)


class _PlainLoader(yaml.SafeLoader):
    """Builds plain values only, and looks at the whole document before it builds anything."""

    def construct_document(self, node: yaml.Node) -> object:
        """See `yaml.SafeLoader`."""
        _size(node, {})
        return super().construct_document(node)


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Values at and below a node, aliases followed; refuses what must not be built."""
    if id(node) not in known:
        known[id(node)] = 0  # under way
        below: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            keys: set[str] = set()
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode):
                    if key.value in keys:
                        raise _refused(f"key {key.value[:100]!r} occurs twice", key)
                    keys.add(key.value)
                below += (key, value)
        elif isinstance(node, yaml.SequenceNode):
            below = node.value
        known[id(node)] = 1 + sum(_size(child, known) for child in below)
    elif known[id(node)] == 0:
        raise _refused("an alias stands inside what it names", node)
    if known[id(node)] > MAX_YAML_NODES:
        raise _refused(f"its aliases make more than {MAX_YAML_NODES:,} values of it", node)
    return known[id(node)]


def _refused(problem: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
