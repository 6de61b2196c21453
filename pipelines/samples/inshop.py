"""In-Shop Clothes Retrieval in small: the zip of images and the list of the evaluation, as DeepFashion gives them.

Layout:
    list_eval_partition.txt    a number of images, a header, then columns filled up with blanks:
                               <path> <item> <train | query | gallery>
    img.zip                    img/<MEN | WOMEN>/<Category>/<item>/<number>_<colour>_<view>.jpg
Categories that both genders have bear one name; items are numbered across all.
"""

from pathlib import Path

from cairnhub.pipelines.samples.shapes.packing import write_bytes, write_zip
from cairnhub.pipelines.samples.shapes.scenes import draw

FOLDERS = {"MEN/Shoes": "shoe", "WOMEN/Shoes": "shoe", "WOMEN/Hand_Bags": "bag"}
VIEWS = ("1_front", "2_side", "3_back", "4_full")
N_ITEMS = {"train": 2, "test": 2}  # per folder
N_QUERIES = 1  # per test item; its other views are the gallery


def write(folder: Path) -> None:
    """Write the whole sample into `folder`."""
    rows: list[tuple[str, str, str]] = []
    pictures: list[tuple[str, bytes]] = []
    item = 0
    for side, n_items in N_ITEMS.items():
        for place, scene in FOLDERS.items():
            for _ in range(n_items):
                item += 1
                name = f"id_{item:08d}"
                for number, view in enumerate(VIEWS):
                    path = f"img/{place}/{name}/01_{view}.jpg"
                    split = "train" if side == "train" else "query" if number < N_QUERIES else "gallery"
                    rows.append((path, name, split))
                    pictures.append((path, draw(scene, f"inshop/{item}", view)))
    lines = [f"{path:<70} {name} {split}" for path, name, split in rows]
    header = "image_name item_id evaluation_status"
    text = "\n".join([str(len(rows)), header, *lines]) + "\n"
    write_bytes(folder / "list_eval_partition.txt", text.encode())
    write_zip(folder / "img.zip", pictures)
