"""Revisited Oxford and Paris in small: archives of photographs and the pickle with queries and answers.

Layout:
    oxbuild_images-v1.tgz                    all_souls_000013.jpg, ...: no folder
    paris_1-v1.tgz, paris_2-v1.tgz           paris/<tag>/paris_<tag>_000605.jpg
    gnd_roxford5k.pkl, gnd_rparis6k.pkl
        {imlist: names of the gallery, qimlist: names of the queries,
         gnd: per query {bbx: [left, top, right, bottom], easy, hard, junk: places in imlist}}
Names have no ending. Some photographs of a landmark, queries too, bear the tag of the city (`oxford`, `general`), and
so do those that show none. Queries are not in the gallery.
"""

import pickle
from pathlib import Path

from cairnhub.pipelines.samples.shapes.packing import hex_id, write_bytes, write_tar_gz
from cairnhub.pipelines.samples.shapes.scenes import draw

OXFORD = {"all_souls": "castle", "radcliffe_camera": "mosque"}
PARIS = {"defense": "museum", "triomphe": "bridge"}
BOX = [8.5, 6.0, 88.25, 90.0]
N_QUERIES = 2  # per landmark; the second bears the tag of the city
GRADES = {"easy": 3, "hard": 2, "junk": 1}  # images per landmark
N_OTHERS = 4  # images that answer nothing


def write_oxford(folder: Path) -> None:
    """Write ROxford5k."""
    pictures = _write_answers(folder / "gnd_roxford5k.pkl", OXFORD, "", "oxford")
    write_tar_gz(folder / "oxbuild_images-v1.tgz", [(f"{name}.jpg", data) for name, data in pictures.items()])


def write_paris(folder: Path) -> None:
    """Write RParis6k."""
    pictures = _write_answers(folder / "gnd_rparis6k.pkl", PARIS, "paris_", "general")
    members = [(f"paris/{name.split('_')[1]}/{name}.jpg", data) for name, data in pictures.items()]
    first = [member for member in members if "/defense/" in member[0]]
    write_tar_gz(folder / "paris_1-v1.tgz", first)
    write_tar_gz(folder / "paris_2-v1.tgz", [member for member in members if member not in first])


def _write_answers(path: Path, landmarks: dict[str, str], prefix: str, common: str) -> dict[str, bytes]:
    """Write the pickle; gives the photographs by name."""
    pictures: dict[str, bytes] = {}

    def photograph(tag: str, scene: str, subject: str, number: str) -> str:
        name = f"{prefix}{tag}_{int(hex_id(path.name, subject, number), 16) % 10**6:06d}"
        pictures[name] = draw(scene, f"revisited/{subject}", number)
        return name

    gallery: list[str] = []
    queries: list[str] = []
    answers: list[dict[str, list[float] | list[int]]] = []
    for landmark, scene in landmarks.items():
        places: dict[str, list[int]] = {}
        for grade, count in GRADES.items():
            places[grade] = list(range(len(gallery), len(gallery) + count))
            gallery += [photograph(landmark, scene, landmark, f"{grade}/{number}") for number in range(count)]
        for number in range(N_QUERIES):
            tag = common if number else landmark
            queries.append(photograph(tag, scene, landmark, f"query/{number}"))
            answers.append({"bbx": list(BOX), **{grade: list(at) for grade, at in places.items()}})
    gallery += [photograph(common, "church", f"none/{number}", "0") for number in range(N_OTHERS)]
    content = {"imlist": gallery, "qimlist": queries, "gnd": answers}
    write_bytes(path, pickle.dumps(content, protocol=2))
    return pictures
