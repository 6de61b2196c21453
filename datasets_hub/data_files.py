"""Files handed to `datasets` by name.

It takes a path for a pattern, so that below a folder such as "birds [2019]" nothing would be found; what is listed
already it takes as it is, and looks through no folder.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasets.data_files import DataFilesList


def named_files(files: Mapping[str, Sequence[str]]) -> "dict[str, DataFilesList]":
    """Files of this machine per split, for the argument `data_files`; their names hold the hash of their content."""
    from datasets.data_files import DataFilesList

    return {split: DataFilesList(list(paths), [(path,) for path in paths]) for split, paths in files.items()}
