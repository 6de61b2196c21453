"""IJB-C in small: a zip of loose crops and the lists that go with them; animals' heads stand for faces.

Layout inside `IJBC.zip`:
    IJBC/loose_crop/<number>.jpg
    IJBC/meta/ijbc_face_tid_mid.txt                   <number>.jpg <template> <medium>
    IJBC/meta/ijbc_1N_{gallery_G1,gallery_G2,probe_mixed}.csv
        header TEMPLATE_ID,SUBJECT_ID,FILENAME,SIGHTING_ID, then a row per sighting of a template
Each person has one template in one of the two galleries and several among the probes.
"""

from pathlib import Path

from cairnhub.pipelines.samples.shapes.packing import write_zip
from cairnhub.pipelines.samples.shapes.scenes import draw

FOLDER = "IJBC"
PEOPLE = {
    11: ("owl", "gallery_G1"),
    27: ("cat", "gallery_G1"),
    35: ("dog", "gallery_G2"),
    48: ("squirrel", "gallery_G2"),
}
N_PROBES = 2  # templates per person
N_CROPS = 2  # per template
HEADER = "TEMPLATE_ID,SUBJECT_ID,FILENAME,SIGHTING_ID\n"


def write(folder: Path) -> None:
    """Write the whole sample into `folder`."""
    lists = dict.fromkeys(("gallery_G1", "gallery_G2", "probe_mixed"), HEADER)
    crops = ""
    pictures: list[tuple[str, bytes]] = []
    template = 0
    for person, (scene, gallery) in PEOPLE.items():
        for name in (gallery, *["probe_mixed"] * N_PROBES):
            template += 1
            for shot in range(N_CROPS):
                number = len(pictures) + 1
                medium = 1000 + number
                pictures.append(
                    (f"{FOLDER}/loose_crop/{number}.jpg", draw(scene, f"ijbc/{person}", f"{template}/{shot}"))
                )
                crops += f"{number}.jpg {template} {medium}\n"
                lists[name] += f"{template},{person},img/{medium}.jpg,{number}\n"
    texts = [(f"{FOLDER}/meta/ijbc_1N_{name}.csv", text.encode()) for name, text in lists.items()]
    texts.append((f"{FOLDER}/meta/ijbc_face_tid_mid.txt", crops.encode()))
    write_zip(folder / f"{FOLDER}.zip", [*texts, *pictures])
