"""The functions as `sam build` left them, with the variables that template.yaml gives them."""

from __future__ import annotations

import functools
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from expand_template import expand

ROOT = Path(__file__).resolve().parents[2]
EVENTS = ROOT / "events"
FUNCTIONS = ["IngestFunction", "StreamFunction", "AnalyticsFunction", "MaintainFunction"]
STACK = "pinlake"
REGION = "us-east-1"


def bootstrap(build: Path, function: str) -> Path:
    """The binary of a function below `.aws-sam/build`."""
    binary = build / function / "bootstrap"
    if not binary.is_file():
        raise SystemExit(f"there is no {binary}: `sam build --parameter-overrides Architecture=x86_64` makes it")
    return binary


@functools.cache
def template() -> dict[str, Any]:
    """The template of the stack `pinlake`, its loops unrolled."""
    return expand((ROOT / "template.yaml").read_text(encoding="utf-8"), {"AWS::StackName": STACK})


def variables(function: str, bucket: str) -> dict[str, str]:
    """The variables that a function of the stack `pinlake` has, with this bucket (or bucket/prefix) as its lake."""
    of_all = template()["Globals"]["Function"]["Environment"]["Variables"]
    own = template()["Resources"][function]["Properties"]["Environment"]["Variables"]
    def text(value: Any) -> str | None:
        # Of what all functions have, the rest is empty unless a parameter says otherwise.
        text = value.get("Fn::Sub") if isinstance(value, dict) else value
        return text and text.replace("${Lake}", bucket).replace("${AWS::StackName}", STACK)

    texts = {name: text(value) for name, value in (of_all | own).items()}
    return {name: text for name, text in texts.items() if text}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what: str, ready: Callable[[], Any], seconds: float = 60) -> Any:
    """What `ready` answers, as soon as that is something; or an end with a word about what was waited for."""
    end = time.monotonic() + seconds
    while not (answer := ready()):
        if time.monotonic() > end:
            raise SystemExit(f"waited {seconds:.0f} seconds in vain for {what}")
        time.sleep(0.1)
    return answer


def answers(url: str) -> bool:
    """Whether somebody speaks HTTP there, whatever is said."""
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


class Process:
    """A program in the background with its output in a file; it ends when the block does, whatever happened in it."""

    def __init__(self, command: list[str | Path], log: Path, env: dict[str, str] | None = None) -> None:
        self.command, self.log, self.env = [str(word) for word in command], log, env

    def __enter__(self) -> Self:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            # A group of its own, so that what it starts ends with it.
            self.process = subprocess.Popen(
                self.command, env=self.env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sign in (signal.SIGINT, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, sign)
                self.process.wait(timeout=20)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        if kind is not None:
            print(f"── what {Path(self.command[0]).name} said ──\n{self.said()[-4000:]}")

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")
