"""Every event of `events/`, handled by the binaries that would be deployed, under AWS's own runtime interface emulator.

    python tests/deployed/invoke.py BUILD PINLAKE WORK

BUILD is what `sam build` made for this machine's processor, PINLAKE the command, WORK a folder for state and logs. The
functions have the variables that template.yaml gives them, and talk to the services of `pinlake up`; then the three
that work on the lake do so on moto's S3, which is not ours. Each event comes twice. Checked is what
`tests/outside/cleaning.py` makes of the records in the events:

- ingest answers each request with success, and what it says it stored arrives in the table or in a raw object;
- stream answers that nothing has to come again; accepted records are rows, rejected ones are in quarantine, and the
  second delivery changes nothing;
- analytics cleans the days that its events name, once however often it is asked, and leaves a report;
- maintain leaves every row where it was;
- each writes metrics and log lines that CloudWatch can read.

Exits with 1 and says where the difference is if there is one.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import os
import sys
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import samcli
from botocore.config import Config
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from shipped import EVENTS, REGION, ROOT, STACK, Process, answers, bootstrap, free_port, variables, wait_for

sys.path.append(str(ROOT / "tests" / "outside"))
from cleaning import Reject, clean  # noqa: E402

BUCKET = "pinlake"
DATASETS = ["pin", "geo", "user"]


@dataclass
class Store:
    """A lake on somebody's S3."""

    name: str
    endpoint: str
    access_key: str
    secret_key: str
    # Where in the bucket the lake is.
    prefix: str = ""

    @property
    def lake(self) -> str:
        return f"{BUCKET}/{self.prefix}".rstrip("/")

    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(s3={"addressing_style": "path"}),
        )

    def put(self, key: str, body: bytes) -> None:
        self.client().put_object(Bucket=BUCKET, Key=self.prefix + key, Body=body)

    def keys(self, below: str) -> list[str]:
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=self.prefix + below)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def body(self, key: str) -> bytes:
        return self.client().get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def rows(self, kind: str, dataset: str) -> list[dict[str, Any]]:
        """The rows of a table, by a reader that is not ours."""
        options = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }
        try:
            table = DeltaTable(f"s3://{self.lake}/{kind}/{dataset}", storage_options=options)
        except TableNotFoundError:
            return []
        return table.to_pyarrow_table().to_pylist()


class Function(Process):
    """A function under the emulator."""

    def __init__(self, build: Path, name: str, work: Path, lake: str, more: dict[str, str]) -> None:
        emulator = Path(samcli.__file__).parent / "local" / "rapid" / "aws-lambda-rie-x86_64"
        # The wheel does not mark it as a program.
        emulator.chmod(0o755)
        self.address = f"127.0.0.1:{free_port()}"
        command: list[str | Path] = [
            emulator,
            "--runtime-interface-emulator-address",
            self.address,
            "--runtime-api-address",
            f"127.0.0.1:{free_port()}",
            bootstrap(build, name),
        ]
        env = {"PATH": os.environ["PATH"], "AWS_REGION": REGION, "AWS_LAMBDA_FUNCTION_NAME": name}
        super().__init__(command, work / f"{name}.log", env | variables(name, lake) | more)

    def __call__(self, event: dict[str, Any]) -> dict[str, Any]:
        """What the function answers to an event."""
        wait_for("the emulator", lambda: answers(f"http://{self.address}/"))
        url = f"http://{self.address}/2015-03-31/functions/function/invocations"
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(event).encode()), timeout=120) as response:
            answer = json.loads(response.read())
        if isinstance(answer, dict) and "errorType" in answer:
            raise SystemExit(f"the function failed: {answer}\n{self.said()[-4000:]}")
        return answer

    def check_output(self) -> None:
        """That what it wrote is what CloudWatch reads: metrics in this stack's namespace, and lines with a request's id."""
        lines = [json.loads(line) for line in self.said().splitlines() if line.startswith("{")]
        metrics = [directive for line in lines for directive in line.get("_aws", {}).get("CloudWatchMetrics", [])]
        namespaces = {directive["Namespace"] for directive in metrics}
        check(namespaces, {f"Pinlake/{STACK}"}, "where the metrics go")
        with_id = [line for line in lines if line.get("request_id")]
        if not with_id:
            raise SystemExit(f"no log line holds the id of its request: {lines[:3]}")


# The events that were handed to a function.
used: set[str] = set()


def event(name: str) -> dict[str, Any]:
    used.add(name)
    return json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))


def check(found: Any, expected: Any, what: str) -> None:
    if found != expected:
        raise SystemExit(f"{what}: found {found}, expected {expected}")


# ── the records of an event, and what is to become of them ──────────────────────────────────────────────────────────


def dataset_of(route: str) -> str:
    return route.replace(".", "-").rsplit("-", 1)[-1]


def records(delivery: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Dataset and payload of each record of a Kinesis or Kafka event."""
    for record in delivery.get("Records", []):
        yield dataset_of(record["eventSourceARN"]), base64.b64decode(record["kinesis"]["data"])
    for partition in delivery.get("records", {}).values():
        for record in partition:
            yield dataset_of(record["topic"]), base64.b64decode(record["value"])


@dataclass
class Expected:
    """What a dataset's table and quarantine must hold of the rows that came by one way: keys and payloads."""

    keys: Counter[Any]
    payloads: Counter[bytes]

    @classmethod
    def of(cls, payloads: list[tuple[str, bytes]], times: int = 1) -> dict[str, Expected]:
        expected = defaultdict(lambda: cls(Counter(), Counter()))
        for dataset, payload in payloads:
            cleaned = clean(dataset, payload)
            if isinstance(cleaned, Reject):
                expected[dataset].payloads[payload] += times
            else:
                expected[dataset].keys[cleaned["ind"]] += times
        return expected


def compare(store: Store, path: str, expected: dict[str, Expected]) -> None:
    """Table and quarantine, as far as rows came by this path, against what they must hold."""
    for dataset in DATASETS:
        keys = Counter(row["ind"] for row in store.rows("tables", dataset) if row["ingest_path"] == path)
        check(keys, expected[dataset].keys, f"{store.name}: rows of {dataset} by {path}")
        rejected = [row for row in store.rows("quarantine", dataset) if row["ingest_path"] == path]
        payloads = Counter(row["payload"] for row in rejected)
        check(payloads, expected[dataset].payloads, f"{store.name}: quarantine of {dataset} by {path}")


# ── the functions, one after the other ──────────────────────────────────────────────────────────────────────────────


def ingest(function: Function, store: Store) -> None:
    """The answers, and that what they promise arrives by way of `pinlake up`."""
    names = sorted(file.stem for file in EVENTS.glob("ingest-*.json"))
    stored: Counter[str] = Counter()
    for name in names * 2:
        answer = function(event(name))
        check(answer["statusCode"], 200, f"{name}: {answer}")
        body = json.loads(answer["body"])
        if "put-record" in name:
            request = event(name)
            stream = dataset_of(request["pathParameters"]["stream"])
            outcomes = body.get("Records", [body])
            stored[stream] += sum(outcome.get("ErrorCode") is None for outcome in outcomes)
        if "produce" in name:
            stored["user, raw"] += sum(offset["error_code"] is None for offset in body["offsets"])
    if min(stored["pin"], stored["geo"], stored["user, raw"]) == 0:
        raise SystemExit(f"the events stored too little to look at: {stored}")

    def arrived() -> bool:
        lines = sum(gzip.decompress(store.body(key)).count(b"\n") for key in store.keys("raw/user/"))
        rows = {dataset: len(store.rows("tables", dataset)) for dataset in ("pin", "geo")}
        return rows | {"user, raw": lines} == dict(stored)

    wait_for(f"{dict(stored)} to arrive", arrived)
    print(f"ingest: {2 * len(names)} requests answered, all that was stored has arrived: {dict(stored)}")


def stream(function: Function, store: Store) -> None:
    deliveries = [event(file.stem) for file in sorted(EVENTS.glob("stream-*.json"))]
    expected = Expected.of([record for delivery in deliveries for record in records(delivery)])
    for delivery in deliveries * 2:
        check(function(delivery), {"batchItemFailures": []}, "what has to come again")
        check(function(delivery), {"batchItemFailures": []}, "what has to come again, the second time")
    compare(store, "stream", expected)
    print(f"stream, on {store.name}: {len(deliveries)} events stored, deliveries after the first changed nothing")


def analytics(function: Function, store: Store) -> None:
    daily, rerun, backfill = (event(f"analytics-{name}") for name in ("daily", "rerun", "backfill"))
    days = {
        datetime.fromisoformat(daily["time"]).date() - timedelta(days=1),
        date.fromisoformat(rerun["date"]),
        date.fromisoformat(backfill["from"]),
        date.fromisoformat(backfill["to"]),
    }
    lines = [record for file in EVENTS.glob("stream-*.json") for record in records(event(file.stem))]
    for day in days:
        for dataset in DATASETS:
            body = b"".join(payload + b"\n" for of, payload in lines if of == dataset)
            name = f"{BUCKET}-{dataset}-1-{day}-10-00-00-00000000-0000-0000-0000-000000000000.gz"
            store.put(f"raw/{dataset}/date={day}/{name}", gzip.compress(body))
    for schedule in (daily, rerun, backfill) * 2:
        function(schedule)
    compare(store, "batch", Expected.of(lines, times=len(days)))
    reports = [key for key in store.keys("results/") if key.endswith("/report.html")]
    if not reports:
        raise SystemExit("analytics left no report")
    page = store.body(reports[-1]).decode()
    check(page.lstrip().lower().startswith("<!doctype html>"), True, "the report is a page")
    print(f"analytics, on {store.name}: {len(days)} days cleaned, twice with one outcome; {len(reports)} reports")


def maintain(function: Function, store: Store) -> None:
    def rows() -> dict[str, int]:
        kinds = ("tables", "quarantine")
        return {f"{kind}/{dataset}": len(store.rows(kind, dataset)) for kind in kinds for dataset in DATASETS}

    before = rows()
    for _ in range(2):
        function(event("maintain-hourly"))
    check(rows(), before, f"{store.name}: rows after the upkeep")
    print(f"maintain, on {store.name}: every row is where it was: {before}")


def on_the_lake(build: Path, work: Path, store: Store) -> None:
    env = {
        "AWS_ENDPOINT_URL": store.endpoint,
        "AWS_ACCESS_KEY_ID": store.access_key,
        "AWS_SECRET_ACCESS_KEY": store.secret_key,
    }
    for name, handle in (("StreamFunction", stream), ("AnalyticsFunction", analytics), ("MaintainFunction", maintain)):
        with Function(build, name, work, store.lake, env) as function:
            handle(function, store)
            function.check_output()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("pinlake", type=Path)
    parser.add_argument("work", type=Path)
    given = parser.parse_args()
    build, work = given.build.resolve(), given.work.resolve()

    command: list[str | Path] = [given.pinlake.resolve(), "up", "--port", "0", "--state", work / "state"]
    command += ["--raw-interval", "1"]
    with Process(command, work / "up.log") as up:
        wait_for("`pinlake up`", lambda: "Ctrl-C stops it" in up.said())
        services = {words[0]: words[1] for words in map(str.split, up.said().splitlines()) if len(words) > 1}
        local = Store("pinlake up", services["S3"], "pinlake", "pinlake-local")
        env = {
            "AWS_ENDPOINT_URL_KINESIS": services["Kinesis"],
            "AWS_ENDPOINT_URL_FIREHOSE": services["Firehose"],
            "AWS_ACCESS_KEY_ID": local.access_key,
            "AWS_SECRET_ACCESS_KEY": local.secret_key,
        }
        with Function(build, "IngestFunction", work, local.lake, env) as function:
            ingest(function, local)
            function.check_output()
        # Beside the lake of `pinlake up`, which has its own functions at work.
        local.prefix = "shipped/"
        on_the_lake(build, work / "up", local)

    port = free_port()
    moto: list[str | Path] = [Path(sys.executable).parent / "moto_server", "--host", "127.0.0.1", "--port", str(port)]
    with Process(moto, work / "moto.log"):
        other = Store("moto", f"http://127.0.0.1:{port}", "somebody", "secret")
        wait_for("moto", lambda: answers(other.endpoint))
        other.client().create_bucket(Bucket=BUCKET)
        on_the_lake(build, work / "moto", other)
    check(used, {file.stem for file in EVENTS.glob("*.json")}, "events that were handed to a function")
    return 0


if __name__ == "__main__":
    sys.exit(main())
