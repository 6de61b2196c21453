"""The other side of the network, in a process of its own: `python -m tests.chaos.servers`.

Prints its addresses as JSON and serves until its standard input closes: two mirrors of the sample (one honest and slow,
one that lies and stalls), an S3 (honest, and a second door to it that fails and throttles) and a hub.
"""

import json
import random
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import boto3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from cairnhub.pipelines.samples.generate import generate
from tests.chaos.settings import DATASET
from tests.datasets_hub.hub_server import FakeHub
from tests.pipelines.misbehaving_server import misbehaving_server

LIES = ["cut", "drop", "short_length", "long_length", "page", "hidden_page", "refuse", "flipped", "no_range"]
LIES += ["shifted", "no_416", "stall", "busy"]
ERROR_RATE = 0.2
MISHAPS = ("refused", "cut before", "cut after", "failed after", "busy")
App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def failing(app: App, chance: random.Random) -> App:
    """An S3 that answers some requests as a busy one does."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if chance.random() > ERROR_RATE:
            return app(environ, start_response)
        status, code = chance.choice([("503 Slow Down", "SlowDown"), ("500 Error", "InternalError")])
        return refuse(environ, start_response, status, code)

    return answer


def storming(app: App, chance: random.Random) -> App:
    """An S3 that is well for a while, and then answers a row of requests by 503."""
    left = {"well": 10, "storm": 0}

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if left["well"] > 0:
            left["well"] -= 1
            left["storm"] = chance.randint(3, 30)
            return app(environ, start_response)
        left["storm"] -= 1
        if left["storm"] <= 0:
            left["well"] = chance.randint(5, 60)
        return refuse(environ, start_response, "503 Slow Down", "SlowDown")

    return answer


def skewed(app: App, chance: random.Random) -> App:
    """An S3 that finds one request in ten to be of another time."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if chance.random() > ERROR_RATE / 2:
            return app(environ, start_response)
        return refuse(environ, start_response, "403 Forbidden", "RequestTimeTooSkewed")

    return answer


def refuse(
    environ: dict[str, Any], start_response: Callable[..., Any], status: str, code: str
) -> Iterable[bytes]:
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response(status, [("Content-Type", "application/xml")])
    return [f"<Error><Code>{code}</Code><Message>try again</Message></Error>".encode()]


def serve(app: App) -> str:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def main() -> None:
    chance = random.Random(int(sys.argv[1]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / DATASET
        generate(DATASET, folder)
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
    app = DomainDispatcherApplication(create_backend_app)
    s3, hub = serve(app), FakeHub()
    doors = {"failing_s3": failing, "stormy_s3": storming, "skewed_s3": skewed}
    failing_hub = FakeHub(hub)
    failing_hub.mishaps = lambda: chance.choice(MISHAPS) if chance.random() < 0.5 else ""
    keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=s3, **keys).create_bucket(Bucket="hub")
    with misbehaving_server(files) as honest, misbehaving_server(files) as liar:
        honest.bytes_per_second = 1_000_000
        liar.script = [chance.choice(LIES) if chance.random() < 0.3 else "good" for _ in range(100_000)]
        addresses = {
            "honest": honest.url,
            "liar": liar.url,
            "s3": s3,
            **{name: serve(door(app, chance)) for name, door in doors.items()},
            "hub": hub.url,
            "failing_hub": failing_hub.url,
        }
        print(json.dumps(addresses), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
