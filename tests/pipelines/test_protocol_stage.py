"""Declared protocols go all the way: from a CSV's columns to what the evaluate stage writes."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from cairnhub.core.errors import BadInput, BrokenData, NotFound
from cairnhub.datasets_hub.local_splits import LocalSplits
from cairnhub.datasets_hub.mmap_images import OpenSplit
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.pipelines.artifacts.evaluation import Evaluation
from cairnhub.pipelines.context import make_context
from cairnhub.pipelines.graph import graph
from cairnhub.pipelines.image_vectors import ImageEmbedder, View
from cairnhub.pipelines.params import load_params
from cairnhub.pipelines.report_data import SYSTEMS, summarise_protocol
from cairnhub.pipelines.run_stage import run_stage
from cairnhub.pipelines.stages import evaluate as stage
from cairnhub.training.cropped import CroppedImages, parse_boxes
from cairnhub.training.encoders import at_scales
from cairnhub.training.metrics.keys import from_json
from cairnhub.training.models import ModelDescription, save_model, untrained_model
from cairnhub.training.recipes.settings import Network
from cairnhub.training.whitening import Whitening
from tests.odd_images import encoded
from tests.pipelines.table_project import TableProject, inside

HEADER = "path,fine,coarse,split,list,template,box"
SHAPE = Network(backbone="small_cnn", width=4, embedding_dim=8, image_side_px=16, resized_side_px=20)
PROTOCOLS = [
    {"name": "held", "query": "query", "gallery": "gallery", "levels": ["fine"], "drop_query": True,
     "group": "overall"},
    {"name": "coarse", "query": "query", "gallery": "gallery", "levels": ["coarse"], "group": "overall", "ks": [1, 5]},
    {"name": "drawn", "query": "gallery", "gallery": "gallery", "kind": "one_per_class", "n_draws": 4,
     "only": {"list": "small"}, "levels": ["fine"]},
    {"name": "pooled", "query": "gallery", "gallery": "gallery", "kind": "templates", "template": "template"},
    {"name": "seen", "query": "query", "gallery": "gallery", "crop": "box", "scales": [1, 0.5]},
]  # fmt: skip


def rows() -> list[tuple[str, ...]]:
    """Four classes; the query of each is the first of the gallery's images, under another name."""
    found = [
        (f"photos/t{i}.jpg", f"fine{i % 4}", f"coarse{i % 4 // 2}", "train", "", "", "") for i in range(8)
    ]
    for fine in range(4):
        labels = (f"fine{fine}", f"coarse{fine // 2}")
        for i in range(4):
            lists = "small large" if fine < 3 else "large"
            found.append((f"photos/g{fine}_{i}.jpg", *labels, "gallery", lists, f"{fine}{i % 2}", ""))
        found.append((f"photos/q{fine}.jpg", *labels, "query", "", "", "8 4 40 36"))
    return found


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> TableProject:
    project = TableProject(
        tmp_path_factory.mktemp("protocols"),
        rows(),
        HEADER,
        protocols=PROTOCOLS,
        keep=["list", "template", "box"],
    )
    for fine in range(4):
        shutil.copyfile(project.mirror / f"photos/g{fine}_0.jpg", project.mirror / f"photos/q{fine}.jpg")
    project.stage("fetch", "index", "taxonomy", "publish")
    model = project.at("models")
    model.mkdir(parents=True)
    torch.manual_seed(0)
    levels = ("fine", "coarse")
    save_model(model, untrained_model(SHAPE, 1), ModelDescription("small", SHAPE, levels, "f" * 64, 0))
    (model / "loss.csv").write_text("step,epoch,loss\n1,1,0.5\n")
    stage.run(make_context("mine", "sample", project.root))
    return project


def test_every_declared_protocol_is_measured(evaluated: TableProject):
    folder = evaluated.at("results/evaluate")
    found = Evaluation.load(folder / "metrics.json")
    trained = found.protocols("trained")
    assert list(trained) == [protocol["name"] for protocol in PROTOCOLS]
    for name, (values, intervals) in trained.items():
        assert {"h_ap", "h_ap_published"} <= set(map(str, values)), name
        assert {"h_ap", "h_ap_published"} <= set(map(str, intervals)), name
    table = (folder / "table.md").read_text()
    assert (
        "| protocol | system | H-AP | H-AP as published | AP fine | AP coarse | R@1 fine | R@1 coarse |"
        in table
    )
    assert "held: of 4 queries, 4 lie in the gallery themselves and are taken out of their own lists" in table
    assert "drawn: the mean of 4 draws; standard deviation over draws: AP fine" in table
    assert {"r_at_5_coarse", "r_at_1_coarse"} <= set(map(str, trained["coarse"][0]))
    assert json.loads((folder / "examples.json").read_text())


def test_a_query_does_not_find_itself(evaluated: TableProject):
    """The same pictures have the same vectors: with them in, every query of `coarse` finds its own first."""
    trained = Evaluation.load(evaluated.at("results/evaluate") / "metrics.json").protocols("trained")
    assert trained["coarse"][0]["r_at_1_coarse"] == 1.0
    assert trained["held"][0]["ap_fine"] < 1.0


def test_means_over_a_group_are_reported(evaluated: TableProject):
    folder = evaluated.at("results/evaluate")
    content = json.loads((folder / "metrics.json").read_text())
    trained = content["trained"]
    parts = [trained["protocols"][name]["overall"]["mean_ap"] for name in ("held", "coarse")]
    assert trained["means"]["overall"]["overall"]["mean_ap"] == pytest.approx(sum(parts) / 2, abs=1e-5)
    table = (folder / "table.md").read_text()
    assert "| protocols | system | mAP | ASI | mAP@R | R@1 |" in table
    assert f"| overall | trained | {50 * sum(parts):.1f} |" in table


def test_the_headline_has_both(evaluated: TableProject):
    headline = json.loads((evaluated.at("results/evaluate") / "headline.json").read_text())
    assert {"h_ap_trained", "h_ap_published_trained"} <= set(headline["held"])


def test_a_column_that_is_not_published_is_named_before_any_work(tmp_path: Path):
    project = TableProject(tmp_path, rows(), HEADER, protocols=PROTOCOLS, keep=["list", "box"])
    project.stage("fetch")
    with pytest.raises(BadInput, match="protocol 'pooled' goes by the column 'template'"):
        project.stage("index")


def test_the_report_shows_settings_where_others_have_levels():
    """Of Revisited Oxford: AP of easy, medium and hard, without H-AP."""
    ap = {level: {"ap": {"value": 0.5, "low": 0.4, "high": 0.6}} for level in ("easy", "hard")}
    metrics = from_json({"overall": {}, "levels": ap})
    shown = summarise_protocol("roxford", dict.fromkeys(SYSTEMS, metrics), ("landmark",))
    assert shown.levels == ("easy", "hard")
    assert list(shown.values) == ["AP easy", "AP hard"]
    assert shown.systems == ("trained", "trained, whitened", "off the shelf", "untrained", "colour histogram")


# ---- another dataset's model -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def transferred(evaluated: TableProject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same dataset, searched by the model of another one, which is published and trained on."""
    root = tmp_path_factory.mktemp("transfer") / "project"
    shutil.copytree(evaluated.root, root)
    shutil.copytree(root / "data/hub/sample/mine", root / "data/hub/sample/other")
    (root / "models/sample/mine").rename(root / "models/sample/other")
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["sources"]["other"] = params["sources"]["mine"]
    params |= {"datasets": ["mine", "other"], "tree_from_data": ["mine", "other"], "train_on": ["other"]}
    params["train"]["sample"]["recipes"] = {"other": "small"}
    params["evaluate"]["sample"]["transfer"] = {"mine": {"model": "other", "whitening": 4}}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    with inside(root):
        run_stage("evaluate", "mine", "sample")
    return root


def test_another_datasets_model_searches_and_its_whitened_vectors_too(
    evaluated: TableProject, transferred: Path
):
    own = Evaluation.load(evaluated.at("results/evaluate") / "metrics.json")
    found = Evaluation.load(transferred / "results/evaluate/sample/mine/metrics.json")
    assert found.protocols("trained") == own.protocols("trained")
    embedder = ImageEmbedder(
        transferred / "models/sample/other",
        LocalSplits(
            transferred / "data/hub/sample/mine/data",
            LabelTree.load(transferred / "data/hub/sample/mine/tree.json"),
        ),
    )
    learnt = Whitening.learn(embedder.embedded(View("train")).embeddings, 4)
    query, gallery = (embedder.embedded(View(name)) for name in ("query", "gallery"))
    scores = learnt.apply(query.embeddings) @ learnt.apply(gallery.embeddings).T
    nearest = gallery.labels[scores.argmax(1).numpy(), 1]
    by_hand = float((nearest == query.labels[:, 1]).mean())
    assert found.protocols("whitened")["coarse"][0]["r_at_1_coarse"] == by_hand
    assert found.protocols("whitened")["held"] != found.protocols("trained")["held"]


def test_the_graph_follows_the_model_that_searches(transferred: Path):
    stages = graph(load_params(transferred / "params.yaml"), transferred)["evaluate"]
    item = stages["foreach"]["sample-mine"]
    assert [*stages["foreach"]] == ["sample-other", "sample-mine"]
    assert item["model_of"] == "other"
    assert item["whitening"] == "data/hub/sample/other/data"
    assert item["transfer"] == "evaluate.sample.transfer.mine"
    assert "models/${item.scale}/${item.model_of}" in stages["do"]["deps"]
    assert stages["foreach"]["sample-other"]["transfer"] == "evaluate.sample.batch_size"


def test_a_missing_model_is_asked_of_its_own_dataset(transferred: Path):
    model = transferred / "models/sample/other"
    model.rename(model.with_name("away"))
    try:
        with inside(transferred), pytest.raises(NotFound, match="run `cairn stage train other sample`"):
            run_stage("evaluate", "mine", "sample")
    finally:
        model.with_name("away").rename(model)


@pytest.mark.parametrize(
    ("transfer", "message"),
    [
        ({"nobody": {"model": "mine"}}, "'nobody' is not listed under datasets"),
        ({"mine": {"model": "mine"}}, "'mine' has a model of its own"),
        ({"mine": {"model": "mine", "whitening": 0}}, "greater than or equal to 1"),
    ],
)
def test_a_transfer_that_cannot_be_is_refused(
    evaluated: TableProject, tmp_path: Path, transfer: dict[str, dict[str, object]], message: str
):
    params = yaml.safe_load((evaluated.root / "params.yaml").read_text())
    params["evaluate"]["sample"]["transfer"] = transfer
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(BadInput, match=message):
        load_params(tmp_path / "params.yaml")


def test_a_model_that_nobody_trains_is_refused(evaluated: TableProject, tmp_path: Path):
    params = yaml.safe_load((evaluated.root / "params.yaml").read_text())
    params |= {"train_on": []}
    params["evaluate"]["sample"]["transfer"] = {"mine": {"model": "other"}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(
        BadInput, match=r"transfer.mine.model: 'other' has no model at this scale; list it under"
    ):
        load_params(tmp_path / "params.yaml")


def test_a_subset_is_evenly_spread(evaluated: TableProject):
    splits = LocalSplits(
        evaluated.at("data/hub") / "data", LabelTree.load(evaluated.at("data/hub") / "tree.json")
    )
    embedder = ImageEmbedder(evaluated.at("models"), splits)
    whole, some = (embedder.embedded(View("gallery", n_most=n)) for n in (None, 5))
    rows = [0, 3, 6, 9, 12]
    assert torch.allclose(some.embeddings, whole.embeddings[rows], atol=1e-6)
    assert (some.labels == whole.labels[rows]).all()


# ---- crops, sizes, whitening -------------------------------------------------------------------------------------


def test_a_crop_is_what_the_network_sees():
    """The left half is red, the right half blue."""
    picture = Image.new("RGB", (40, 20), "red")
    picture.paste("blue", (20, 0, 40, 20))
    images = OpenSplit([encoded(picture, "PNG")] * 2, torch.zeros(2, 1, dtype=torch.long).numpy())
    cropped = CroppedImages(images, 8, parse_boxes(["0 0 20 20", "20 0 45 20"], "box"))
    assert cropped[0].float().mean((1, 2)).tolist() == [255, 0, 0]
    assert cropped[1].float().mean((1, 2)).tolist() == [0, 0, 255]  # beyond the edge there is nothing
    outside = CroppedImages(images, 8, parse_boxes(["50 0 60 20"] * 2, "box"))
    with pytest.raises(BrokenData, match=r"row 0 .* lies outside its picture of 40 x 20 pixels"):
        outside[0]


@pytest.mark.parametrize("text", ["1 2 3", "1 2 3 4 5", "a b c d", "", None, "nan 0 1 1"])
def test_what_is_no_box_is_named(text: str | None):
    with pytest.raises(BrokenData, match=r"row 1: box is .*, not four numbers"):
        parse_boxes(["0 0 1 1", text], "box")


def test_vectors_of_several_sizes_are_averaged():
    """A network that sees the side of what it is given: 45° and 0° give 22.5°."""

    def model(images: torch.Tensor) -> torch.Tensor:
        angle = {8: 0.0, 4: math.pi / 4}[images.shape[-1]]
        return torch.tensor([[math.cos(angle), math.sin(angle)]]).repeat(len(images), 1)

    vectors = at_scales(model, torch.rand(3, 3, 8, 8), (1, 0.5))
    assert torch.atan2(vectors[:, 1], vectors[:, 0]).tolist() == pytest.approx([math.pi / 8] * 3)
    assert vectors.norm(dim=1).tolist() == pytest.approx([1] * 3)
    assert torch.equal(at_scales(model, torch.rand(1, 3, 8, 8), (1,)), torch.tensor([[1.0, 0.0]]))


def test_whitening_by_hand():
    """Deviations of 2 and 1 about (1, 1), turned by nothing: (5, 3) becomes (4 / 2, 2 / 1), of unit length."""
    steps = torch.tensor([[2.0, 0], [-2, 0], [0, 1], [0, -1]]) * math.sqrt(3 / 2)
    learnt = Whitening.learn(steps + 1)
    assert learnt.deviations.tolist() == pytest.approx([2, 1])
    assert learnt.apply(torch.tensor([[5.0, 3.0]]))[0].tolist() == pytest.approx([1 / math.sqrt(2)] * 2)
    assert Whitening.learn(steps + 1, 1).apply(torch.tensor([[5.0, 3.0]])).tolist() == [[1.0]]


def test_whitened_vectors_of_the_set_itself_have_no_correlation():
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(500, 6, generator=generator) @ torch.randn(6, 6, generator=generator) + 3
    learnt = Whitening.learn(vectors)
    whitened = (vectors.double() - learnt.mean) @ learnt.axes.T / learnt.deviations
    assert torch.allclose(whitened.T.cov(), torch.eye(6, dtype=torch.double), atol=1e-9)
    assert learnt.apply(vectors).dtype == torch.float32


@pytest.mark.parametrize(
    ("vectors", "n"), [(torch.rand(4, 8), None), (torch.rand(20, 3), 4), (torch.rand(20, 3), 0)]
)
def test_too_little_to_whiten_is_refused(vectors: torch.Tensor, n: int | None):
    with pytest.raises(BadInput, match="whitening to"):
        Whitening.learn(vectors, n)


def test_vectors_in_a_plane_whiten_to_two_dimensions_only():
    flat = torch.rand(30, 2, dtype=torch.float64) @ torch.rand(2, 5, dtype=torch.float64)
    with pytest.raises(BadInput, match="vary in 2 dimensions only"):
        Whitening.learn(flat)
    assert Whitening.learn(flat, 2).axes.shape == (2, 5)
