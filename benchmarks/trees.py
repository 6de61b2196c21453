"""Trees from names alone: how like the groups that people made, beside plain clustering, in one run.

    python benchmarks/trees.py --yardsticks DIR [--scale 20000 100000]

DIR holds `<set>.tsv`: a column of labels (and `description`, if there is one), then its groups on levels fine to
coarse. Every method gets the same cleaned texts and the true number of groups. `cairn` is `propose_tree`; `cairn, texts
alone` does without WordNet; the others see the same sentence vectors: average linkage as they are, k-means,
agglomeration by Ward, HDBSCAN, which finds its own number and leaves what it calls noise as groups of one, and
BERTopic (UMAP, HDBSCAN, topics merged until as many are left, outliers put where they are nearest), where it is
installed: `pip install bertopic==0.17.4` into an environment beside Cairn's. TaxoAdapt, TnT-LLM and toponymy ask a
large language model and are not among them. Labels that are not English are read by the multilingual model.
Triplets: of two labels, the one that the yardstick has nearer to a third should be nearer in the tree too; a tie is
half right. With the true sizes, which leave many ties where one true group holds most labels, and for a whole tree:
n^(i/5) groups on level i of four, the same for every method. `--scale` times trees of so many random vectors that are
given, in a process of its own each, on one thread.
Writes results/trees.json beside this file.
"""

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import adjusted_rand_score, v_measure_score

from cairnhub.hierarchies.proposal.clean_text import clean_label
from cairnhub.hierarchies.proposal.language import mostly_foreign, multilingual_embedder
from cairnhub.hierarchies.proposal.model_record import ModelRecord
from cairnhub.hierarchies.proposal.propose_tree import propose_tree
from cairnhub.hierarchies.proposal.text_vectors import Embedder, SentenceEmbedder
from cairnhub.hierarchies.proposal.wordnet import WordNet, find_wordnet, open_wordnet

Codes = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float64]
RESULTS = Path(__file__).parent / "results"
COMPARED = {"birds": "group", "cifar100": "coarse", "geonames": "cls", "google": "l1", "google_de": "l1"}
"""The level that is held against; the coarsest of other sets."""
N_TRIPLETS = 200_000
N_LEVELS = 4  # above the labels, of a whole tree


def measure(path: Path, embedder: Embedder, wordnet: WordNet | None) -> list[dict[str, Any]]:
    """All methods on one set."""
    frame = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE)
    frame = frame.drop_duplicates(frame.columns[0])
    levels = [name for name in frame.columns[1:] if name != "description"]
    truth = np.stack([pd.factorize(frame[level])[0] for level in levels], axis=1)
    sizes = [int(truth[:, rank].max()) + 1 for rank in range(len(levels))]
    at = levels.index(COMPARED.get(path.stem, levels[-1]))
    labels = frame.iloc[:, 0].tolist()
    told = frame["description"].tolist() if "description" in frame else None
    texts = [clean_label(label) for label in labels]
    if mostly_foreign(texts) and (reader := multilingual_embedder()):
        embedder, wordnet = reader, None
    vectors = np.asarray(embedder.encode(texts), np.float64)

    def cairn(nouns: WordNet | None, asked: list[int]) -> Codes:
        proposal = propose_tree(labels, descriptions=told, sizes=asked, embedder=embedder, wordnet=nouns)
        table = proposal.tree().table().set_index("label").loc[labels]
        return np.stack([pd.factorize(table[level])[0] for level in table.columns], axis=1)

    methods: dict[str, Callable[[list[int]], Codes]] = {
        **({"cairn": partial(cairn, wordnet)} if wordnet else {}),
        "cairn, texts alone": partial(cairn, None),
        **{name: partial(per_level, cut, vectors) for name, cut in PLAIN.items()},
        **({"BERTopic": partial(bertopic, texts, vectors)} if find_spec("bertopic") else {}),
    }
    whole = [round(len(labels) ** (rank / (N_LEVELS + 1))) for rank in range(N_LEVELS, 0, -1)]
    rows = []
    for name, method in methods.items():
        start = time.process_time()
        codes = method(sizes)
        row = {
            "set": path.stem, "labels": len(labels), "groups": sizes[at], "model": embedder.model.name, "method": name,
            "v_measure": round(float(v_measure_score(truth[:, at], codes[:, at])), 3),
            "ari": round(float(adjusted_rand_score(truth[:, at], codes[:, at])), 3),
            "triplets": round(triplets(truth, codes), 3), "cpu_s": round(time.process_time() - start, 1),
        }  # fmt: skip
        row["triplets_whole"] = round(triplets(truth, method(whole)), 3)
        print(row, flush=True)
        rows.append(row)
    return rows


def linkage(vectors: Vectors, n_groups: int) -> Codes:
    """Average linkage by cosine."""
    from sklearn.cluster import AgglomerativeClustering

    return AgglomerativeClustering(n_groups, metric="cosine", linkage="average").fit_predict(vectors)


def ward(vectors: Vectors, n_groups: int) -> Codes:
    """Agglomeration by Ward's criterion."""
    from sklearn.cluster import AgglomerativeClustering

    return AgglomerativeClustering(n_groups).fit_predict(vectors)


def k_means(vectors: Vectors, n_groups: int) -> Codes:
    """The best of ten runs."""
    from sklearn.cluster import KMeans

    return KMeans(n_groups, n_init=10, random_state=0).fit_predict(vectors)


def hdbscan(vectors: Vectors, _: int) -> Codes:
    """Finds its own number of groups; noise is alone."""
    from sklearn.cluster import HDBSCAN

    found = HDBSCAN(min_cluster_size=3, copy=True).fit_predict(vectors)
    return np.where(found >= 0, found, len(found) + np.arange(len(found)))


PLAIN = {"average linkage": linkage, "k-means": k_means, "Ward": ward, "HDBSCAN": hdbscan}


def per_level(cut: Callable[[Vectors, int], Codes], vectors: Vectors, sizes: list[int]) -> Codes:
    """A flat method, once per level."""
    return np.stack([np.asarray(cut(vectors, size)) for size in sizes], axis=1)


def bertopic(texts: list[str], vectors: Vectors, sizes: list[int]) -> Codes:
    """Its usual parts, topics of three labels or more; merged level by level."""
    from bertopic import BERTopic
    from umap import UMAP

    apart = UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=0)
    model = BERTopic(umap_model=apart, min_topic_size=3)
    model.fit(texts, vectors)
    levels = []
    for size in sizes:
        if len(model.get_topic_freq()) > size + 1:  # outliers are a topic
            model.reduce_topics(texts, nr_topics=size + 1)
        topics = model.topics_
        if -1 in topics:
            topics = model.reduce_outliers(texts, topics, strategy="embeddings", embeddings=vectors)
        levels.append(np.asarray(topics, np.int64) + 1)
    return np.stack(levels, axis=1)


def triplets(truth: Codes, codes: Codes) -> float:
    """Share of triplets on which a tree agrees with the yardstick."""
    a, b, c = np.random.default_rng(0).integers(0, len(truth), (3, N_TRIPLETS))
    other = (a != b) & (a != c) & (b != c)
    a, b, c = a[other], b[other], c[other]

    def nearer(tree: Codes) -> Codes:
        return np.asarray((tree[a] == tree[b]).sum(axis=1) - (tree[a] == tree[c]).sum(axis=1))

    asked, said = nearer(truth), nearer(codes)
    asked, said = asked[asked != 0], said[asked != 0]
    return float(np.where(said == 0, 0.5, asked * said > 0).mean())


class Given:
    """Vectors that are given: 300 centers, and noise around them."""

    model = ModelRecord("given", "1", "0" * 64)

    def encode(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """A vector per text, (n, 384)."""
        rng = np.random.default_rng(0)
        centers = rng.normal(size=(300, 384)).astype(np.float32)
        vectors = centers[rng.integers(0, 300, len(texts))] + 0.7 * rng.normal(size=(len(texts), 384)).astype(
            np.float32
        )
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def at_scale(n_labels: int) -> None:
    """Propose a tree of so many labels, and print time and memory."""
    labels = [f"label {''.join(chr(97 + int(d)) for d in str(i))}" for i in range(n_labels)]
    wall, cpu = time.perf_counter(), time.process_time()
    proposal = propose_tree(labels, embedder=Given(), wordnet=None)
    print(
        json.dumps(
            {
                "labels": n_labels,
                "levels": [len(proposal.tree().at_level(level)) for level in proposal.levels],
                "seconds": round(time.perf_counter() - wall, 1),
                "cpu_s": round(time.process_time() - cpu, 1),
                "peak_gib": round(_peak_kib() / 2**20, 2),
            }
        )
    )


def _peak_kib() -> int:
    """Most memory of this process; `getrusage` would count the one that started it."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) if found else 0


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--yardsticks", type=Path, help="folder with <set>.tsv")
    parser.add_argument(
        "--scale", type=int, nargs="*", default=[20_000, 100_000], help="labels of timed trees"
    )
    parser.add_argument("--only-scale", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only_scale:
        at_scale(given.only_scale)
        return
    place = find_wordnet()
    wordnet = open_wordnet(place) if place else None
    embedder = SentenceEmbedder()
    rows = [
        row for path in sorted(given.yardsticks.glob("*.tsv")) for row in measure(path, embedder, wordnet)
    ] if given.yardsticks else []  # fmt: skip
    scale = []
    for n_labels in given.scale:
        command = [sys.executable, __file__, "--only-scale", str(n_labels)]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        scale.append(json.loads(done.stdout.splitlines()[-1]))
        print(scale[-1], flush=True)
    result = {"wordnet": str(wordnet.record) if wordnet else None, "sets": rows, "scale": scale}
    (RESULTS / "trees.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
