"""Types mined for the sample's landmarks that GLDv2 gives none: from fetch to the proposal."""

import json
from pathlib import Path

import pandas as pd
import pytest

from cairnhub.core.errors import CairnError
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.params import Params, load_params
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.settings.fetch import Wikimedia
from cairnhub.pipelines.sources.formats.gldv2.mined_types import FILE, mined_types
from cairnhub.pipelines.stages import cluster, embed, fetch, index
from tests.hierarchies.toy import ToyEmbedder
from tests.pipelines.wikimedia_server import Wiki, item, serving
from tests.project import ROOT

WIKI = Wiki(
    entities={
        "Q1": item("Q1", "Lac de Sainte-Croix", P31=["Q10"]),
        "Q2": item("Q2", "Monte Perdido", P31=["Q404", "Q11"]),
        "Q10": item("Q10", "quolm", P279=["Q20"]),
        "Q11": item("Q11", "mountain"),
        "Q20": item("Q20", "lake"),
        "Q404": item("Q404"),
    },
    items={"Category:Lac de Sainte-Croix": "Q1", "Category:Monte Perdido": "Q2"},
)


def context(root: Path, wikimedia: Wikimedia | None) -> Context:
    params = load_params(ROOT / "params.yaml").model_dump()
    params["fetch"]["sample"]["wikimedia"] = wikimedia.model_dump() if wikimedia else None
    return Context("gldv2", "sample", Params.model_validate(params), Paths(root, "sample", "gldv2"))


def landmarks(context: Context) -> dict[str, str]:
    frame = pd.read_parquet(context.paths.index / "images.parquet", columns=["landmark", "type"])
    return dict(frame.drop_duplicates().itertuples(index=False, name=None))


def test_types_travel_from_the_answers_to_the_proposal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed, "run_portable", lambda function, argument: function(argument))
    monkeypatch.setattr(embed, "SentenceEmbedder", lambda **_: ToyEmbedder())  # a type's chain decides
    with serving(WIKI) as server:
        mining = context(
            tmp_path, Wikimedia(contact="ada@example.org", commons=server.url, wikidata=server.url)
        )
        fetch.run(mining)
        assert len(server.requests[0]["titles"].split("|")) == 7  # those without a type, and no other
        n_requests = len(server.requests)
        fetch.run(mining)
        assert len(server.requests) == n_requests
    manifest = json.loads(mining.paths.manifest.read_text())
    assert FILE in {file["name"] for file in manifest["files"]}
    for stage in (index, embed, cluster):
        stage.run(mining)
    types = landmarks(mining)
    assert types["Lac de Sainte-Croix"] == "quolm"
    assert types["Monte Perdido"] == "mountain"
    assert types["Ponte Vecchio (Firenze)"] == ""
    proposal = TreeProposal.load(mining.paths.proposal)
    found = {entry.text: entry for entry in proposal.types}["quolm"]
    assert (found.group, found.why) == ("lake", "subclass of lake")


def test_without_the_parameter_nothing_is_mined(tmp_path: Path) -> None:
    plain = context(tmp_path, None)
    fetch.run(plain)
    (plain.paths.store / FILE).parent.mkdir()
    (plain.paths.store / FILE).write_text('{"types": {}, "chains": {}}')
    fetch.run(plain)
    index.run(plain)
    assert not (plain.paths.store / FILE).exists()
    assert landmarks(plain)["Lac de Sainte-Croix"] == ""


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_text('{"types": {"a"')
    with pytest.raises(CairnError, match=r"mined\.json: not JSON .*fetch"):
        mined_types(tmp_path)
