"""Tensors in a file, for whoever may read the folder."""

import stat
from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from cairnhub.core.errors import BrokenData

_FLOATS = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}


def refuse_not_finite(tensors: Mapping[str, Tensor], origin: str) -> None:
    """Refuse weights that would make every vector NaN.

    Args:
        tensors: weights by name.
        origin: where they are from, for the message.

    Raises:
        BrokenData: one holds NaN or infinity; it is named.
    """
    for name, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            raise BrokenData(
                f"{origin}: {name[:200]} holds NaN or infinity; get the whole folder again, or train again"
            )


def refuse_other_types(path: Path, wanted: Mapping[str, Tensor], prefix: str = "") -> None:
    """Refuse weights that are no plain floating-point numbers, by the header of their file.

    Numbers of 8 bits are of use only with scales that lie elsewhere; of integers, truths and complex numbers a part
    would be lost, or mean something else, once they are made floating-point numbers. What the network itself counts in
    whole numbers may be so.

    Args:
        path: the safetensors.
        wanted: tensors of the network by name. A file may say fewer parts of a name, or more, at its beginning.
        prefix: what the file leaves out before each name.

    Raises:
        BrokenData: one is of another type; it is named.
        safetensors.SafetensorError: the file holds no tensors.
    """
    floats = {name for name, tensor in wanted.items() if tensor.is_floating_point()}
    endings = {ending for name in floats for ending in _endings(name)}
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118
            kind = file.get_slice(name).get_dtype()
            is_wanted = f"{prefix}{name}" in endings or not floats.isdisjoint(_endings(name))
            if kind not in _FLOATS and is_wanted:
                raise BrokenData(
                    f"{path}: {name[:200]} is of type {kind}; weights may be of {', '.join(_FLOATS.values())}: get the "
                    "network in one of these, or convert it"
                )


def _endings(name: str) -> list[str]:
    """A name, and what stands behind each of its dots, down to two parts."""
    parts = name.split(".")
    return [".".join(parts[first:]) for first in range(max(1, len(parts) - 1))]


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write safetensors with the mode of any new file; the library's own are for their owner alone, whatever the umask.

    Raises:
        OSError: the file cannot be written.
        safetensors.SafetensorError: the file cannot be written, or tensors share memory.
    """
    path.touch()
    mode = stat.S_IMODE(path.stat().st_mode)
    save_file(
        {name: tensor.contiguous() for name, tensor in tensors.items()},
        path,
        dict(metadata) if metadata else None,
    )
    path.chmod(mode)
