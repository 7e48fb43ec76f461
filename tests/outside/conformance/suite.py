"""Cases, how they are told apart, and what they ask with.

A case checks one rule of AWS's documentation and nothing else, so that a service that breaks one rule fails one case.
Every case gets a bucket, or streams, of its own.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import http.client
import re
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from threading import Barrier
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import ClientError

from services import REGION, Keys

WRITERS = 16


class Broken(AssertionError):
    """A rule that does not hold."""


@dataclass(frozen=True)
class Case:
    """A rule of AWS's documentation and what to do to see whether it holds."""

    name: str
    rule: str
    page: str
    run: Callable[[Any], None]
    slow: bool


@dataclass
class Suite:
    """The cases of one service."""

    service: str
    page: str
    cases: list[Case] = field(default_factory=list)

    def case(self, page: str, rule: str, *, slow: bool = False) -> Callable[[Callable], Callable]:
        """Makes a function a case. `page` is an operation's name, or a page of its own; `rule` is what it says."""
        address = page if page.startswith("https:") else self.page.format(page)

        def register(run: Callable) -> Callable:
            self.cases.append(Case(run.__name__.removesuffix("_"), rule, address, run, slow))
            return run

        return register


@dataclass(frozen=True)
class Target:
    """A service at an address."""

    service: str
    name: str
    url: str
    keys: Keys
    # How often a race is run.
    rounds: int = 10
    # Where delivery streams put what they are sent; only Firehose has one.
    bucket: str = ""

    def client(self, keys: Keys | None = None) -> BaseClient:
        """A client that sends what it is told, once: neither checked nor tried again."""
        return client_of(self.service, self.url, keys or self.keys)

    def send(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, query: str = "", body: bytes = b""
    ) -> tuple[int, bytes, dict[str, str]]:
        """A request exactly as given: status, body and headers of the answer."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        try:
            connection.request(method, path + (f"?{query}" if query else ""), body or None, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    def signature(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        body: bytes = b"",
        digest: str | None = None,
        at: datetime.datetime | None = None,
        more: dict[str, str] | None = None,
    ) -> dict[str, str]:
        """Headers that sign a request, written from the description of Signature Version 4 and not by an SDK:
        <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>. The parameters of
        `query` are sorted and need no escapes."""
        stamp = (at or datetime.datetime.now(datetime.UTC)).strftime("%Y%m%dT%H%M%SZ")
        digest = digest or hashlib.sha256(body).hexdigest()
        headers = {
            "host": urlsplit(self.url).netloc,
            "x-amz-content-sha256": digest,
            "x-amz-date": stamp,
            **(more or {}),
        }
        names = ";".join(sorted(headers))
        listed = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        request = "\n".join([method, quote(path, safe="/-_.~"), query, listed, names, digest])
        scope = f"{stamp[:8]}/{REGION}/{self.service}/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
        key = f"AWS4{self.keys.secret}".encode()
        for part in (*scope.split("/"), text):
            key = hmac.digest(key, part.encode(), "sha256")
        said = f"AWS4-HMAC-SHA256 Credential={self.keys.id}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
        return {**headers, "authorization": said}


@cache
def client_of(service: str, url: str, keys: Keys) -> BaseClient:
    # Of everything here, making one takes the longest.
    client = boto3.session.Session().client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=keys.id,
        aws_secret_access_key=keys.secret,
        config=Config(
            parameter_validation=False,
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
            max_pool_connections=2 * WRITERS,
            connect_timeout=5,
            read_timeout=10,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    client.meta.events.register(f"before-send.{service}", expect_nothing)
    return client


def expect_nothing(request: AWSPreparedRequest, **_: Any) -> None:
    """Sends bodies without asking, and nothing after them: what becomes of a connection whose request was refused before
    its body was read is a case of its own."""
    if "Expect" in request.headers:
        del request.headers["Expect"]
    if request.method == "PUT":
        request.headers["Connection"] = "close"


# ── what cases say ────────────────────────────────────────────────────────────────────────────────────────────────────


def equal(what: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise Broken(f"{what}: expected {short(expected)}, found {short(found)}")


def holds(condition: bool, otherwise: str) -> None:
    if not condition:
        raise Broken(otherwise)


def refused(call: Callable[..., Any], /, *codes: str, status: int | None = None, **arguments: Any) -> None:
    """A call must fail, with one of these codes."""
    try:
        call(**arguments)
    except ClientError as error:
        code, found = code_of(error), error.response["ResponseMetadata"]["HTTPStatusCode"]
        holds(code in codes, f"expected {' or '.join(codes)}, was refused with {code} ({found})")
        holds(status in (None, found), f"expected {code} with status {status}, its status is {found}")
    else:
        raise Broken(f"expected {' or '.join(codes)}, was not refused")


def code_of(error: ClientError) -> str:
    """An exception's name; services of the JSON protocol may put a namespace before it."""
    return error.response["Error"]["Code"].rpartition("#")[2]


def code_in(body: bytes) -> str:
    """The code of an error document of S3."""
    found = re.search(rb"<Code>([^<]*)</Code>", body)
    return found.group(1).decode() if found else short(body)


def short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}… ({len(text)} characters)"


def race(attempt: Callable[[int], Any]) -> list[Any]:
    """What 16 attempts at the same moment return."""
    barrier = Barrier(WRITERS)

    def start(number: int) -> Any:
        barrier.wait()
        return attempt(number)

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(start, range(WRITERS)))


def until(found: Callable[[], Any], what: str, seconds: float = 20) -> Any:
    """What comes, once it comes."""
    end = time.monotonic() + seconds
    while not (value := found()):
        holds(time.monotonic() < end, f"{what}: not within {seconds:.0f} seconds")
        time.sleep(0.02)
    return value


# ── running them ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Outcome:
    case: Case
    # What does not hold; `None` if all does.
    broken: str | None


def run(suite: Suite, desk: Callable[[int], Any], chosen: Callable[[Case], bool]) -> Iterator[Outcome]:
    """Runs the cases; `desk` makes what the case of this number works with."""
    for number, case in enumerate(suite.cases):
        if not chosen(case):
            continue
        broken = None
        try:
            case.run(desk(number))
        except Broken as error:
            broken = str(error)
        except ClientError as error:
            broken = f"refused: {error}"
        except Exception as error:  # A service that breaks off, or an answer of another form, breaks the rule as well.
            where = traceback.extract_tb(error.__traceback__)
            line = next(frame.lineno for frame in reversed(where) if "cases" in frame.filename)
            broken = f"{type(error).__name__}: {error} (line {line})"
        yield Outcome(case, broken)
