"""A local server that speaks OpenAI's protocol as far as Cairn uses it, and misbehaves when it is told to."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[str], str | None]
SLOW_S = 1.5


class Server(ThreadingHTTPServer):
    """Answers each prompt by `answer`; `troubles` are what happens to the next requests, in order."""

    daemon_threads = True

    def __init__(self, answer: Answer, key: str = "", models: tuple[str, ...] = ("stand-in",)) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.key, self.models = answer, key, models
        self.troubles: list[str] = []
        self.questions: list[dict[str, Any]] = []
        self.n_requests = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    @property
    def prompts(self) -> list[str]:
        return [question["messages"][-1]["content"] for question in self.questions]


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self._may("/v1/models"):
            self._send(200, {"object": "list", "data": [{"id": name} for name in self.server.models]})

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._may("/v1/chat/completions"):
            return
        if question["model"] not in self.server.models:
            self._error(404, f"The model {question['model']} does not exist")
            return
        self.server.questions.append(question)
        content = self.server.answer(question["messages"][-1]["content"])
        message = {"role": "assistant", "content": content}
        self._send(200, {"object": "chat.completion", "choices": [{"index": 0, "message": message}]})

    def _may(self, path: str) -> bool:
        """Whether the request gets its answer; else it has got another one."""
        self.server.n_requests += 1
        trouble = self.server.troubles.pop(0) if self.server.troubles else ""
        given = self.headers.get("Authorization", "")
        if trouble == "hang up":
            self.close_connection = True
        elif trouble == "slow":
            time.sleep(SLOW_S)
            self.close_connection = True
        elif trouble == "page":
            self._send(200, "<html>Sign in, please</html>", "text/html")
        elif trouble == "other protocol":
            self._send(200, {"result": "fine"})
        elif trouble == "redirect":
            self.send_response(307)
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif trouble == "endless":
            self._send(200, {"choices": [], "padding": "x" * (3 << 20)})
        elif trouble:
            self._error(int(trouble), "overloaded")
        elif self.path != path:
            self._error(404, "no such page")
        elif self.server.key and given != f"Bearer {self.server.key}":
            self._error(401, f"Incorrect API key provided: {given.removeprefix('Bearer ')}", f"No {given}")
        else:
            return True
        return False

    def _error(self, status: int, message: str, reason: str | None = None) -> None:
        self._send(status, {"error": {"message": message}}, reason=reason)

    def _send(
        self, status: int, body: object, kind: str = "application/json", reason: str | None = None
    ) -> None:
        text = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status, reason)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        if status == 429:
            self.send_header("Retry-After", "7")
        self.end_headers()
        try:
            self.wfile.write(text)
        except ConnectionError:  # who asked has enough
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@contextmanager
def chatting(answer: Answer, key: str = "", models: tuple[str, ...] = ("stand-in",)) -> Iterator[Server]:
    """Run a server in a thread."""
    running = Server(answer, key, models)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.shutdown()
        running.server_close()
        thread.join()
