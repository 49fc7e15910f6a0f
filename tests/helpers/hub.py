"""A Hub of our own on this machine: the requests that huggingface_hub sends to fetch a model, and what it is told."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

COMMIT = "c" * 40
TREE = re.compile(r"/api/models/(?P<repo>[^/]+/[^/]+)/(?:revision|tree)/(?P<revision>[^/?]+).*")
FILE = re.compile(r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>.+)")


@dataclass
class Hub:
    """One repository, whose files lie in a folder."""

    repo: str
    folder: Path
    refuse: tuple[int, str] = (0, "")
    """A status and an error code with which all is refused."""
    served: list[str] = field(default_factory=list)
    """Names of the files whose content was asked for."""
    asked: int = 0
    """How many requests there were."""
    address: str = ""


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serves it until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    Thread(target=server.serve_forever, daemon=True).start()
    hub.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_HEAD(self) -> None:
        self._answer(content=False)

    def do_GET(self) -> None:
        self._answer(content=True)

    def _answer(self, content: bool) -> None:
        hub = self.hub
        hub.asked += 1
        tree, file = TREE.fullmatch(self.path), FILE.fullmatch(self.path)
        found = tree or file
        if hub.refuse[0]:
            return self._send(*hub.refuse)
        if found is None or found["repo"] != hub.repo:
            return self._send(401, "RepoNotFound")
        if found["revision"] not in ("main", COMMIT):
            return self._send(404, "RevisionNotFound")
        if tree is not None:
            about = self._tree() if "/tree/" in self.path else {"id": hub.repo, "sha": COMMIT, "siblings": []}
            return self._send(200, body=json.dumps(about).encode())
        assert file is not None
        path = hub.folder / file["name"]
        if not path.is_file():
            return self._send(404, "EntryNotFound")
        if content:
            hub.served.append(file["name"])
        return self._send(200, body=path.read_bytes(), content=content)

    def _tree(self) -> list[dict[str, object]]:
        files = [path for path in sorted(self.hub.folder.rglob("*")) if path.is_file()]
        return [
            {"type": "file", "path": path.relative_to(self.hub.folder).as_posix(), "size": path.stat().st_size,
             "oid": hashlib.sha1(path.read_bytes()).hexdigest()}
            for path in files
        ]  # fmt: skip

    def _send(self, status: int, code: str = "", body: bytes = b"", content: bool = True) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()
        if content:
            self.wfile.write(body)
