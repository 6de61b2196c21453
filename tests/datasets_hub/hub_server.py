"""A stand-in for the Hugging Face hub: the endpoints that publishing and loading use, over real HTTP."""

import base64
import hashlib
import io
import json
import re
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class Repository:
    """Commits as whole trees: path -> content."""

    def __init__(self) -> None:
        self.commits: dict[str, dict[str, bytes]] = {"0" * 40: {}}
        self.references = {"main": "0" * 40}
        self.lfs: set[str] = set()
        self.private = False

    def at(self, revision: str) -> tuple[str, dict[str, bytes]]:
        sha = self.references.get(revision, revision)
        return sha, self.commits[sha]

    def commit(self, changes: dict[str, bytes | None]) -> str:
        tree = dict(self.commits[self.references["main"]])
        for path, raw in changes.items():
            tree.pop(path, None)
            if raw is not None:
                tree[path] = raw
        sha = hashlib.sha1(f"{self.references['main']} {sorted(tree)}".encode()).hexdigest()
        self.commits[sha] = tree
        self.references["main"] = sha
        return sha


class FakeHub(ThreadingHTTPServer):
    """Attributes: `repositories` by name, `objects` by SHA-256, `uploads` of objects, `refuse` all writes.

    After `kill_after` uploads it kills the process `client`. `mishaps` says what happens to the next commit or tag:
    `refused` or `busy` before it is done, `cut before`, `cut after` or `failed after` it is done; empty for nothing.
    A hub of another `same` one is a second door to it.
    """

    daemon_threads = True

    def __init__(self, same: "FakeHub | None" = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = same.repositories if same else {}
        self.objects: dict[str, bytes] = same.objects if same else {}
        self.mishaps: Callable[[], str] = lambda: ""
        self.uploads: list[str] = []
        self.refuse = False
        self.storing = threading.Lock()
        self.kill_after: int | None = None
        self.client: subprocess.Popen[str] | None = None
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def _reply(self, content: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if "Content-Length" not in (headers or {}):
            self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    def _error(self, status: int, code: str) -> None:
        self._reply({"error": code}, status, {"X-Error-Code": code, "X-Error-Message": code})

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _route(self, routes: dict[str, str]) -> None:
        path = unquote(urlsplit(self.path).path)
        for pattern, method in routes.items():
            if match := re.fullmatch(pattern, path):
                getattr(self, method)(**match.groupdict())
                return
        self._error(404, "EntryNotFound")

    def do_GET(self) -> None:
        name = r"(?P<name>[^/]+/[^/]+)"
        self._route(
            {
                rf"/api/(?:datasets|models)/{name}/tree/(?P<revision>[^/]+)(?P<under>/.*)?": "_tree",
                rf"/api/(?:datasets|models)/{name}(/revision/(?P<revision>[^/]+))?": "_info",
                rf"(?:/datasets)?/{name}/resolve/(?P<revision>[^/]+)/(?P<path>.+)": "_resolve",
                rf"/api/(?:datasets|models)/{name}/refs": "_refs",
            }
        )

    do_HEAD = do_GET

    def do_PUT(self) -> None:
        raw, oid = self._body(), self.path.rsplit("/", 1)[1]
        with self.server.storing:  # files come in parallel: count and store are one step
            if self.server.client and len(self.server.uploads) == self.server.kill_after:
                self.server.client.kill()
                return
            if hashlib.sha256(raw).hexdigest() != oid:
                self._error(400, "BadDigest")
                return
            self.server.objects[oid] = raw
            self.server.uploads.append(oid)
        self._reply({})

    def do_POST(self) -> None:
        self.content = self._body()
        if self.server.refuse:
            self._error(403, "Forbidden")
            return
        name = r"(?P<name>[^/]+/[^/]+)"
        self._route(
            {
                r"/api/repos/create": "_create",
                r"/api/validate-yaml": "_valid",
                rf"/api/(?:datasets|models)/{name}/preupload/[^/]+": "_preupload",
                rf"(?:/datasets)?/{name}\.git/info/lfs/objects/batch": "_batch",
                rf"/api/(?:datasets|models)/{name}/commit/[^/]+": "_commit",
                rf"/api/(?:datasets|models)/{name}/tag/(?P<revision>[^/]+)": "_tag",
                rf"/api/(?:datasets|models)/{name}/paths-info/(?P<revision>[^/]+)": "_paths_info",
            }
        )

    def _create(self) -> None:
        wanted = json.loads(self.content)
        name = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
        known = name in self.server.repositories
        repository = self.server.repositories.setdefault(name, Repository())
        if not known:
            repository.private = bool(wanted.get("private")) or wanted.get("visibility") == "private"
        self._reply({"url": f"{self.server.url}/datasets/{name}"}, 409 if known else 200)

    def _valid(self) -> None:
        self._reply({"errors": [], "warnings": []})

    def _preupload(self, name: str) -> None:
        files = json.loads(self.content)["files"]
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs"
                if file["path"].endswith((".parquet", ".jpg", ".safetensors"))
                else "regular",
                "shouldIgnore": False,
                "oid": None,
            }
            for file in files
        ]
        self._reply({"files": modes})

    def _batch(self, name: str) -> None:
        objects = []
        for wanted in json.loads(self.content)["objects"]:
            found = {"oid": wanted["oid"], "size": wanted["size"]}
            if wanted["oid"] not in self.server.objects:
                found["actions"] = {"upload": {"href": f"{self.server.url}/lfs/{wanted['oid']}"}}
            objects.append(found)
        self._reply({"transfer": "basic", "objects": objects})

    def _with_mishap(self, do: Callable[[], object]) -> None:
        """Do what was asked, or fail before or after it."""
        how = self.server.mishaps()
        if how == "refused":
            self._error(500, "InternalError")
        elif how == "busy":
            self._error(429, "TooManyRequests")
        elif how == "cut before":
            self.close_connection = True
        elif how in ("cut after", "failed after"):
            self.wfile, answers = io.BytesIO(), self.wfile
            do()
            self.wfile = answers
            if how == "failed after":
                self._error(500, "InternalError")
            self.close_connection = True
        else:
            do()

    def _commit(self, name: str) -> None:
        self._with_mishap(lambda: self._do_commit(name))

    def _tag(self, name: str, revision: str) -> None:
        self._with_mishap(lambda: self._do_tag(name, revision))

    def _do_commit(self, name: str) -> None:
        repository = self.server.repositories[name]
        changes: dict[str, bytes | None] = {}
        for line in self.content.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if (
                entry["key"] == "header"
                and value.get("parentCommit", repository.at("main")[0]) != repository.at("main")[0]
            ):
                self._reply({"error": "A commit has happened since. Please refresh and try again."}, 412)
                return
            if entry["key"] == "file":
                changes[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                changes[value["path"]] = self.server.objects[value["oid"]]
                repository.lfs.add(value["path"])
            elif entry["key"] == "deletedFile":
                changes[value["path"]] = None
        sha = repository.commit(changes)
        url = f"{self.server.url}/datasets/{name}/commit/{sha}"
        self._reply(
            {"success": True, "commitOid": sha, "commitUrl": url, "hookOutput": "", "pullRequestUrl": None}
        )

    def _do_tag(self, name: str, revision: str) -> None:
        repository = self.server.repositories[name]
        tag = json.loads(self.content)["tag"]
        known = tag in repository.references
        repository.references.setdefault(tag, repository.at(revision)[0])
        self._reply({}, 409 if known else 200)

    def _found(self, name: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        repository = self.server.repositories.get(name)
        if repository is None:
            self._error(404, "RepoNotFound")
            return None
        try:
            return repository.at(revision)
        except KeyError:
            self._error(404, "RevisionNotFound")
            return None

    def _entry(self, name: str, path: str, raw: bytes) -> dict[str, object]:
        oid = hashlib.sha1(b"blob %d\0" % len(raw) + raw).hexdigest()
        entry = {"type": "file", "path": path, "size": len(raw), "oid": oid}
        if path in self.server.repositories[name].lfs:
            entry["lfs"] = {"oid": hashlib.sha256(raw).hexdigest(), "size": len(raw), "pointerSize": 100}
        return entry

    def _tree(self, name: str, revision: str, under: str | None) -> None:
        if found := self._found(name, revision):
            under = (under or "").strip("/")
            files = [
                self._entry(name, path, raw)
                for path, raw in sorted(found[1].items())
                if not under or path.startswith(f"{under}/")
            ]
            if "recursive=true" not in self.path.lower():
                depth = under.count("/") + 1 if under else 0
                folders = {
                    "/".join(f["path"].split("/")[: depth + 1]) for f in files if f["path"].count("/") > depth
                }
                files = [f for f in files if f["path"].count("/") == depth]
                files += [
                    {"type": "directory", "path": path, "size": 0, "oid": "0" * 40}
                    for path in sorted(folders)
                ]
            self._reply(files)

    def _paths_info(self, name: str, revision: str) -> None:
        if found := self._found(name, revision):
            form = self.content.decode()
            paths = json.loads(form)["paths"] if form.startswith("{") else []
            entries = [self._entry(name, path, found[1][path]) for path in paths if path in found[1]]
            entries += [
                {"type": "directory", "path": path, "size": 0, "oid": "0" * 40}
                for path in paths
                if any(known.startswith(f"{path}/") for known in found[1])
            ]
            self._reply(entries)

    def _info(self, name: str, revision: str | None) -> None:
        if found := self._found(name, revision or "main"):
            siblings = [{"rfilename": path} for path in sorted(found[1])]
            self._reply(
                {
                    "id": name,
                    "sha": found[0],
                    "siblings": siblings,
                    "private": self.server.repositories[name].private,
                    "disabled": False,
                    "gated": False,
                    "downloads": 0,
                    "likes": 0,
                    "tags": [],
                }
            )

    def _refs(self, name: str) -> None:
        repository = self.server.repositories[name]
        tags = [
            {"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": sha}
            for tag, sha in repository.references.items()
            if tag != "main"
        ]
        branch = {"name": "main", "ref": "refs/heads/main", "targetCommit": repository.references["main"]}
        self._reply({"branches": [branch], "tags": tags, "converts": []})

    def _resolve(self, name: str, revision: str, path: str) -> None:
        found = self._found(name, revision)
        if found is None:
            return
        if path not in found[1]:
            self._error(404, "EntryNotFound")
            return
        raw, status = found[1][path], 200
        headers = {
            "ETag": f'"{hashlib.sha256(raw).hexdigest()}"',
            "X-Repo-Commit": found[0],
            "Accept-Ranges": "bytes",
        }
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start, stop = int(match[1]), int(match[2]) + 1 if match[2] else len(raw)
            headers["Content-Range"] = f"bytes {start}-{min(stop, len(raw)) - 1}/{len(raw)}"
            raw, status = raw[start:stop], 206
        self._reply(raw, status, headers)
