"""Names of a package that are imported when they are first used, and yet seen by `dir()` and by completion."""

from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_names(
    package: str, home: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package.

    Args:
        package: its `__name__`.
        home: public name -> module that defines it; `module:name` where it is called otherwise there.
    """

    def get(name: str) -> object:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, name_there = home[name].partition(":")
        return getattr(import_module(module), name_there or name)

    def listed() -> list[str]:
        return sorted(home)

    return get, listed
