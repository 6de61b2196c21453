"""CUB-200-2011 in small: its one `.tgz` with a few of the 200 classes, under their own numbers and names.

Layout inside `CUB_200_2011.tgz`:
    CUB_200_2011/classes.txt               <class id> <number>.<Name>
    CUB_200_2011/images.txt                <image id> <number>.<Name>/<Name>_<n>_<m>.jpg
    CUB_200_2011/image_class_labels.txt    <image id> <class id>
    CUB_200_2011/train_test_split.txt      <image id> <1 in training of the classification task, else 0>
    CUB_200_2011/images/<number>.<Name>/*.jpg
Retrieval trains on classes 1 to 100 and tests on the others.
"""

from pathlib import Path

from cairnhub.pipelines.samples.shapes.packing import hex_id, write_tar_gz
from cairnhub.pipelines.samples.shapes.scenes import draw

FOLDER = "CUB_200_2011"
SCENES = {
    "001.Black_footed_Albatross": "duck",
    "014.Indigo_Bunting": "owl",
    "046.Gadwall": "duck",
    "087.Mallard": "duck",
    "100.Brown_Pelican": "heron",
    "101.White_Pelican": "heron",
    "106.Horned_Puffin": "owl",
    "141.Artic_Tern": "duck",  # spelt so upstream
}
N_IMAGES = 6  # per class


def write(folder: Path) -> None:
    """Write the whole sample into `folder`."""
    names = ("classes", "images", "image_class_labels", "train_test_split")
    lists = dict.fromkeys(names, "")
    pictures: list[tuple[str, bytes]] = []
    for class_name, scene in SCENES.items():
        number, _, species = class_name.partition(".")
        lists["classes"] += f"{int(number)} {class_name}\n"
        for shot in range(N_IMAGES):
            photograph = int(hex_id("cub", class_name, shot), 16) % 10**6
            path = f"{class_name}/{species}_{shot + 1:04d}_{photograph}.jpg"
            pictures.append((f"{FOLDER}/images/{path}", draw(scene, f"cub/{class_name}", str(shot))))
            lists["images"] += f"{len(pictures)} {path}\n"
            lists["image_class_labels"] += f"{len(pictures)} {int(number)}\n"
            lists["train_test_split"] += f"{len(pictures)} {shot % 2}\n"
    texts = [(f"{FOLDER}/{name}.txt", text.encode()) for name, text in lists.items()]
    write_tar_gz(folder / f"{FOLDER}.tgz", [*texts, *pictures])
