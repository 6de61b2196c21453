"""Fit a nearest-neighbour classifier on a published dataset; usage: knn.py FOLDER [QUERY_SPLIT]."""

import sys

import numpy as np
from datasets import ClassLabel, load_dataset
from sklearn.neighbors import KNeighborsClassifier

data = load_dataset(sys.argv[1])
train, query = data["train"], data[sys.argv[2] if len(sys.argv) > 2 else "test"]


def thumbnails(split):
    """One row of 192 numbers per image."""
    return np.stack([np.asarray(image.convert("RGB").resize((8, 8))).ravel() for image in split["image"]])


levels = [name for name, kind in train.features.items() if isinstance(kind, ClassLabel)]
for level in levels:
    known = [i for i, label in enumerate(train[level]) if label is not None]
    asked = [i for i, label in enumerate(query[level]) if label is not None]
    knn = KNeighborsClassifier(1).fit(thumbnails(train.select(known)), train.select(known)[level])
    accuracy = knn.score(thumbnails(query.select(asked)), query.select(asked)[level])
    print(f"{level}: {accuracy:.3f} of {len(asked)} images, {train.features[level].num_classes} labels")
