"""MAT-files and answers of a benchmark, as their authors write them."""

import io

import numpy as np
import scipy.io


def saved(compressed: bool, **variables: object) -> bytes:
    """A MAT-file of level 5."""
    out = io.BytesIO()
    scipy.io.savemat(out, variables, do_compression=compressed)
    return b"MATLAB 5.0 MAT-file".ljust(116) + out.getvalue()[116:]  # its head names the time


def annotations(*records: tuple[int, str]) -> bytes:
    """A MAT-file of annotations: class and file name."""
    array = np.zeros((1, len(records)), dtype=[("class", object), ("fname", object)])
    for place, record in enumerate(records):
        array[0, place] = record
    return saved(True, annotations=array)


def gnd(**changes: object) -> dict[str, list[object]]:
    """Answers of one query in a gallery of three."""
    entry = {"bbx": [0.0, 0.0, 9.0, 9.0], "easy": [0], "hard": [1], "junk": [2], **changes}
    return {"imlist": ["a_1", "a_2", "a_3"], "qimlist": ["a_4"], "gnd": [entry]}
