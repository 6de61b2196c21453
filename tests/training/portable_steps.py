"""A few training steps, and what is measured of them, as hashes: run natively and on emulated processors.

`python -m tests.training.portable_steps` with the environment of a portable process prints one JSON object.
"""

import hashlib
import json
import warnings

import numpy as np

from cairnhub.core.portable import settle_torch
from cairnhub.hierarchies.proposal.clustering import average_linkage, k_means
from cairnhub.training.encoders import colour_histogram, embed_split, model_encoder
from cairnhub.training.evaluation import evaluate
from cairnhub.training.loop import train
from tests.training.tiny import TinyImages, recipe

LEVELS = ("fine", "coarse")
AUGMENT = {"min_area": 0.4, "max_aspect": 1.5, "flip": True, "brightness": 0.2}


def digest(*arrays: object) -> str:
    """Of all bits."""
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()[
        :16
    ]


def hashes() -> dict[str, str]:
    """Of weights, embeddings, metrics with intervals, and of clusters."""
    images, found = TinyImages(), {}
    network = {"backbone": "small_cnn", "width": 8, "embedding_dim": 16, "image_side_px": 16}
    wanted = recipe(n_epochs=2, portable=True, augment=AUGMENT, network=network)
    trained = train(wanted, images, 0, 0)
    found["weights"] = digest(*trained.model.state_dict().values())
    found["curve"] = trained.curve.to_csv(index=False)
    for name, encoder in (("network", model_encoder(trained.model)), ("colours", colour_histogram)):
        embedded = embed_split(images, encoder, 16, 0)
        measured = evaluate(embedded, None, LEVELS)
        found[f"embeddings of {name}"] = digest(embedded.embeddings)
        ends = [end for interval in measured.intervals.values() for end in (interval.low, interval.high)]
        found[f"metrics of {name}"] = digest(list(measured.values.values()), ends)
        found[f"metrics per query of {name}"] = digest(*measured.per_query.values())
    vectors = embedded.embeddings.numpy()
    found["clusters"] = digest(average_linkage(vectors), k_means(vectors, 5))
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    settle_torch()
    print(json.dumps(hashes()))
