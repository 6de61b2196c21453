"""The server of the review app: on 127.0.0.1, for one person, for one run.

Every address begins with a token that is drawn anew for each run, so that no other page and no other program of this
machine can guess it. The Host header must be that of this server (a page of another site that points its own name at
127.0.0.1 sends another), and a request that names another page as its origin is refused.
"""

import gc
import json
import re
import secrets
import socket
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.resources import files

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cairnhub.core.errors import Unreachable
from cairnhub.hierarchies.review.app.api import ReviewApi

HOST = "127.0.0.1"
MAX_BODY_BYTES = 4_000_000
_PLACE = re.compile("[0-9]{1,18}")
_SCRIPTS = (
    "main.js",
    "question.js",
    "dialogs.js",
    "tree.js",
    "elements.js",
    "wall.js",
    "wall_acts.js",
    "wall_filters.js",
    "selecting.js",
    "place.js",
    "viewer.js",
    "history.js",
)
_PAGE_FILES = {
    "page.html": "text/html",
    "page.css": "text/css",
    "wall.css": "text/css",
    "icon.svg": "image/svg+xml",
    "no_photo.svg": "image/svg+xml",
    **dict.fromkeys(_SCRIPTS, "text/javascript"),
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_STRANGER = (
    "This is no page of the review that runs now. Each run has an address of its own: "
    "take the one that `cairn review --app` printed last.\n"
)


def create_app(api: ReviewApi, token: str, port: int) -> ASGIApp:
    """The web application.

    Args:
        api: what it serves.
        token: first part of every path.
        port: where it will listen: part of the Host that it answers to.
    """
    routes = [
        Route(f"/{token}/", _page_file("page.html")),
        *(Route(f"/{token}/{name}", _page_file(name)) for name in _PAGE_FILES),
        Route(f"/{token}/photo/{{leaf}}/{{nth}}", _photo(api, large=False)),
        Route(f"/{token}/photo/{{leaf}}/{{nth}}/large", _photo(api, large=True)),
        Route(f"/{token}/api/{{name}}", _call(api), methods=["POST"]),
    ]
    return _Guard(Starlette(routes=routes), token, (f"{HOST}:{port}", f"localhost:{port}"))


def _page_file(name: str) -> Callable[[Request], Response]:
    def serve_file(request: Request) -> Response:
        content = (files("cairnhub.hierarchies.review.app") / "page" / name).read_bytes()
        return Response(content, media_type=_PAGE_FILES[name])

    return serve_file


def _photo(api: ReviewApi, large: bool) -> Callable[[Request], Response]:
    """Photos are drawn in threads of their own, and kept by the browser for the run."""

    def serve_photo(request: Request) -> Response:
        leaf, nth = request.path_params["leaf"], request.path_params["nth"]
        if not (_PLACE.fullmatch(leaf) and _PLACE.fullmatch(nth)):
            return Response("no photo has such an address", 404)
        photo = api.photo(int(leaf), int(nth), large)
        if photo is None:
            return _page_file("no_photo.svg")(request)
        return Response(photo, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400"})

    return serve_photo


def _call(api: ReviewApi) -> Callable[[Request], Awaitable[Response]]:
    async def call(request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                return Response("too much", 413)
        try:
            content = json.loads(body or b"{}")
        except (ValueError, RecursionError):  # no JSON, no UTF-8, or a number of too many digits to read
            return Response("not JSON", 400)
        if not isinstance(content, dict):
            return Response("not a JSON object", 400)
        answer = await run_in_threadpool(api.answer, request.path_params["name"], content)
        return Response(json.dumps(answer), media_type="application/json")

    return call


class _Guard:
    """Refuses strangers, and adds the headers that keep the page to itself."""

    def __init__(self, app: ASGIApp, token: str, hosts: tuple[str, ...]) -> None:
        self._app, self._token, self._hosts = app, token, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif self._knows(Request(scope)):
            await self._app(scope, receive, _with_headers(send))
        else:
            await Response(_STRANGER, 403)(scope, receive, _with_headers(send))

    def _knows(self, request: Request) -> bool:
        origin = request.headers.get("origin")
        site = request.headers.get("sec-fetch-site", "none")
        token = request.url.path.split("/")[1]
        return (
            request.headers.get("host") in self._hosts
            and (origin is None or origin.removeprefix("http://") in self._hosts)
            and (site in ("same-origin", "none") or request.url.path == f"/{self._token}/")
            and secrets.compare_digest(token.encode(), self._token.encode())
        )


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message["headers"]}
            message["headers"] += [
                (name.lower().encode(), value.encode())
                for name, value in _HEADERS.items()
                if name.lower().encode() not in given
            ]
        await send(message)

    return sending


@dataclass(frozen=True)
class Address:
    """A socket that listens, and the address of the page on it."""

    socket: socket.socket
    token: str

    @property
    def port(self) -> int:
        """The port that was found free, or the one asked for."""
        return int(self.socket.getsockname()[1])

    @property
    def url(self) -> str:
        """What to open in a browser."""
        return f"http://{HOST}:{self.port}/{self.token}/"


def listen(port: int = 0) -> Address:
    """Take a port of 127.0.0.1 (0: any that is free) and draw a token.

    Raises:
        CairnError: the port is taken.
    """
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
        bound.listen()  # a browser may knock before the server answers
    except (OSError, OverflowError) as error:
        bound.close()
        raise Unreachable(
            f"port {port} of {HOST} cannot be taken ({error}); leave --port out to get a free one"
        ) from None
    return Address(bound, secrets.token_urlsafe(16))


def make_server(api: ReviewApi, address: Address) -> uvicorn.Server:
    """A server for the app; `run(sockets=[address.socket])` answers until `should_exit` is set."""
    app = create_app(api, address.token, address.port)
    return uvicorn.Server(
        uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
    )


def serve(api: ReviewApi, address: Address) -> None:
    """Answer until interrupted (Ctrl-C)."""
    gc.freeze()  # what was loaded stays: acts need not wait until the collector has looked through it
    warm_up = threading.Timer(2.0, api.session.prepare_search)  # once the first page is out
    warm_up.daemon = True
    warm_up.start()
    try:
        make_server(api, address).run(sockets=[address.socket])
    except KeyboardInterrupt:
        pass
    finally:
        address.socket.close()
