"""Crockery: the sample of a table source, as anybody may bring: `images/` and `labels.csv`.

`labels.csv` has the columns path (below the folder), fine, middle, coarse and split (train or test). Train
and test show the same makes in other photographs.
"""

from pathlib import Path

from cairnhub.pipelines.samples.shapes.packing import write_bytes, write_csv
from cairnhub.pipelines.samples.shapes.scenes import draw

# coarse -> middle (also the scene) -> fine
TREE: dict[str, dict[str, tuple[str, ...]]] = {
    "drinkware": {
        "mug": ("Harbour mug", "Meadow mug", "Café mug", "Picnic mug"),
        "teapot": ("Sunday teapot", "Brown Betty", "Kyūsu, small", "Assam teapot"),
    },
    "tableware": {
        "plate": ("Willow plate", "Bistro plate", "Feast plate", "Nursery plate"),
        "bowl": ("Rice bowl", "Soup bowl", "Breakfast bowl", "Ramen bowl"),
    },
    "vessels": {"jug": ("Milk jug", "Cider jug", "Ewer", "Lemonade jug")},
}
N_TRAIN, N_TEST = 7, 3  # images per fine class


def write(folder: Path) -> None:
    """Write the whole sample into `folder`."""
    rows = []
    classes = [
        (fine, middle, coarse)
        for coarse, group in TREE.items()
        for middle, fines in group.items()
        for fine in fines
    ]
    for fine, middle, coarse in classes:
        for number in range(N_TRAIN + N_TEST):
            path = f"images/{middle}/{fine.replace(' ', '_')}_{number:02d}.jpg"
            write_bytes(folder / path, draw(middle, f"crockery/{fine}", str(number)))
            rows.append([path, fine, middle, coarse, "train" if number < N_TRAIN else "test"])
    write_csv(folder / "labels.csv", ["path", "fine", "middle", "coarse", "split"], rows)
