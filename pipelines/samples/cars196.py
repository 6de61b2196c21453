"""Stanford Cars in small: one zip with both folders of images and the annotations as MAT-files, packed as upstream.

Layout inside `stanford_cars.zip`:
    stanford_cars/devkit/cars_meta.mat                    class_names: a cell of all 196 names
    stanford_cars/devkit/cars_train_annos.mat             annotations: a struct array, fields bbox_x1, bbox_y1, bbox_x2,
    stanford_cars/cars_test_annos_withlabels.mat          bbox_y2, class (from 1), fname
    stanford_cars/{cars_train,cars_test}/<5 digits>.jpg   numbered from 1 in each folder
Classes have images in both folders; retrieval trains on classes 1 to 98 and tests on the others.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.io

from cairnhub.pipelines.samples.shapes.packing import write_zip
from cairnhub.pipelines.samples.shapes.scenes import draw

FOLDER = "stanford_cars"
MODELS = {
    1: ("AM General Hummer SUV 2000", "car"),
    6: ("Acura Integra Type R 2001", "car"),
    64: ("Chevrolet Express Cargo Van 2007", "van"),
    98: ("Eagle Talon Hatchback 1998", "car"),
    119: ("GMC Savana Van 2012", "van"),
    150: ("Lamborghini Reventon Coupe 2008", "car"),
    196: ("smart fortwo Convertible 2012", "car"),
}
"""The classes that are drawn, under their own numbers."""
N_CLASSES = 196
N_IMAGES = 2  # per class and folder
HEAD_BYTES = 116  # of text; what SciPy writes there names the time
FIELDS = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")


def write(folder: Path) -> None:
    """Write the whole sample into `folder`."""
    names = [
        MODELS[number][0] if number in MODELS else f"Maker Model {number} Sedan 2012" for number in _numbers()
    ]
    files = [(f"{FOLDER}/devkit/cars_meta.mat", _mat({"class_names": np.array([names], dtype=object)}))]
    for side, path in (("train", "devkit/cars_train_annos.mat"), ("test", "cars_test_annos_withlabels.mat")):
        records: list[tuple[int | str, ...]] = []
        for shot in range(N_IMAGES):
            for number, (name, scene) in MODELS.items():
                records.append((14, 21, 82, 74, number, f"{len(records) + 1:05d}.jpg"))
                picture = draw(scene, f"cars196/{name}", f"{side}/{shot}")
                files.append((f"{FOLDER}/cars_{side}/{records[-1][-1]}", picture))
        files.append((f"{FOLDER}/{path}", _mat({"annotations": _struct(records)})))
    write_zip(folder / f"{FOLDER}.zip", files)


def _numbers() -> range:
    return range(1, N_CLASSES + 1)


def _struct(records: list[tuple[int | str, ...]]) -> npt.NDArray[Any]:
    """A struct array of one row."""
    array = np.zeros((1, len(records)), dtype=[(field, object) for field in FIELDS])
    for place, record in enumerate(records):
        array[0, place] = record
    return array


def _mat(variables: dict[str, npt.NDArray[Any]]) -> bytes:
    """A compressed MAT-file, with a head that names no time."""
    out = io.BytesIO()
    scipy.io.savemat(out, variables, do_compression=True)
    return b"MATLAB 5.0 MAT-file".ljust(HEAD_BYTES) + out.getvalue()[HEAD_BYTES:]
