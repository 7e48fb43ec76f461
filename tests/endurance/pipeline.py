"""A `pinlake up` of one's own: started on free ports, killed, stopped, and looked at from outside.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

# What it says once requests are answered: the name of an endpoint and where it is.
ENDPOINT = re.compile(r"^ *(API|S3|Kinesis|Firehose) +(http://[^ /]+)", re.MULTILINE)
DATASETS = ("pin", "geo", "user")


class Trouble(Exception):
    """Something that a run cannot go on from."""


def default_binary() -> Path:
    """The command as `cargo build` leaves it."""
    root = Path(__file__).resolve().parent.parent.parent
    return Path(os.environ.get("CARGO_TARGET_DIR", root / "target")) / "debug" / "pinlake"


class Pipeline:
    """One `pinlake up` after another on the same state folder. All that they say goes to one log."""

    def __init__(self, binary: Path, state: Path, log: Path, options: tuple[str, ...] = ()):
        self.binary, self.state, self.log, self.options = binary, state, log, options
        self.process: subprocess.Popen[bytes] | None = None
        self.endpoints: dict[str, str] = {}
        self._said_before = 0

    @property
    def url(self) -> str:
        """The API's address, such as `http://127.0.0.1:40017`."""
        return self.endpoints["API"]

    def spawn(self) -> None:
        """Starts the process and does not wait for it."""
        if self.is_running():
            raise Trouble("the process before is still running")
        command = [self.binary, "up", "--port", "0", "--state", self.state, *self.options]
        with self.log.open("ab") as log:
            self._said_before = log.tell()
            # A session of its own: a Ctrl-C at the terminal is for the script, which stops what it started.
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def start(self, within: float = 60.0) -> None:
        """Starts the process and returns when it answers; `Trouble` if it does not."""
        self.spawn()
        self.wait_until_it_answers(within)

    def wait_until_it_answers(self, within: float = 60.0) -> None:
        end = time.monotonic() + within
        while not self._answers():
            status = self.process.poll()
            if status is not None:
                raise Trouble(f"`pinlake up` ended with status {status} instead of starting:\n{self.said()}")
            if time.monotonic() > end:
                raise Trouble(f"`pinlake up` did not answer within {within:.0f} s:\n{self.said()}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        self.endpoints = dict(ENDPOINT.findall(self.said()))
        if "Firehose" not in self.endpoints:
            return False
        try:
            connection = connect(self.url, timeout=2)
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def said(self) -> str:
        """What the present process has said, without colours."""
        with self.log.open("rb") as log:
            log.seek(self._said_before)
            return re.sub(r"\x1b\[[0-9;]*m", "", log.read().decode(errors="replace"))

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL, as a power cut does it to a process. It may have ended before."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def ask_to_stop(self) -> None:
        """What Ctrl-C does, without waiting for the end."""
        self.process.send_signal(signal.SIGINT)

    def stop(self, within: float = 60.0) -> None:
        """What Ctrl-C does; `Trouble` if it does not end well and soon."""
        self.ask_to_stop()
        try:
            status = self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Trouble(f"`pinlake up` did not stop within {within:.0f} s of Ctrl-C:\n{self.said()}") from None
        if status != 0:
            raise Trouble(f"`pinlake up` ended with status {status} after Ctrl-C:\n{self.said()}")

    def run(self, function: str, *options: str) -> subprocess.Popen[bytes]:
        """`pinlake run`, not waited for."""
        command = [self.binary, "run", function, "--at", self.url, *options]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)

    def run_to_its_end(self, function: str, *options: str, within: float = 600.0) -> None:
        """`pinlake run`, which must succeed."""
        running = self.run(function, *options)
        try:
            said, _ = running.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            running.kill()
            raise Trouble(f"`pinlake run {function}` did not end within {within:.0f} s") from None
        if running.returncode != 0:
            raise Trouble(f"`pinlake run {function}` failed:\n{said.decode(errors='replace')}\n{self.said()[-4000:]}")

    def memory(self) -> tuple[int, int]:
        """The process's resident memory now, and the most it ever had, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii", errors="replace")
        found = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", status, re.MULTILINE))
        return int(found["VmRSS"]) << 10, int(found["VmHWM"]) << 10


def connect(url: str, timeout: float) -> http.client.HTTPConnection:
    """A connection that is kept from request to request."""
    address = urllib.parse.urlsplit(url)
    return http.client.HTTPConnection(address.hostname, address.port, timeout=timeout)


def table(rows: list[tuple[str, object]]) -> str:
    """A table of two columns, for people."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value:,}" if isinstance(value, int) else f"{name:<{width}}  {value}"
                     for name, value in rows)


def leave(folder: Path, sound: bool, keep: bool, again: str) -> int:
    """The end of a run: its exit status, after its folder is removed or, of a failed one, named."""
    if sound and not keep:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"state and log are kept in {folder}")
    if not sound:
        print(f"to run the same again: {again}", file=sys.stderr)
    return 0 if sound else 1
