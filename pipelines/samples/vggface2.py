"""VGGFace2 in small: the archive and the list of each split; animals' heads stand for faces.

Layout:
    vggface2_train.tar.gz, vggface2_test.tar.gz    <split>/n<6 digits>/<photo>_<face>.jpg
    train_list.txt, test_list.txt                  n<6 digits>/<photo>_<face>.jpg
"""

from pathlib import Path

from cairnhub.pipelines.samples.shapes.packing import write_bytes, write_tar_gz
from cairnhub.pipelines.samples.shapes.scenes import draw

PEOPLE = {
    "train": {"n000002": "owl", "n000003": "cat", "n000004": "dog", "n000005": "squirrel"},
    "test": {"n000001": "owl", "n000009": "cat", "n000029": "dog"},
}
N_IMAGES = 4  # per person


def write(folder: Path) -> None:
    """Write the whole sample into `folder`."""
    for split, people in PEOPLE.items():
        pictures = {
            f"{person}/{photo + 1:04d}_01.jpg": draw(scene, f"vggface2/{person}", str(photo))
            for person, scene in people.items()
            for photo in range(N_IMAGES)
        }
        write_bytes(folder / f"{split}_list.txt", "".join(f"{name}\n" for name in pictures).encode())
        members = [(f"{split}/{name}", data) for name, data in pictures.items()]
        write_tar_gz(folder / f"vggface2_{split}.tar.gz", members)
