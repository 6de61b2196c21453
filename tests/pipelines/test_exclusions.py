"""`exclude_ids`: single images are taken out for good, for a reason that counts, card and README give."""

import json
import logging
from pathlib import Path

import datasets
import pandas as pd
import pytest
from test_odd_files import NAMES, counts, indexed, project
from tiny import member, photograph, tiny_context, write_tree

from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.check import check_dataset
from cairnhub.datasets_hub.loader import describe
from cairnhub.pipelines.graph import render
from cairnhub.pipelines.params import load_params
from cairnhub.pipelines.stages import index, publish
from tests.project import ROOT

HEAD = "image_id,reason\n"
TAKEDOWN = "taken down by its author"


def with_exclusions(root: Path, text: str, name: str = "decisions/mine.exclude.csv"):
    context = project(root, ["photos"], exclude_ids=name)
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text(text)
    return context


@pytest.mark.parametrize("name", ["decisions/mine.exclude.csv", "takedowns.tsv"])
@pytest.mark.parametrize("taken", [NAMES[:1], NAMES[1:3], NAMES[:3]])
def test_images_are_taken_out_and_counted_by_their_reason(tmp_path, name, taken):
    tab = "\t" if name.endswith("tsv") else ","
    lines = "".join(f"{image_id}{tab}reason {place % 2}\n" for place, image_id in enumerate(taken))
    context = with_exclusions(tmp_path, HEAD.replace(",", tab) + lines, name)
    assert sorted(indexed(context)["image_id"]) == sorted(set(NAMES) - set(taken))
    reasons: dict[str, int] = {}
    for split in counts(context)["excluded"].values():
        for reason, count in split.items():
            reasons[reason] = reasons.get(reason, 0) + count
    assert reasons == {f"reason {kind}": len(taken[kind::2]) for kind in range(min(2, len(taken)))}
    assert json.loads((context.paths.index / "card.json").read_text())["excluded"] == reasons
    assert counts(context)["n_unnamed"] == 0


def test_an_id_that_matches_nothing_is_said(tmp_path, caplog):
    context = with_exclusions(tmp_path, f"{HEAD}{NAMES[0]},x\nphotos/gone.jpg,x\n")
    with caplog.at_level(logging.INFO, "cairnhub"):
        assert len(indexed(context)) == 3
    assert "1 images are taken out by mine.exclude.csv" in caplog.text
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "1 ids of mine.exclude.csv match no image, gone already or misspelt: 'photos/gone.jpg'" in warnings


def test_an_image_that_is_in_quarantine_is_taken_out_as_well(tmp_path):
    context = with_exclusions(tmp_path, f"{HEAD}photos/absent.jpg,{TAKEDOWN}\n")
    with (tmp_path / "mirror/labels.csv").open("a") as file:
        file.write("photos/absent.jpg,f0,train\n")
    indexed(context)
    assert pd.read_parquet(context.paths.index / "quarantine.parquet").empty
    assert counts(context)["splits"]["train"] == {"listed": 3, "indexed": 2, "quarantined": 0, "excluded": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image_id,why\n", r"exclude_ids in params\.yaml: .*exclude\.csv: no column 'reason'"),
        (f"{HEAD}\n,x\n", r"exclude\.csv:3: image_id is empty"),
        (f"{HEAD}{NAMES[0]},\n", r"exclude\.csv:2: reason is empty; every line names an image and says why"),
        (f"{HEAD}{NAMES[0]},x\n{NAMES[1]},a, b\n", r"exclude\.csv:3: cells: 3"),
        (HEAD + "".join(f"{name},x\n" for name in NAMES), "takes out every image"),
    ],
)
def test_a_faulty_list_is_refused_by_line(tmp_path, text, message):
    with pytest.raises(CairnError, match=message):
        indexed(with_exclusions(tmp_path, text))


def test_a_list_that_is_missing_is_named(tmp_path):
    context = project(tmp_path, ["photos"], exclude_ids="decisions/none.csv")
    with pytest.raises(CairnError, match=r"exclude_ids in params\.yaml: .*decisions/none\.csv"):
        indexed(context)


@pytest.mark.parametrize("dataset", ["grocery", "inat2018"])
def test_what_is_taken_out_is_not_published_and_the_readme_says_how_many(tmp_path, dataset):
    names = [f"{i:03d}.jpg" for i in range(60)]
    context = tiny_context(
        tmp_path,
        dataset,
        members=[member(name, photograph(i)) for i, name in enumerate(names)]
        if dataset == "grocery"
        else None,
    )
    source = context.params.sources[dataset].model_copy(update={"exclude_ids": "takedowns.csv"})
    context.params.sources[dataset] = source
    index_of_all = context.paths.index / "images.parquet"
    (tmp_path / "takedowns.csv").write_text(HEAD)
    index.run(context)
    ids = pd.read_parquet(index_of_all)["image_id"].tolist()
    (tmp_path / "takedowns.csv").write_text(
        HEAD + "".join(f"{image_id},{TAKEDOWN}\n" for image_id in ids[-5:])
    )
    index.run(context)
    write_tree(context)
    publish.run(context)
    published = datasets.load_dataset(str(context.paths.hub), cache_dir=str(tmp_path / "cache"))
    left = [image_id for split in published.values() for image_id in split["image_id"]]
    assert sorted(left) == sorted(set(ids) - set(ids[-5:]))
    assert sum(split.n_excluded for split in describe(context.paths.hub).stats.splits.values()) == 5
    assert f"Excluded: {TAKEDOWN} (5)." in (context.paths.hub / "README.md").read_text()
    assert check_dataset(context.paths.hub).ok


def test_the_list_is_a_dependency_of_the_index_alone(tmp_path):
    text = (
        (ROOT / "params.yaml")
        .read_text()
        .replace(
            "dyml_animal: {format: dyml}", "dyml_animal: {format: dyml, exclude_ids: decisions/animals.csv}"
        )
    )
    (tmp_path / "params.yaml").write_text(text)
    lines = render(load_params(tmp_path / "params.yaml")).splitlines()
    assert [line.split(":")[0].strip() for line in lines if "decisions/animals.csv" in line] == [
        "sample-dyml_animal"
    ]
    assert any("${item.exclusions}" in line for line in lines)
