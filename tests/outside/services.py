"""Ours and other people's services on free ports of loopback, for as long as a `with` block lasts.

Nothing but the standard library is needed here, so that programs of every environment can start them.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent

# How long a service may take to start, in seconds, and how long to stop.
PATIENCE = 60
REGION = "us-east-1"
BUCKET = "pinlake"


@dataclass(frozen=True)
class Keys:
    """What requests are signed with."""

    id: str
    secret: str


OURS = Keys("pinlake", "pinlake-local")


class DidNotStart(Exception):
    """A service that does not answer, with what it said."""


@contextmanager
def until_stdin_ends(command: list[str | Path]) -> Iterator[str]:
    """A server that prints its URL first and ends with its standard input, however this program ends."""
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        url = server.stdout.readline().strip()
        if not url.startswith("http://127.0.0.1:"):
            raise DidNotStart(f"{command[0]} said `{url}`, and no URL")
        yield url
    finally:
        server.stdin.close()
        try:
            server.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        server.stdout.close()


def moto(python: Path, *options: str):
    """Moto's services; `python` is that of the environment with moto in it, `options` are `moto_server.py`'s."""
    return until_stdin_ends([python, HERE / "moto_server.py", *options])


def sound_moto(python: Path):
    """Moto's services without its races."""
    return moto(python, "--one-at-a-time")


def kinesalite(packages: Path, state: Path | None = None):
    """Kinesalite; `packages` is a folder with `node_modules`."""
    folder = [state] if state else []
    return until_stdin_ends(["node", HERE / "kinesalite" / "server.js", packages.resolve(), *folder])


class Pinlake:
    """`pinlake up` on a state folder; it can be stopped or killed, and started again."""

    def __init__(self, program: Path, state: Path, *options: str):
        self.program, self.state, self.options = program, state, options
        self.log = state.with_name(f"{state.name}.log")
        self.process: subprocess.Popen | None = None
        self.api = self.s3 = self.kinesis = self.firehose = ""

    def start(self) -> None:
        """Returns when it answers. Its addresses are other ones after each start."""
        with self.log.open("wb") as log:
            command = [self.program, "up", "--port", "0", "--state", self.state, *self.options]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise DidNotStart(f"`pinlake up` did not come up:\n{self.said()}")
            time.sleep(0.1)

    def answers(self) -> bool:
        said = self.said()
        for name in ("API", "S3", "Kinesis", "Firehose"):
            found = re.search(rf"^ *{name} +(http://[^\s/]+)", said, re.MULTILINE)
            setattr(self, name.lower(), found.group(1) if found else "")
        try:
            with urllib.request.urlopen(f"{self.api}/health", timeout=2) as answer:
                return answer.status == 200
        except (OSError, ValueError):
            return False

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """As Ctrl-C does, which must end well."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(PATIENCE)
        self.process = None
        if status != 0:
            raise DidNotStart(f"`pinlake up` ended with status {status} after Ctrl-C:\n{self.said()}")

    def kill(self) -> None:
        """As a power cut does."""
        self.process.kill()
        self.process.wait()
        self.process = None


@contextmanager
def pinlake(program: Path, state: Path, *options: str) -> Iterator[Pinlake]:
    """A pipeline that is running, and gone at the end."""
    running = Pinlake(program, state, *options)
    try:
        running.start()
        yield running
    finally:
        if running.process:
            running.kill()


def leave_alone() -> None:
    """A program that is told to end does so by way of its `finally` blocks, and no AWS account of its user is used."""
    signal.signal(signal.SIGTERM, lambda *_: exit(143))
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
