"""The server answers its own page only."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from cairnhub.core.errors import CairnError
from cairnhub.hierarchies.review.app.api import ReviewApi
from cairnhub.hierarchies.review.app.server import create_app, listen
from cairnhub.hierarchies.review.session import Session
from tests.hierarchies.toy import PROPOSAL, ToyPhotos
from tests.project import ROOT

PAGE = ROOT / "hierarchies/review/app/page"
TOKEN, PORT = "the-token", 8000
HERE = f"127.0.0.1:{PORT}"


@pytest.fixture
def app(tmp_path: Path) -> TestClient:
    session = Session(PROPOSAL, tmp_path / "toy.jsonl", "ada")
    api = ReviewApi(session, "toy", photos=ToyPhotos(b"a jpeg", {"Great Keep": 1}))
    return TestClient(create_app(api, TOKEN, PORT), base_url=f"http://{HERE}")


def test_the_page_is_whole_and_allows_nothing_foreign(app: TestClient) -> None:
    page = app.get(f"/{TOKEN}/")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for name in sorted(file.name for file in PAGE.iterdir()):
        answer = app.get(f"/{TOKEN}/{name}")
        assert answer.status_code == 200
        assert "http://" not in answer.text.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in answer.text
        assert "innerHTML" not in answer.text


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/another-token/", {}),
        (f"/{TOKEN}/", {"host": "evil.example:8000"}),
        (f"/{TOKEN}/", {"host": "127.0.0.1:9999"}),
        (f"/{TOKEN}/api/state", {"origin": "http://evil.example"}),
        (f"/{TOKEN}/api/state", {"origin": "null"}),
        (f"/{TOKEN}/api/state", {"origin": "http://127.0.0.1:9999"}),
        (f"/{TOKEN}/api/state", {"sec-fetch-site": "cross-site"}),
        (f"/{TOKEN}/photo/0/0", {"sec-fetch-site": "same-site"}),
    ],
)
def test_strangers_are_refused(app: TestClient, path: str, headers: dict[str, str]) -> None:
    for answer in (app.get(path, headers=headers), app.post(path, headers=headers, json={})):
        assert answer.status_code == 403
        assert "toy" not in answer.text


def test_own_requests_pass(app: TestClient) -> None:
    headers = {"origin": f"http://{HERE}", "sec-fetch-site": "same-origin"}
    assert app.post(f"/{TOKEN}/api/state", headers=headers, json={}).json()["dataset"] == "toy"
    assert app.get(f"/{TOKEN}/", headers={"host": f"localhost:{PORT}"}).status_code == 200


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("burn", {}, "there is no request"),
        ("__init__", {}, "there is no request"),
        ("act", {"act": "burn"}, "act"),
        ("state", {"more": 1}, "more"),
        ("question", {"level": "type", "label": "nothing"}, "there is no type"),
        ("labels", {"level": "type", "label": "keep", "offset": -1}, "offset"),
        ("undo", {}, "nothing to undo"),
        ("undo", {"of": "0123456789ab"}, "no decision"),
    ],
)
def test_mistakes_are_answers(app: TestClient, name: str, body: dict[str, object], words: str) -> None:
    assert words in app.post(f"/{TOKEN}/api/{name}", json=body).json()["error"]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"\xff", 400),
        (b'{"offset": ' + b"9" * 5000 + b"}", 400),
        (b" " * 5_000_000, 413),
    ],
)
def test_bad_bodies(app: TestClient, content: bytes, status: int) -> None:
    assert app.post(f"/{TOKEN}/api/state", content=content).status_code == status


def test_photos(app: TestClient) -> None:
    keep = [entry.label for entry in PROPOSAL.labels].index("Great Keep")
    assert app.get(f"/{TOKEN}/photo/{keep}/0").content == b"a jpeg"
    for missing in (f"{keep}/1", "0/0", "999999/0"):
        assert app.get(f"/{TOKEN}/photo/{missing}").headers["content-type"] == "image/svg+xml"
    for nowhere in (f"{'9' * 5000}/0", f"0/{'9' * 5000}", f"{'9' * 5000}/0/large", "-1/0", "x/0"):
        assert app.get(f"/{TOKEN}/photo/{nowhere}").status_code == 404


def test_it_listens_on_this_machine_only() -> None:
    address = listen()
    try:
        assert address.url.startswith(f"http://127.0.0.1:{address.port}/")
        assert len(address.token) >= 20
        with pytest.raises(CairnError, match=f"port {address.port}"):
            listen(address.port)
    finally:
        address.socket.close()
