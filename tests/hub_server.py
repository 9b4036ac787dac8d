"""A stand-in for the Hugging Face Hub, with its protocol of uploads and downloads, on loopback.

What it checks, the Hub checks: token, namespace, front matter, that files a commit names have been uploaded, and their
SHA-256. `Fault` makes it fail as the Hub and the network between do.
"""

import base64
import hashlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

TOKEN, USER = "hf_stand_in", "ada"
_REPO = r"(?P<repo>[\w.-]+/[\w.-]+)"
_KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}


@dataclass
class Fault:
    """A failure of the requests whose ``METHOD /path`` the pattern matches.

    The action is a status to answer; or ``cut``: the connection ends in the middle of the body, an upload's or a
    download's; or ``stall``: a second without an answer. After so many times it is over.
    """

    pattern: str
    action: int | str
    times: int = 1_000_000


@dataclass
class Repo:
    """A repository: its commits, each with all files as of then."""

    sdk: str | None = None
    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=list)

    def commit(self, files: dict[str, bytes]) -> str:
        """Make the next commit and return its hash."""
        number = f"{len(self.commits)} {id(self)}"
        digest = hashlib.sha1(number.encode()).hexdigest()
        self.commits.append((digest, files))
        return digest

    @property
    def head(self) -> str:
        """Hash of the last commit."""
        return self.commits[-1][0]

    @property
    def files(self) -> dict[str, bytes]:
        """Files of the last commit."""
        return self.commits[-1][1]


class Hub:
    """The server's content, and the failures that it simulates."""

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], Repo] = {}
        self.stored: dict[str, bytes] = {}  # Large files by their SHA-256, uploaded before the commit.
        self.requests: list[str] = []
        self.faults: list[Fault] = []
        self.paid = True
        self.url = ""

    def add(self, kind: str, repo: str, files: dict[str, bytes]) -> Repo:
        """Create a repository without an upload."""
        added = self.repos[kind, repo] = Repo()
        added.commit(files)
        return added


@contextmanager
def run_hub() -> Iterator[Hub]:
    """Run a stand-in on a free port of loopback."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def handle_any(self) -> None:
        try:
            self._handle()
        except ConnectionError:  # The client, or `_hang_up`, has ended it.
            self.close_connection = True

    def _handle(self) -> None:
        path = unquote(urlsplit(self.path).path)
        request = f"{self.command} {path}"
        self.hub.requests.append(request)
        fault = next((f for f in self.hub.faults if f.times > 0 and re.search(f.pattern, request)), None)
        if fault is not None:
            fault.times -= 1
        self._cut = fault is not None and fault.action == "cut"
        size = int(self.headers.get("Content-Length") or 0)
        if self._cut and size:
            self.rfile.read(size // 2)
            return self._hang_up()
        self._body = self._read_body(size)
        if fault is not None and fault.action == "stall":
            threading.Event().wait(1)
        elif fault is not None and not self._cut:
            return self._refuse(int(fault.action), "the stand-in was asked to fail")
        for pattern, needs_token, answer in _ROUTES:
            match = re.fullmatch(pattern, request)
            if match is not None:
                given = self.headers.get("Authorization")
                if (needs_token or given) and given != f"Bearer {TOKEN}":
                    return self._refuse(401, "Invalid credentials in Authorization header")
                return answer(self, **match.groupdict())
        return self._refuse(404, f"the stand-in doesn't know {request}")

    do_GET = do_HEAD = do_POST = do_PUT = handle_any  # noqa: N815

    def log_message(self, *arguments: object) -> None:
        pass

    # === Repositories ===

    def create(self) -> None:
        asked = json.loads(self._body)
        kind, repo = asked.get("type", "model"), f"{asked['organization']}/{asked['name']}"
        if asked["organization"] != USER:
            return self._refuse(403, f"You don't have the rights to create a {kind} under this namespace")
        if asked.get("sdk") == "gradio" and not self.hub.paid:
            return self._refuse(402, "Payment required")
        if (kind, repo) in self.hub.repos:
            return self._refuse(409, "You already created this repo")
        created = self.hub.repos[kind, repo] = Repo(asked.get("sdk"))
        created.commit({".gitattributes": b""} | ({"README.md": b"---\nsdk: gradio\n---\n"} if kind == "space" else {}))
        return self._answer({"url": f"{self.hub.url}/{repo}", "name": repo})

    def info(self, kind: str, repo: str, revision: str | None = None) -> None:
        found = self._find(_KINDS[kind], repo, revision or "main")
        if found is None:
            return None
        commit, files = found
        front_matter = re.match(r"---\n(.*?)\n---\n", files.get("README.md", b"").decode(), re.DOTALL)
        card = yaml.safe_load(front_matter[1]) if front_matter else {}
        siblings = [{"rfilename": name} for name in files]
        return self._answer({"id": repo, "sha": commit, "siblings": siblings, "cardData": card, "private": False})

    def validate(self) -> None:
        asked = json.loads(self._body)
        front_matter = re.match(r"---\n(.*?)\n---\n", asked["content"], re.DOTALL)
        try:
            card = yaml.safe_load(front_matter[1]) if front_matter else {}
        except yaml.YAMLError as error:
            return self._answer({"errors": [{"message": str(error)}], "warnings": []}, 400)
        errors = []
        if asked["repoType"] == "space":
            if card.get("sdk") not in ("gradio", "docker", "static"):
                errors.append('"sdk" must be one of [gradio, docker, static]')
            if len(card.get("short_description", "")) > 60:
                errors.append('"short_description" length must be less than or equal to 60 characters long')
            colors = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
            errors += [f'"{key}" must be a color' for key in ("colorFrom", "colorTo") if card.get(key) not in colors]
        if errors:
            return self._answer({"errors": [{"message": message} for message in errors], "warnings": []}, 400)
        return self._answer({"errors": [], "warnings": []})

    # === Uploads ===

    def preupload(self, kind: str, repo: str, revision: str) -> None:
        found = self._find(_KINDS[kind], repo, revision)
        if found is None:
            return None
        files = []
        for asked in json.loads(self._body)["files"]:
            present = found[1].get(asked["path"])
            large = asked["size"] > 100_000 or b"\0" in base64.b64decode(asked["sample"])
            answer = {"path": asked["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
            if present is not None:
                answer["oid"] = hashlib.sha256(present).hexdigest() if large else _blob_id(present)
            files.append(answer)
        return self._answer({"files": files})

    def batch(self, kind: str | None, repo: str) -> None:
        objects: list[dict[str, Any]] = []
        for asked in json.loads(self._body)["objects"]:
            answer = {"oid": asked["oid"], "size": asked["size"]}
            if asked["oid"] not in self.hub.stored:
                answer["actions"] = {"upload": {"href": f"{self.hub.url}/store/{asked['oid']}"}}
            objects.append(answer)
        return self._answer({"transfer": "basic", "objects": objects})

    def store(self, oid: str) -> None:
        if hashlib.sha256(self._body).hexdigest() != oid:
            return self._refuse(400, "the content is not of that SHA-256")
        self.hub.stored[oid] = self._body
        return self._answer({})

    def commit(self, kind: str, repo: str, revision: str) -> None:
        found = self._find(_KINDS[kind], repo, revision)
        if found is None:
            return None
        files = dict(found[1])
        for line in self._body.decode().splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                if value["oid"] not in self.hub.stored:
                    return self._refuse(400, f"{value['path']} was not uploaded")
                files[value["path"]] = self.hub.stored[value["oid"]]
            elif item["key"] == "deletedFile" and files.pop(value["path"], None) is None:
                return self._refuse(404, "A file with this name doesn't exist")
        commit = self.hub.repos[_KINDS[kind], repo].commit(files)
        return self._answer({"commitUrl": f"{self.hub.url}/{repo}/commit/{commit}", "commitOid": commit})

    # === Downloads ===

    def tree(self, kind: str, repo: str, revision: str) -> None:
        found = self._find(_KINDS[kind], repo, revision)
        if found is not None:
            entries = [
                {"type": "file", "path": name, "size": len(content), "oid": _blob_id(content)}
                for name, content in found[1].items()
            ]
            self._answer(entries)

    def resolve(self, kind: str | None, repo: str, revision: str, path: str) -> None:
        found = self._find(_KINDS[kind or "models"], repo, revision)
        if found is None:
            return None
        commit, files = found
        if path not in files:
            return self._refuse(404, "Entry not found", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        content = files[path]
        headers = {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked is None:
            return self._send(200, content, headers)
        start = int(asked[1])
        headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return self._send(206, content[start:], headers)

    # === Answers ===

    def _find(self, kind: str, repo: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """Find files of a revision; answer 404 if there are none."""
        found = self.hub.repos.get((kind, repo))
        if found is None:
            self._refuse(404, "Repository not found", {"X-Error-Code": "RepoNotFound"})
            return None
        commits = dict(found.commits)
        commit = found.head if revision == "main" else revision
        if commit not in commits:
            self._refuse(404, f"Invalid rev id: {revision}", {"X-Error-Code": "RevisionNotFound"})
            return None
        return commit, commits[commit]

    def _read_body(self, size: int) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(size)
        parts = []
        while length := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(length + 2)[:-2])
            if self._cut:
                self._hang_up()
                raise ConnectionAbortedError
        self.rfile.readline()
        return b"".join(parts)

    def _refuse(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps({"error": message}).encode(), {"X-Error-Message": message, **(headers or {})})

    def _answer(self, value: Any, status: int = 200) -> None:
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self._cut:
            self.wfile.write(content[: len(content) // 2])
            self._hang_up()
        else:
            self.wfile.write(content)

    def _hang_up(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


def _blob_id(content: bytes) -> str:
    """Name a small file as Git does."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


_API = rf"/api/(?P<kind>models|datasets|spaces)/{_REPO}"
_ROUTES = [  # METHOD and path, whether a token is needed, and who answers.
    (r"POST /api/repos/create", True, _Handler.create),
    (r"POST /api/validate-yaml", False, _Handler.validate),
    (rf"GET {_API}", False, _Handler.info),
    (rf"GET {_API}/revision/(?P<revision>.+)", False, _Handler.info),
    (rf"GET {_API}/tree/(?P<revision>[^/]+)", False, _Handler.tree),
    (rf"POST {_API}/preupload/(?P<revision>.+)", True, _Handler.preupload),
    (rf"POST {_API}/commit/(?P<revision>.+)", True, _Handler.commit),
    (rf"POST /(?:(?P<kind>datasets|spaces)/)?{_REPO}\.git/info/lfs/objects/batch", True, _Handler.batch),
    (r"PUT /store/(?P<oid>[0-9a-f]{64})", False, _Handler.store),
    (
        rf"(?:GET|HEAD) /(?:(?P<kind>datasets|spaces)/)?{_REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)",
        False,
        _Handler.resolve,
    ),
]
