"""`label-studio`: images, tasks with the tree's groups as pre-annotations, and the labelling page for them.

What is asked of an image is the group of its label, on the level above the labels; `cairn decisions import
label-studio` turns the answers into decisions about labels. The first tasks have one image of every label, those
after them a second.
"""

import json
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from cairnhub.core.errors import BadInput
from cairnhub.datasets_hub.export.exported_images import ExportedImage, Selection
from cairnhub.datasets_hub.export.file_names import FileNames
from cairnhub.hierarchies.review.label_studio_answers import CONTROL


def write_label_studio(folder: Path, selection: Selection) -> None:
    """Write `tasks.json`, `config.xml` and `images/<split>/`, which Label Studio serves as local files.

    Raises:
        BadInput: the finest level and the one above it are not both chosen.
    """
    tree = selection.tree
    if len(tree.levels) < 2 or not {*tree.levels[:2]} <= {*selection.levels}:
        raise BadInput(
            f"{selection.name}: Label Studio is asked for the group of each {tree.levels[0]}: the export needs that "
            "level and the one above it; leave out --level, or take a dataset with two levels"
        )
    tasks: list[tuple[int, dict[str, object]]] = []
    seen: dict[str, int] = {}
    for split in selection.splits:
        names, place = FileNames(), folder / "images" / split
        place.mkdir(parents=True)
        for image in selection.images(split):
            path = place / f"{names.name(image.stem)}.{image.ending}"
            path.write_bytes(image.content)
            label = image.labels[tree.levels[0]]
            if label is None:
                continue
            address = f"/data/local-files/?d={quote(path.relative_to(folder).as_posix())}"
            tasks.append((seen.setdefault(label, 0), _task(image, label, address, selection)))
            seen[label] += 1
    ordered = [task for _, task in sorted(tasks, key=lambda ranked: ranked[0])]
    text = json.dumps(ordered, ensure_ascii=False, indent=1) + "\n"
    (folder / "tasks.json").write_text(text, encoding="utf-8", newline="\n")
    (folder / "config.xml").write_text(_page(selection), encoding="utf-8", newline="\n")


def _task(image: ExportedImage, label: str, address: str, selection: Selection) -> dict[str, object]:
    level, above = selection.tree.levels[:2]
    choice = {
        "from_name": CONTROL,
        "to_name": "image",
        "type": "choices",
        "value": {"choices": [image.labels[above]]},
    }
    score = selection.confidence.get(label)
    prediction = {
        "model_version": f"tree {selection.published.stats.tree_fingerprint[:12]}",
        **({} if score is None else {"score": score}),
        "result": [choice],
    }
    data = {
        "image": address,
        "image_id": image.image_id,
        "split": image.split,
        "dataset": selection.name,
        "level": level,
        "label": label,
        "labels": dict(image.labels),
    }
    return {"data": data, "predictions": [prediction]}


def _page(selection: Selection) -> str:
    level, above = selection.tree.levels[:2]
    choices = "\n".join(f"    <Choice value={quoteattr(name)}/>" for name in sorted(selection.names(above)))
    return f"""<View>
  <Header value="$label"/>
  <Text name="what" value={quoteattr(f"Which {above} is this {level} in?")}/>
  <Image name="image" value="$image"/>
  <Filter name="filter" toName="{CONTROL}"/>
  <Choices name="{CONTROL}" toName="image" choice="single-radio" required="true">
{choices}
  </Choices>
</View>
"""
