"""A small service that speaks the OpenAI API, answers what follows from the request alone, and fails as told.

As a program, ``python -m tests.helpers.service SEED SHARE SECONDS``, it prints its port, fails at random, and serves
until its input ends, then prints what it was asked, as JSON.
"""

from __future__ import annotations

import gzip
import json
import random
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

FAULTS = ("busy", "limited", "broken", "cut", "half", "slow", "garbled", "hollow")
Fault = str | None
"""One of :data:`FAULTS`; "status N message", where the message may be JSON; "body TEXT", which is all of the answer;
"html", "endless", "silent", "dripping" (headers), "continue" (without end), "packed" (gzip); or none."""


def words(body: dict[str, Any]) -> str:
    """What the service says to a request: it depends on everything in it."""
    return "said " + sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]


class Server(ThreadingHTTPServer):
    """Counts what it is asked, and what of it more than once."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, fault: Callable[[int], Fault], seconds: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.fault, self.seconds, self.lock = fault, seconds, Lock()
        self.arrived = 0
        self.worked: Counter[str] = Counter()
        """Times that the work for a request was done, by its Idempotency-Key; a service that heeds it charges once."""
        self.delivered: Counter[str] = Counter()
        """Whole answers sent, by key: those to a client that was killed may never have been read."""
        self.faults: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.now = self.most = 0
        self.files: list[dict[str, Any]] = []
        """Uploaded files, the last first; ``content`` is not told."""
        self.jobs: list[dict[str, Any]] = []
        """Jobs of fine-tuning, the last first."""
        self.states = ["queued", "running", "succeeded"]
        """What a job's states are, look by look."""
        self.most_jobs = 1000
        """Jobs that are taken at once; one more is refused for the moment."""
        self.keep_bodies = True
        self.logprobs = True
        self.says: Callable[[dict[str, Any]], Any] = words
        """What is said to a request."""
        self.retold: Callable[[dict[str, Any]], Any] = lambda answer: answer
        """What is made of an answer before it is sent."""
        self.paths: list[str] = []
        self.top: Callable[[dict[str, Any]], dict[str, float]] = lambda body: {
            str(i): -1.0 - i for i in range(body["top_logprobs"])
        }
        """Log-probabilities of the first tokens."""
        self.refuses: Callable[[dict[str, Any]], str | None] = lambda body: None
        """Why a request is refused by its content, if it is."""

    @property
    def url(self) -> str:
        """Its base address."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that are killed are no news."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    """Else a body would wait 40 ms for the client to acknowledge its headers."""
    server: Server

    def do_POST(self) -> None:
        server = self.server
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.path.partition("?")[0].endswith("/chat/completions"):
            return self.tuning(lambda: self.made(content))
        body = json.loads(content)
        with server.lock:
            fault = server.fault(server.arrived)
            if (reason := server.refuses(body)) is not None:
                fault = f"status 400 {reason}"
            server.arrived += 1
            server.faults[str(fault)] += 1
            server.now += 1
            server.most = max(server.most, server.now)
            if server.keep_bodies:
                server.bodies.append(body)
                server.headers.append(dict(self.headers))
                server.paths.append(self.path)
        try:
            time.sleep(server.seconds)
            self.answer(fault, body)
        finally:
            with server.lock:
                server.now -= 1

    def do_GET(self) -> None:
        self.tuning(self.told)

    def tuning(self, value: Callable[[], Any]) -> None:
        """What is asked about files and jobs. A connection that is cut is cut after the work."""
        server = self.server
        with server.lock:
            fault = server.fault(server.arrived) or ""
            server.arrived += 1
            text = "" if fault.startswith(("status", "busy")) else json.dumps(value())
        match fault.split(" ", 2):
            case _ if text == "null":
                self.give(429, json.dumps({"error": {"message": "maximum of active jobs"}}))
            case ["status", status, message]:
                self.give(int(status), json.dumps({"error": {"message": message}}))
            case ["busy"]:
                self.give(503, "")
            case ["cut"]:
                self.cut()
            case _:
                self.give(200, text)

    def made(self, content: bytes) -> dict[str, Any] | None:
        if self.path.endswith("/files"):
            name = content.partition(b'filename="')[2].partition(b'"')[0].decode()
            rows = content.partition(b'filename="')[2].partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0]
            file = {"id": f"file-{len(self.server.files)}", "filename": name, "content": rows.decode()}
            self.server.files.insert(0, file)
            return {"id": file["id"]}
        body = json.loads(content)
        if sum(job["status"] not in ("succeeded", "failed") for job in self.server.jobs) >= self.server.most_jobs:
            return None
        job = {"id": f"job-{len(self.server.jobs)}", "status": "queued", "user_provided_suffix": body["suffix"]}
        self.server.jobs.insert(0, job | {"asked": body, "looks": 0})
        return job

    def told(self) -> dict[str, Any]:
        path, _, asked = self.path.partition("?")
        kept = self.server.files if path.endswith("/files") else self.server.jobs
        if path.rpartition("/")[2] in ("files", "jobs"):  # two at a time
            names = [item["id"] for item in kept]
            start = names.index(asked.rpartition("after=")[2]) + 1 if "after=" in asked else 0
            shown = [{k: v for k, v in item.items() if k != "content"} for item in kept[start : start + 2]]
            return {"data": shown, "has_more": len(kept) > start + 2}
        job = next(item for item in kept if item["id"] == path.rpartition("/")[2])
        job["status"] = self.server.states[min(job["looks"], len(self.server.states) - 1)]
        job["looks"] += 1
        if job["status"] == "succeeded":
            job["fine_tuned_model"] = f"ft:{job['asked']['model']}:{job['user_provided_suffix']}"
            job["trained_tokens"] = 1000
        if job["status"] == "failed":
            job["error"] = {"message": "row 3 is too long"}
        return job

    def answer(self, fault: Fault, body: dict[str, Any]) -> None:
        kind, *more = (fault or "").split(" ", 2)
        match kind:
            case "status":
                told = more[1] if more[1].startswith("{") else json.dumps({"error": {"message": more[1]}})
                return self.give(int(more[0]), told)
            case "body":
                return self.give(200, (fault or "").partition(" ")[2])
            case "dripping":
                return self.drip(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 400)
            case "continue":
                return self.drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 400, 25)
            case "limited":
                return self.give(429, "slow down", {"Retry-After": " ".join(more) or "0.01"})
            case "busy":
                return self.give(503, "")
            case "broken":
                return self.give(500, json.dumps({"error": {"message": "internal"}}))
            case "html":
                return self.give(200, "<!doctype html><p>Welcome", {"Content-Type": "text/html"})
            case "cut":
                return self.cut()
            case "silent":
                time.sleep(5)
                return self.cut()
        text = self.work(body)
        match kind:
            case "half":
                self.give(200, text, send=len(text) // 2)
                return self.cut()
            case "endless":
                return self.give(200, " " * 400, drip=0.05)
            case "garbled":
                return self.give(200, text[:-3])
            case "hollow":
                return self.give(200, json.dumps({"choices": []}))
            case "packed":
                return self.give(200, gzip.compress(text.encode()), {"Content-Encoding": "gzip"})
        key = self.headers["Idempotency-Key"]
        self.give(200, text, drip=0.01 if kind == "slow" else 0)
        with self.server.lock:
            self.server.delivered[key] += 1

    def work(self, body: dict[str, Any]) -> str:
        """The whole answer."""
        key = self.headers["Idempotency-Key"]
        with self.server.lock:
            self.server.worked[key] += 1
        message = {"role": "assistant", "content": self.server.says(body)}
        choice: dict[str, Any] = {"message": message, "finish_reason": "stop"}
        if body.get("logprobs") and self.server.logprobs:
            top = [{"token": token, "logprob": log_p} for token, log_p in self.server.top(body).items()]
            choice["logprobs"] = {"content": [{"token": "0", "logprob": -1.0, "top_logprobs": top}]}
        usage = {"prompt_tokens": 10, "completion_tokens": 5}
        return json.dumps(self.server.retold({"model": f"{body['model']}-2026", "choices": [choice], "usage": usage}))

    def drip(self, content: bytes, size: int = 1) -> None:
        """Sends so many bytes at once, slowly."""
        self.close_connection = True
        for i in range(0, len(content), size):
            self.wfile.write(content[i : i + size])
            time.sleep(0.02)

    def give(
        self,
        status: int,
        text: str | bytes,
        headers: dict[str, str] | None = None,
        send: int | None = None,
        drip: float = 0,
    ) -> None:
        content = text.encode() if isinstance(text, str) else text
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if not drip:
            self.wfile.write(content[:send])
            return
        for i in range(0, len(content), 40):
            self.wfile.write(content[i : i + 40])
            self.wfile.flush()
            time.sleep(drip)

    def cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def running(fault: Callable[[int], Fault] = lambda _: None, seconds: float = 0.0) -> Iterator[Server]:
    """A server on a thread; ``fault`` says by the request's number how to fail."""
    server = Server(fault, seconds)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def main() -> None:
    """Serves with every fault at the given share of requests."""
    seed, share, seconds = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    rng = random.Random(seed)

    def fault(_: int) -> Fault:
        drawn = rng.random() / share
        return FAULTS[int(drawn)] if drawn < len(FAULTS) else None

    with running(fault, seconds) as server:
        server.keep_bodies = False
        print(server.server_address[1], flush=True)
        sys.stdin.read()
    told = {
        "arrived": server.arrived,
        "faults": server.faults,
        "worked out": len(server.worked),
        "delivered": sum(server.delivered.values()),
        "delivered twice": sum(count - 1 for count in server.delivered.values()),
        "at once": server.most,
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
