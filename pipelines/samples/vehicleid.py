"""PKU VehicleID in small: its zip with lists and images.

Layout inside `VehicleID_V1.0.zip`:
    VehicleID_V1.0/train_test_split/{train_list,test_list_800,test_list_1600,test_list_2400}.txt   <image> <vehicle>
    VehicleID_V1.0/image/<7 digits>.jpg
The smaller test lists are parts of the larger ones.
"""

from pathlib import Path

from cairnhub.pipelines.samples.shapes.packing import hex_id, write_zip
from cairnhub.pipelines.samples.shapes.scenes import draw

FOLDER = "VehicleID_V1.0"
SCENES = ("car", "van")
N_VEHICLES = {"train": 5, "test": 4}  # per scene
N_IMAGES = 4  # per vehicle


def write(folder: Path) -> None:
    """Write the whole sample into `folder`."""
    listed: dict[str, list[str]] = {"train": [], "test": []}
    pictures: list[tuple[str, bytes]] = []
    for split, n_vehicles in N_VEHICLES.items():
        for vehicle in range(n_vehicles):
            for scene in SCENES:
                subject = f"vehicleid/{split}/{scene}/{vehicle}"
                identity = int(hex_id(subject), 16) % 30_000
                for shot in range(N_IMAGES):
                    image = f"{int(hex_id(subject, shot), 16) % 10**7:07d}"
                    pictures.append((f"{FOLDER}/image/{image}.jpg", draw(scene, subject, str(shot))))
                    listed[split].append(f"{image} {identity}\n")
    n_test = len(listed["test"])
    lists = {"train_list": listed["train"]}
    lists |= {f"test_list_{n}": listed["test"][: n_test * n // 2400] for n in (800, 1600, 2400)}
    texts = [
        (f"{FOLDER}/train_test_split/{name}.txt", "".join(lines).encode()) for name, lines in lists.items()
    ]
    write_zip(folder / f"{FOLDER}.zip", [*texts, *pictures])
