"""A local server that speaks MediaWiki's and Wikidata's JSON, and misbehaves in their ways on request."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs


def item(ident: str, label: str = "", **links: list[str | tuple[str, str]]) -> dict[str, object]:
    claims = {}
    for name, targets in links.items():
        statements = []
        for target in targets:
            value, rank = target if isinstance(target, tuple) else (target, "normal")
            snak = (
                {"snaktype": "value", "datavalue": {"value": {"id": value}}}
                if value
                else {"snaktype": "novalue"}
            )
            statements.append({"rank": rank, "mainsnak": snak})
        claims[name] = statements
    labels = {"en": {"language": "en", "value": label}} if label else {}
    return {"id": ident, "labels": labels, "claims": claims}


@dataclass(frozen=True)
class Wiki:
    """What the server knows: entities by id, merged ids, items of categories, redirects of categories."""

    entities: dict[str, dict[str, object]]
    items: dict[str, str]
    merged: dict[str, str] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)


def query(wiki: Wiki, titles: list[str], split: bool, part: str) -> dict[str, object]:
    ends = {title: wiki.redirects.get(title, title) for title in titles}
    pages = []
    for title in sorted(set(ends.values())):
        page: dict[str, object] = {"title": title}
        if title not in wiki.items:
            page["missing"] = True
        elif wiki.items[title] and (not split or part):
            page["pageprops"] = {"wikibase_item": wiki.items[title]}
        pages.append(page)
    steps = [{"from": a, "to": b} for a, b in ends.items() if a != b]
    answer: dict[str, object] = {"query": {"redirects": steps, "pages": pages}}
    if split and not part:
        answer["continue"] = {"ppcontinue": "1|x", "continue": "||"}
    return answer


def entities(wiki: Wiki, ids: list[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for ident in ids:
        target = wiki.merged.get(ident, ident)
        raw = dict(wiki.entities.get(target, {"id": target, "missing": ""}))
        if ident != target:
            raw["redirects"] = {"from": ident, "to": target}
        found[target] = raw
    return {"entities": found, "success": 1}


class Server(ThreadingHTTPServer):
    def __init__(self, wiki: Wiki) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.wiki = wiki
        self.troubles: list[str] = []
        self.requests: list[dict[str, str]] = []
        self.agents: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/w/api.php"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        asked = {key: values[0] for key, values in parse_qs(body).items()}
        self.server.requests.append(asked)
        self.server.agents.add(self.headers["User-Agent"])
        trouble = self.server.troubles.pop(0) if self.server.troubles else ""
        if asked["action"] == "query":
            answer = query(
                self.server.wiki,
                asked["titles"].split("|"),
                "continued" in trouble,
                asked.get("ppcontinue", ""),
            )
            if "ppcontinue" in asked:
                answer = query(self.server.wiki, asked["titles"].split("|"), True, "1")
        else:
            answer = entities(self.server.wiki, asked["ids"].split("|"))
        self.send(trouble, answer)

    def send(self, trouble: str, answer: dict[str, object]) -> None:
        status, headers = 200, {}
        if trouble in ("maxlag", "badvalue"):
            answer = {"error": {"code": trouble, "info": "says the server", "lag": 7}}
            headers["Retry-After"] = "11"
        elif trouble == "busy":
            status, headers["Retry-After"] = 503, "23"
        elif trouble == "short":
            answer = {"query": {"pages": []}} if "query" in answer else {"entities": {}}
        text = json.dumps(answer).encode()
        length = len(text)
        if trouble == "html":
            text = b"<html>Our servers are under maintenance</html>"
            length = len(text)
        elif trouble == "cut":
            text = text[: len(text) // 2]
        elif trouble == "half":
            text = text[: len(text) // 2]
            length = len(text)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@contextmanager
def serving(wiki: Wiki) -> Iterator[Server]:
    """Run a server in a thread."""
    running = Server(wiki)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.shutdown()
        running.server_close()
        thread.join()
