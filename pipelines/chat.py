"""A language model behind an endpoint that speaks OpenAI's protocol: one question, one answer.

The key comes from the environment and goes into one header: no message, no file and no other host gets it.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

import requests

from cairnhub.core.errors import BadInput, CairnError, Unreachable
from cairnhub.core.parse import decode, parse_json, typed
from cairnhub.core.text import quoted

KEY, URL = "CAIRN_LLM_KEY", "CAIRN_LLM_URL"
RETRY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_SYSTEM = (
    "You help to put the class names of a data set in order. Answer with the JSON object that is asked for."
)
_CONNECT_TIMEOUT_S = 10.0
_MAX_BYTES = 1 << 20  # an answer has a few hundred
_N_TRIES = 4
_LONGEST_WAIT_S = 60.0
_SHORTEST_SECRET = 8  # what local servers take for a key, such as `EMPTY`, may be a word of an answer
T = TypeVar("T")


@dataclass(frozen=True)
class _Message:
    content: str | None = None  # none where a server refuses


@dataclass(frozen=True)
class _Choice:
    message: _Message


@dataclass(frozen=True)
class _Completion:
    choices: tuple[_Choice, ...]


@dataclass(frozen=True)
class _Model:
    id: str


@dataclass(frozen=True)
class _Models:
    data: tuple[_Model, ...]


class _Passing(Exception):
    """Another try may mend it, after so many seconds if the server says so."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


@dataclass
class Chat:
    """An endpoint.

    Attributes:
        url: such as http://localhost:8000/v1.
        key: sent as a bearer token; none if empty.
        timeout_s: for each read.
        wait: sleeps for seconds.
    """

    url: str
    key: str = field(default="", repr=False)
    timeout_s: float = 120.0
    wait: Callable[[float], None] = time.sleep
    session: requests.Session = field(default_factory=requests.Session, repr=False)

    def __post_init__(self) -> None:
        self.url, self.key = self.url.rstrip("/"), self.key.strip()
        try:
            parts = urlsplit(self.url)
        except ValueError as error:
            raise BadInput(f"--url is no address: {error}") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput(f"say which endpoint to ask: --url http://localhost:8000/v1, or {URL}=...")
        if "@" in parts.netloc or parts.query:
            raise BadInput(f"an address with a key in it would be shown: put the key into {KEY}")
        if not (self.key.isascii() and self.key.isprintable()):
            raise BadInput(f"{KEY} holds characters that no key has; copy it again")

    @classmethod
    def configured(cls, url: str) -> "Chat":
        """The endpoint at `url`, else the one of the environment, with the environment's key."""
        return cls(url or os.environ.get(URL, ""), os.environ.get(KEY, ""))

    def only_model(self) -> str:
        """The one model that the endpoint serves.

        Raises:
            CairnError: it serves none or several, or does not tell.
        """
        names = sorted(self._harmless(model.id) for model in self._asked(_Models, "GET", "models").data)
        if len(names) != 1:
            raise BadInput(f"{self.url} serves {len(names):,} models: {quoted(names)}; name one by --model")
        return names[0]

    def answer(self, prompt: str, model: str) -> str:
        """What the model answers to a question, `""` where it says nothing.

        Raises:
            Unreachable: the server does not answer, does not let us in, or does not speak the protocol.
        """
        messages = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": prompt}]
        question = {"model": model, "messages": messages, "temperature": 0}
        completion = self._asked(_Completion, "POST", "chat/completions", question)
        content = completion.choices[0].message.content if completion.choices else None
        return self._harmless(content or "")

    def _harmless(self, text: str) -> str:
        """What a server says, which would be kept: never the key itself."""
        if len(self.key) >= _SHORTEST_SECRET and self.key in text:
            raise Unreachable(f"{self.url}: an answer holds the key itself; do you trust this server?")
        return text

    def _asked(self, shape: type[T], method: str, path: str, body: object = None) -> T:
        """The answer to one request, tried again where that may help."""
        for attempt in range(_N_TRIES):
            try:
                text = self._sent(method, f"{self.url}/{path}", body)
            except _Passing as trouble:
                if attempt == _N_TRIES - 1:
                    raise Unreachable(f"{self.url}: {trouble}, {_N_TRIES} times; try again later") from None
                self.wait(min(max(2.0**attempt, trouble.wait_s), _LONGEST_WAIT_S))
                continue
            try:
                return typed(shape, parse_json(decode(text, self.url), self.url), self.url)
            except CairnError:
                raise Unreachable(
                    f"{self.url}: answers {path} with something else than OpenAI's protocol has; is the address right? "
                    "It often ends in /v1"
                ) from None
        raise AssertionError("unreachable")

    def _sent(self, method: str, url: str, body: object) -> bytes:
        timeout = (_CONNECT_TIMEOUT_S, self.timeout_s)
        with (
            self._faults_explained(),
            self.session.request(
                method, url, json=body, auth=self._sign, timeout=timeout, stream=True, allow_redirects=False
            ) as response,
        ):
            content = bytearray()
            for chunk in response.iter_content(1 << 14):
                content += chunk
                if len(content) > _MAX_BYTES:
                    raise Unreachable(f"{self.url}: an answer of more than {_MAX_BYTES:,} bytes")
            self._check_status(response, bytes(content), body)
        return bytes(content)

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the key. Being asked for `auth`, requests looks for no other key, as in `.netrc`."""
        if self.key:
            request.headers["Authorization"] = f"Bearer {self.key}"
        return request

    @contextmanager
    def _faults_explained(self) -> Iterator[None]:
        try:
            yield
        except (
            requests.ConnectTimeout,
            requests.exceptions.ProxyError,
            requests.exceptions.SSLError,
        ) as error:
            raise Unreachable(f"{self.url}: {type(error).__name__}; is the address right?") from None
        except requests.Timeout:
            raise _Passing(f"no answer within {self.timeout_s:g} s") from None
        except requests.ConnectionError as error:
            if "NewConnectionError" in repr(error) or "NameResolutionError" in repr(error):
                raise Unreachable(f"{self.url}: nothing answers there; does the server run?") from None
            raise _Passing("the connection broke") from None
        except requests.exceptions.ChunkedEncodingError:
            raise _Passing("the connection broke") from None
        except requests.RequestException as error:
            raise Unreachable(f"{self.url}: {type(error).__name__}; is the address right?") from None

    def _check_status(self, response: requests.Response, content: bytes, body: object) -> None:
        status = response.status_code
        if status == 200:
            return
        what = self._without_key(f"the server answers {status} {response.reason}{self._said(content)}")
        if status in RETRY_STATUS:
            wait = response.headers.get("Retry-After", "")
            raise _Passing(what, float(wait) if wait.isdecimal() else 0.0)
        cure = "is the address right? It often ends in /v1"
        if status in (401, 403):
            cure = (
                f"set {KEY} to a key that it takes"
                if not self.key
                else f"it does not take the {KEY} that is set"
            )
        elif status == 404 and isinstance(body, dict):
            cure = f"is there a model {body['model']!r}, and is the address right? It often ends in /v1"
        raise Unreachable(f"{self.url}: {what}; {cure}")

    def _said(self, content: bytes) -> str:
        """The server's own words, in a line."""
        try:
            told = parse_json(decode(content, self.url), self.url)
        except CairnError:
            return ""
        error = told.get("error") if isinstance(told, dict) else None
        message = error.get("message") if isinstance(error, dict) else error
        if not isinstance(message, str):
            return ""
        return f" ({self._without_key(' '.join(message.split()))[:200]})"

    def _without_key(self, text: str) -> str:
        return text.replace(self.key, "***") if self.key else text
