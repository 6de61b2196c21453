"""Stanford Cars, Cars196 (Krause et al., 3dRR 2013): 196 models; retrieval splits them by class number."""

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from cairnhub.core.errors import BrokenData
from cairnhub.datasets_hub.card import Card, EvaluationProtocol
from cairnhub.pipelines.executors.local import Executor
from cairnhub.pipelines.settings.sources import Cars196Source, Subset
from cairnhub.pipelines.sources.listing import Listing, quarantine
from cairnhub.pipelines.sources.mat_files import Value, read_mat
from cairnhub.pipelines.sources.packed_lists import list_packed
from cairnhub.pipelines.sources.packs import Pack, Packed
from cairnhub.pipelines.sources.source_reader import SourceReader

META = "devkit/cars_meta.mat"
ANNOTATIONS = {"cars_train": "devkit/cars_train_annos.mat", "cars_test": "cars_test_annos_withlabels.mat"}
"""Folder of images -> their annotations."""
PACK = Pack(
    name="stanford_cars.zip",
    root=None,
    mark=r"devkit/cars_meta\.mat",
    holds=r"devkit/cars_(?:meta|train_annos)\.mat|cars_test_annos_withlabels\.mat|cars_(?:train|test)/[^/]+\.jpg",
    lists=(META, *ANNOTATIONS.values()),
    has_original=False,
)
LAST_TRAIN_CLASS = 98
N_CLASSES = 196
TYPES = ("Cab", "Convertible", "Coupe", "Hatchback", "Minivan", "Sedan", "SUV", "Van", "Wagon")
"""Body types; the last one among the words of a name, the year aside, is the model's: `Ram C/V Cargo Van Minivan`."""
TYPES_OF_OTHERS = {
    "Acura TL Type-S": "Sedan",
    "Acura Integra Type R": "Coupe",
    "Buick Regal GS": "Sedan",
    "Chevrolet Corvette ZR1": "Coupe",
    "Chevrolet Corvette Ron Fellows Edition Z06": "Coupe",
    "Chevrolet HHR SS": "Minivan",
    "Chevrolet Cobalt SS": "Coupe",
    "Chevrolet TrailBlazer SS": "SUV",
    "Chrysler 300 SRT-8": "Sedan",
    "Dodge Challenger SRT8": "Coupe",
    "Dodge Charger SRT-8": "Sedan",
    "FIAT 500 Abarth": "Coupe",
    "Ford E-Series Wagon Van": "Wagon",
    "Jaguar XK XKR": "Coupe",
    "Lamborghini Gallardo LP 570-4 Superleggera": "Coupe",
}
"""Models that hierarchical retrieval (Ramzi et al.) gives a type that their name does not say."""


class Cars196(SourceReader):
    """Reads `devkit/cars_meta.mat` and the annotations of both folders: classes 1 to 98 train, the others test.

    The division of the classification task (`cars_train`, `cars_test`) is not the one of retrieval: each split has
    images of both folders.
    """

    packs = (PACK,)

    def __init__(self, levels: tuple[str, ...] = ("model",)) -> None:
        self.levels = levels
        self.edition = "cars196" if len(self.levels) == 1 else "cars196_types"

    def list_images(self, store: Path) -> Listing:
        """List the images of both splits."""
        packed = self.packed(store, PACK)
        names = _class_names(packed)
        listed = pd.concat([_annotations(packed, folder) for folder in ANNOTATIONS], ignore_index=True)
        is_train = listed["class_id"] <= LAST_TRAIN_CLASS
        images = listed.assign(
            image_id=listed["member"].str.removesuffix(".jpg"),
            split=is_train.map({True: "train", False: "test"}),
            model=listed["class_id"].map(dict(enumerate(names, start=1))),
        )
        unknown = images["model"].isna()
        images, unnamed = quarantine(images, unknown, "its class is not in cars_meta.mat")
        if "type" in self.levels:
            where = packed.where(META)
            images = images.assign(type=images["model"].map({name: type_of(name, where) for name in names}))
        return list_packed(packed, images, self.levels, unnamed, listed["member"])

    def card(self) -> Card:
        """What the published dataset says of itself."""
        return Card(
            name=self.edition,
            title="Cars196 (Stanford Cars)" + (" with body types" if len(self.levels) > 1 else ""),
            description=(
                "Photographs of 196 car models; classes 1 to 98 train, 99 to 196 test, as in retrieval papers. For "
                "non-commercial research; the photographs belong to their authors."
                + (" Body types are those that hierarchical retrieval uses." if len(self.levels) > 1 else "")
            ),
            licence="Stanford-Cars-non-commercial-research",
            redistributable=False,
            citation=(
                "J. Krause, M. Stark, J. Deng, L. Fei-Fei. 3D Object Representations for Fine-Grained Categorization. "
                "4th IEEE Workshop on 3D Representation and Recognition (3dRR), ICCV 2013."
            ),
            levels=self.levels,
            annotation_origin="given",
            protocols=(
                EvaluationProtocol(name="retrieval", query="test", gallery="test", ks=(1, 2, 4, 8, 10, 100)),
            ),
        )


def make(dataset: str, source: Cars196Source, subset: Subset, executor: Executor) -> Cars196:
    """See `formats`."""
    return Cars196(source.levels)


def type_of(model: str, where: Path) -> str:
    """The body type of a model, by the words of its name.

    Args:
        model: such as `Audi S5 Coupe 2012`.
        where: the file that names it, for messages.

    Raises:
        CairnError: neither its name nor the list of the others says it.
    """
    name = re.sub(r" [0-9]{4}$", "", model)
    if name in TYPES_OF_OTHERS:
        return TYPES_OF_OTHERS[name]
    words = [word.removeprefix("Super") for word in name.split()]
    found = [word for word in words if word in TYPES]
    if not found:
        raise BrokenData(
            f"{where}: no body type in {model[:80]!r}; take the levels [model], or fetch it again"
        )
    return "Pickup" if found[-1] == "Cab" else found[-1]


def _read(packed: Packed, name: str, variable: str) -> tuple[Value, Path]:
    where = packed.where(name)
    variables = read_mat(packed.read_files([name])[name], where)
    if variable not in variables:
        raise BrokenData(f"{where}: has no variable {variable!r}; is it the right file? Fetch it again")
    return variables[variable], where


def _class_names(packed: Packed) -> list[str]:
    """Names of the models, that of class 1 first."""
    value, where = _read(packed, META, "class_names")
    names = [name for name in value if isinstance(name, str) and name.strip()]
    if len(names) != len(value) or len(set(names)) != N_CLASSES != len(names):
        raise BrokenData(f"{where}: class_names holds {len(set(names))} different names, not {N_CLASSES}")
    return names


def _annotations(packed: Packed, folder: str) -> pd.DataFrame:
    """One folder's images: columns `class_id` (whole numbers, from 1) and `member`."""
    value, where = _read(packed, ANNOTATIONS[folder], "annotations")
    if not value:
        raise BrokenData(f"{where}: lists no image; fetch it again")
    rows = [
        _annotation(record, f"{where}: annotation {number}") for number, record in enumerate(value, start=1)
    ]
    return pd.DataFrame(
        {"class_id": [row[0] for row in rows], "member": [f"{folder}/{row[1]}" for row in rows]}
    )


def _annotation(record: object, where: str) -> tuple[int, str]:
    """Class and file name of one record."""
    fields: Mapping[str, object] = record if isinstance(record, dict) else {}
    match fields:
        case {"class": [int() | float() as number], "fname": str() as name} if number == int(number):
            return int(number), name
    raise BrokenData(f"{where} has no `class` and `fname`; is it the file with labels? Fetch it again")
