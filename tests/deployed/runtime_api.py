"""Lambda's runtime API, as far as a function needs it, on loopback: it hands out events and takes answers.

For measuring. What AWS itself makes of a function is the business of its own emulator, see invoke.py.
"""

from __future__ import annotations

import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from shipped import REGION

# How long a function may take to ask for an event, or to answer one.
SECONDS = 60


@dataclass
class Running:
    """A function that runs, and when it did what, by the clock that `time.perf_counter` reads."""

    process: subprocess.Popen[bytes]
    began: float
    events: queue.Queue[bytes] = field(default_factory=queue.Queue)
    # When it asked for an event.
    asked: queue.Queue[float] = field(default_factory=queue.Queue)
    # When it answered one, what, and whether as an error.
    answered: queue.Queue[tuple[float, bytes, bool]] = field(default_factory=queue.Queue)

    def first_call(self) -> float:
        """Milliseconds from its start until it asked for its first event."""
        return (self._take(self.asked, "asked for an event") - self.began) * 1000

    def handle(self, event: bytes) -> tuple[float, bytes]:
        """Milliseconds that the next event takes from being handed out, and the answer to it."""
        handed_out = time.perf_counter()
        self.events.put(event)
        at, answer, is_error = self._take(self.answered, "answered an event")
        if is_error:
            raise SystemExit(f"the function failed: {answer.decode()}")
        return (at - handed_out) * 1000, answer

    def peak_bytes(self) -> int:
        """The most memory that it has had so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024

    def processor_seconds(self) -> float:
        """What its threads, as many as there are, have used of all processors so far."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text(encoding="ascii").split()[0]) for thread in threads) / 1e9

    def _take(self, from_: queue.Queue[Any], what: str) -> Any:
        try:
            return from_.get(timeout=SECONDS)
        except queue.Empty:
            raise SystemExit(f"the function never {what} within {SECONDS} seconds") from None


@contextmanager
def running(binary: Path, variables: dict[str, str]) -> Iterator[Running]:
    """Starts a function as Lambda does, and ends it with the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    env = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
        "AWS_LAMBDA_FUNCTION_NAME": "function",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nobody",
    }
    try:
        began = time.perf_counter()
        process = subprocess.Popen([binary], env=env | variables, stdout=subprocess.DEVNULL)
        try:
            function = Running(process, began)
            server.function = function  # type: ignore[attr-defined]
            yield function
        finally:
            process.kill()
            process.wait()
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def function(self) -> Running:
        return self.server.function  # type: ignore[attr-defined]

    def do_GET(self) -> None:
        """The next event, as soon as there is one."""
        self.function.asked.put(time.perf_counter())
        try:
            event = self.function.events.get(timeout=SECONDS)
        except queue.Empty:
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", "00000000-0000-4000-8000-000000000000")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + 900) * 1000)))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", f"arn:aws:lambda:{REGION}:000000000000:function:any")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(event)))
        self.end_headers()
        self.wfile.write(event)

    def do_POST(self) -> None:
        """An answer, or an error instead of one."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.function.answered.put((time.perf_counter(), body, self.path.endswith("/error")))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass
