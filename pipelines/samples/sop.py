"""Stanford Online Products in small: one zip with its lists and images, as at the authors' address.

Layout inside `Stanford_Online_Products.zip`:
    Stanford_Online_Products/Ebay_{train,test,info}.txt   header `image_id class_id super_class_id path`
    Stanford_Online_Products/<category>_final/<eBay item>_<number>.JPG
Numbers of images and classes run through train, then test.
"""

from pathlib import Path

from cairnhub.pipelines.samples.shapes.packing import hex_id, write_zip
from cairnhub.pipelines.samples.shapes.scenes import draw

FOLDER = "Stanford_Online_Products"
SCENES = {"bicycle": "bicycle", "chair": "chair", "kettle": "teapot", "lamp": "lamp", "mug": "mug"}
SUPER_CLASSES = {"bicycle": 1, "chair": 3, "kettle": 6, "lamp": 7, "mug": 8}
N_PRODUCTS = {"train": 3, "test": 2}  # per category
N_IMAGES = 4  # per product


def write(folder: Path) -> None:
    """Write the whole sample into `folder`."""
    header = "image_id class_id super_class_id path\n"
    lists = {"train": header, "test": header, "info": header}
    pictures: list[tuple[str, bytes]] = []
    class_id = 0
    for split, n_products in N_PRODUCTS.items():
        for category, scene in SCENES.items():
            for product in range(n_products):
                class_id += 1
                subject = f"sop/{split}/{category}/{product}"
                item = f"1{int(hex_id(subject), 16) % 10**11:011d}"
                for number in range(N_IMAGES):
                    path = f"{category}_final/{item}_{number}.JPG"
                    pictures.append((f"{FOLDER}/{path}", draw(scene, subject, str(number))))
                    line = f"{len(pictures)} {class_id} {SUPER_CLASSES[category]} {path}\n"
                    lists[split] += line
                    lists["info"] += line
    texts = [(f"{FOLDER}/Ebay_{name}.txt", text.encode()) for name, text in lists.items()]
    write_zip(folder / f"{FOLDER}.zip", [*texts, *pictures])
