"""Tensors in a file, for whoever may read the folder."""

import stat
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from cairnhub.core.errors import BrokenData


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
    save_file(dict(tensors), path, dict(metadata) if metadata else None)
    path.chmod(mode)
