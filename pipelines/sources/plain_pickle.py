"""Pickles as data: the values that a few of its opcodes build are read, nothing is looked up, called or imported.

Benchmarks publish their answers as pickles. Python's own reader runs what a pickle names; this one goes through the
opcodes (`pickletools`) by itself and knows numbers, text, lists, tuples, dicts and NumPy's arrays of numbers, which
come out as lists. Every other opcode and name is refused.
"""

import pickletools
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cairnhub.core.errors import BrokenData

MAX_BYTES = 2**25
"""Larger than any list of answers."""
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = frozenset(
    {
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
        "STRING",
        "BINSTRING",
    }
    | {
        "SHORT_BINSTRING",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
        "BINBYTES",
        "SHORT_BINBYTES",
    }
    | {"BINBYTES8", "BYTEARRAY8"}
)
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_SKIPPED = frozenset({"PROTO", "FRAME"})
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_NUMBERS = re.compile(r"[iuf][1248]")


class _Refused(ValueError):
    """What stands in the pickle is no plain value."""


class _Name(str):
    """A module and what it names: text, never looked up."""


class _Dtype:
    """NumPy's name of a type of number."""

    def __init__(self, code: object) -> None:
        if not (isinstance(code, str) and _NUMBERS.fullmatch(code)):
            raise _Refused("an array of something other than numbers")
        self.code, self.order = code, "<"

    def numbers(self, raw: object) -> list[object]:
        """Bytes, or the text that older pickles have for them, as numbers."""
        if isinstance(raw, str):
            raw = raw.encode("latin-1")
        if not isinstance(raw, bytes | bytearray):
            raise _Refused("an array whose content is no bytes")
        values: list[object] = np.frombuffer(raw, f"{self.order}{self.code}").tolist()
        return values


class _Array(list[object]):
    """An array whose numbers come later, by `BUILD`."""


def read_plain_pickle(content: bytes, where: Path) -> object:
    """The value of a pickle: numbers, text, lists, tuples and dicts; arrays of numbers as flat lists.

    Args:
        content: the file.
        where: its path, for messages.

    Raises:
        CairnError: it is too large, cut, no pickle, or names anything but NumPy's arrays of numbers.
    """
    if len(content) > MAX_BYTES:
        raise BrokenData(f"{where}: larger than {MAX_BYTES:,} bytes: no list of answers; fetch it again")
    try:
        return _Machine().run(content)
    except _Refused as error:
        raise BrokenData(
            f"{where}: holds {error}; only plain values are read, so nothing of it was run: fetch it from its authors"
        ) from None
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        raise BrokenData(
            f"{where}: no whole pickle of plain values ({error or type(error).__name__}); fetch it again"
        ) from None


class _Machine:
    """The stack and memo of a pickle that is being read."""

    def __init__(self) -> None:
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: dict[object, object] = {}
        self.steps: dict[str, Callable[[], None]] = {
            "MARK": lambda: self.marks.append(len(self.stack)),
            "EMPTY_LIST": lambda: self.stack.append([]),
            "EMPTY_DICT": lambda: self.stack.append({}),
            "LIST": lambda: self.stack.append(self._above_mark()),
            "TUPLE": lambda: self.stack.append(tuple(self._above_mark())),
            "DICT": lambda: self.stack.append(_pairs(self._above_mark())),
            "APPEND": lambda: self._extend(self._top(1)),
            "APPENDS": lambda: self._extend(self._above_mark()),
            "SETITEM": lambda: self._update(self._top(2)),
            "SETITEMS": lambda: self._update(self._above_mark()),
            "POP": self._drop,
            "MEMOIZE": lambda: self.memo.update({len(self.memo): self.stack[-1]}),
            "STACK_GLOBAL": lambda: self.stack.append(_Name(" ".join(map(str, self._top(2))))),
            "REDUCE": self._reduce,
            "BUILD": self._build,
        }

    def run(self, content: bytes) -> object:
        """Go through the opcodes to the end."""
        for opcode, given, _ in pickletools.genops(content):
            name = opcode.name
            if name in _VALUES:
                self.stack.append(given)
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            elif name in _TUPLES:
                self.stack.append(tuple(self._top(_TUPLES[name])))
            elif name in _PUTS:
                self.memo[given] = self.stack[-1]
            elif name in _GETS:
                self.stack.append(self.memo[given])
            elif name == "GLOBAL":
                self.stack.append(_Name(given))
            elif name in self.steps:
                self.steps[name]()
            elif name != "STOP" and name not in _SKIPPED:
                raise _Refused(f"the opcode {name}")
        (value,) = self.stack
        return value

    def _top(self, count: int) -> list[object]:
        if len(self.stack) < count:
            raise IndexError("its stack is empty")
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken

    def _above_mark(self) -> list[object]:
        mark = self.marks.pop()
        taken = self.stack[mark:]
        del self.stack[mark:]
        return taken

    def _drop(self) -> None:
        self.stack.pop()

    def _extend(self, values: list[object]) -> None:
        if not isinstance(self.stack[-1], list):
            raise TypeError("appends to what is no list")
        self.stack[-1].extend(values)

    def _update(self, values: list[object]) -> None:
        if not isinstance(self.stack[-1], dict):
            raise TypeError("sets keys of what is no dict")
        self.stack[-1].update(_pairs(values))

    def _reduce(self) -> None:
        function, given = self._top(2)
        if not isinstance(function, _Name) or not isinstance(given, tuple):
            raise TypeError("calls what is no name")
        self.stack.append(_made(function, given))

    def _build(self) -> None:
        (state,) = self._top(1)
        made = self.stack[-1]
        if isinstance(made, _Dtype) and isinstance(state, tuple) and state[1] in ("<", ">", "|"):
            made.order = str(state[1])
        elif isinstance(made, _Array) and isinstance(state, tuple) and isinstance(state[2], _Dtype):
            made[:] = state[2].numbers(state[4])
        else:
            raise _Refused("an object with a state of its own")


def _pairs(values: list[object]) -> dict[object, object]:
    return dict(zip(values[::2], values[1::2], strict=True))


def _made(name: str, given: tuple[object, ...]) -> object:
    """What NumPy's own pickles call, for numbers; anything else is refused by its name."""
    module, _, called = name.partition(" ")
    module = module.replace("numpy._core", "numpy.core")
    match module, called, given:
        case "numpy.core.multiarray", "_reconstruct", _:
            return _Array()
        case "numpy", "dtype", (code, *_):
            return _Dtype(code)
        case "numpy.core.multiarray", "scalar", (_Dtype() as dtype, raw):
            return dtype.numbers(raw)[0]
        case "numpy.core.numeric", "_frombuffer", (raw, _Dtype() as dtype, *_):
            return dtype.numbers(raw)
        case "_codecs", "encode", (str() as text, *_):
            return text.encode("latin-1")
        case "__builtin__" | "builtins", "bytes", ():
            return b""
    raise _Refused(f"a call of {name.replace(' ', '.')[:80]!r}")
