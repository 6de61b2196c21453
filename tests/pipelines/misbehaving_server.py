"""A local HTTP server that serves one content, or a folder, and misbehaves on request, one way per answer."""

import gzip
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

PAGE = b"<!DOCTYPE html><html><body>Quota exceeded. Please sign in.</body></html>"


@dataclass
class Misbehaviour:
    """What the server does; `script` holds one word per answer to come, after which it behaves.

    Words: good; no_range (200 with everything); cut, stall (hangs up, falls silent in mid-body); silent, drop
    (never answers, hangs up at once); short_length, long_length (lies); page, hidden_page (a web page with
    status 200, with or without its type); busy, refuse (503 with and without Retry-After); not_found; shifted
    (206 from another byte); no_416 (416 to any Range); flipped (one wrong byte); endless; huge_length (a number that no
    disk could hold); packed (gzip, unasked for, that it calls `encoding`); astray (a redirect to what is no host).
    """

    content: bytes | dict[str, bytes]  # of every path, or by path
    script: list[str] = field(default_factory=list)
    always: str = "good"
    etag: str | None = '"v1"'
    cut_at: int = 1000  # bytes of an answer's body before a cut, a stall
    bytes_per_second: float | None = None
    retry_after: str = "1"
    encoding: str = "gzip"
    announced: int | None = None  # size that it tells without sending anything; None: it does not
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # path, Range
    n_bytes_sent: int = 0
    closing: threading.Event = field(default_factory=threading.Event)
    url: str = ""


@contextmanager
def misbehaving_server(content: bytes | dict[str, bytes]) -> Iterator[Misbehaviour]:
    """Serve `content` below `url` until the block ends."""
    behaviour = Misbehaviour(content)

    class Handler(_Handler):
        plan = behaviour

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    behaviour.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield behaviour
    finally:
        behaviour.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    plan: Misbehaviour

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""

    def do_HEAD(self) -> None:
        size = self.plan.announced
        self._answer(501, b"", {}) if size is None else self._answer(200, b"", {"Content-Length": str(size)})

    def do_GET(self) -> None:
        plan = self.plan
        wanted = self.headers.get("Range")
        plan.requests.append((self.path, wanted))
        way = plan.script.pop(0) if plan.script else plan.always
        self.close_connection = True
        match way:
            case "silent":
                plan.closing.wait(30)
            case "drop":
                pass
            case "busy":
                self._answer(503, b"", {"Retry-After": plan.retry_after})
            case "refuse":
                self._answer(503, b"", {})
            case "astray":
                self._answer(302, b"", {"Location": "http://[::1"})
            case "not_found":
                self._answer(404, b"gone", {})
            case "page":
                self._answer(200, PAGE[-60:], {"Content-Type": "text/html; charset=utf-8"})
            case "hidden_page":
                self._answer(200, PAGE, {})
            case _:
                self._serve(way, wanted)

    def _serve(self, way: str, wanted: str | None) -> None:
        plan, content = self.plan, self.plan.content
        if isinstance(content, dict):
            content = content[unquote(self.path).lstrip("/")]
        if way == "flipped":
            content = content[:-1] + bytes([content[-1] ^ 1])
        start = self._start(wanted) if way != "no_range" else 0
        if start and (way == "no_416" or start >= len(content)):
            self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            return
        headers, status = {"Content-Length": str(len(content) - start)}, 200
        if start:
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        if way == "shifted" and start:
            start -= 7
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            headers["Content-Length"] = str(len(content) - start)
        if plan.etag:
            headers["ETag"] = plan.etag
        body = content[start:]
        if way == "short_length":
            headers["Content-Length"] = str(len(body) // 2)
            body = body[: len(body) // 2]
        if way == "long_length":
            headers["Content-Length"] = str(len(body) + 5000)
        if way == "huge_length":
            headers["Content-Length"] = headers["Content-Range"] = "9" * 5000
        if way == "packed":
            body = gzip.compress(body)
            headers |= {"Content-Encoding": plan.encoding, "Content-Length": str(len(body))}
        if way == "endless":
            del headers["Content-Length"]
            body = body + content * 20
        if way in ("cut", "stall"):
            body = body[: plan.cut_at]
        self._answer(status, body, headers)
        if way == "stall":
            plan.closing.wait(30)

    def _start(self, wanted: str | None) -> int:
        if wanted is None:
            return 0
        found = re.fullmatch(r"bytes=(\d+)-", wanted)
        assert found is not None, wanted
        return int(found[1])

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        rate = self.plan.bytes_per_second
        step = len(body) if rate is None else max(1, int(rate / 100))
        for first in range(0, len(body), step or 1):
            if rate:
                time.sleep(0.01)
            try:
                self.wfile.write(body[first : first + step])
            except OSError:
                return  # the client went away
            self.plan.n_bytes_sent += len(body[first : first + step])
