"""16 writers at one Delta table, on every S3 that is here: no commit may be lost, and none may be there twice.

The first 16 are other people's, the next 16 are ours.

    python tests/outside/race.py --pinlake PROGRAM --moto PYTHON [--rounds N]

The writers are processes with Python's `deltalake`, which commits as the functions do: a put of the next version on
condition that there is none. Each appends a row per round, and on a conflict takes the next version. What must be in
the table then is every acknowledged row once, by as many versions as there were appends. `--rounds 50` is the long
run.

Ours are 16 shards of a stream, whose batches are handed to the stream function of several pipelines at once, as Lambda
does when it delivers again what is still under way. Every record must be in the table once.

PYTHON is that of the environment with moto in it. Exits with 1 and says what is missing or double if something is.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import requests
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

import services
from lakes import READERS, Lake
from read_tables import Report
from services import BUCKET, Pinlake

WRITERS = 16
SCHEMA = pa.schema([("writer", pa.int32()), ("round", pa.int32())])
TABLE = "race"
# How often an append goes to the next version before it gives up; this many can be ahead of it.
MOST_RETRIES = 200
PATIENCE = 120


def write(lake: Lake, writer: int, rounds: int, barrier) -> tuple[int, list[int]]:
    """One writer's appends: how often it was told that it failed, and the versions that it made."""
    failures, versions = 0, []
    for number in range(rounds):
        row = pa.Table.from_pylist([{"writer": writer, "round": number}], SCHEMA)
        # All at the same moment, round by round; if one has died, none waits for it.
        barrier.wait(PATIENCE)
        while True:
            table = lake.table(TABLE)
            try:
                write_deltalake(
                    table, row, mode="append", commit_properties=CommitProperties(max_commit_retries=MOST_RETRIES)
                )
            except CommitFailedError:
                # Not acknowledged, and so not there: it is appended again.
                failures += 1
                continue
            versions.append(table.version())
            break
    return failures, versions


def race(report: Report, name: str, lake: Lake, rounds: int) -> None:
    """One race, from an empty table on."""
    DeltaTable.create(lake.at(TABLE), SCHEMA, storage_options=lake.options)
    started = time.monotonic()
    context = multiprocessing.get_context("forkserver")
    # They have their libraries before the race.
    context.set_forkserver_preload(["race"])
    with context.Manager() as manager, context.Pool(WRITERS) as pool:
        barrier = manager.Barrier(WRITERS)
        outcomes = pool.starmap(write, [(lake, writer, rounds, barrier) for writer in range(WRITERS)], chunksize=1)
    seconds = time.monotonic() - started
    failures = sum(failed for failed, _ in outcomes)
    appends = WRITERS * rounds
    print(f"{name}: {appends} appends by {WRITERS} writers in {seconds:.1f} s; {failures} times one began again")

    table = lake.table(TABLE)
    for reader, read in READERS.items():
        found = Counter((row["writer"], row["round"]) for row in read(lake, table))
        report.check(f"{name}: {reader} finds each of {appends} acknowledged rows once", row_differences(found, rounds))
    report.check(
        f"{name}: each append has its own version, and none is missing",
        version_differences(lake, table, outcomes, appends),
    )


def row_differences(found: Counter, rounds: int) -> Iterator[str]:
    expected = {(writer, number) for writer in range(WRITERS) for number in range(rounds)}
    for row in sorted(expected - found.keys()):
        yield f"writer {row[0]}, round {row[1]} is lost"
    for row, times in sorted(found.items()):
        if times > 1 or row not in expected:
            yield f"writer {row[0]}, round {row[1]} is there {times} times"


def version_differences(
    lake: Lake, table: DeltaTable, outcomes: list[tuple[int, list[int]]], appends: int
) -> Iterator[str]:
    if table.version() != appends:
        yield f"the newest version is {table.version()}, after {appends} appends"
    for version, times in Counter(version for _, versions in outcomes for version in versions).items():
        if times > 1:
            yield f"version {version} was acknowledged to {times} writers"
    log = [name for name in lake.names(TABLE, "_delta_log") if name.endswith(".json")]
    expected = [f"{version:020}.json" for version in range(appends + 1)]
    # Versions older than a checkpoint are kept for days, so that all are there still.
    if log != expected:
        different = sorted(set(expected) ^ set(log))
        yield f"the log has {len(log)} entries instead of {len(expected)}; {different[:3]} are missing or too many"


# ── our own writers ───────────────────────────────────────────────────────────────────────────────────────────────────

# To how many pipelines a batch is handed at the same moment.
DELIVERIES = 2
PIPELINES = 4
RECORDS = 5
STREAM = "race-geo"


def batch(shard: int, number: int) -> tuple[bytes, list[str]]:
    """A batch of a shard, as Lambda has it, and the origins of its records."""
    records, origins = [], []
    for record in range(RECORDS):
        row = {"ind": shard, "timestamp": "2022-01-01 00:00:00", "latitude": 1.5, "longitude": -1.5, "country": "Åland"}
        sequence = f"{49_000_000 + shard}{number * RECORDS + record + 1:048}"
        shard_id = f"shardId-{shard:012}"
        kinesis = {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": str(shard),
            "sequenceNumber": sequence,
            "data": b64encode(json.dumps(row).encode()).decode(),
            "approximateArrivalTimestamp": time.time(),
        }
        event = {
            "kinesis": kinesis,
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{shard_id}:{sequence}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::000000000000:role/pinlake-stream",
            "awsRegion": services.REGION,
            "eventSourceARN": f"arn:aws:kinesis:{services.REGION}:000000000000:stream/{STREAM}",
        }
        records.append(event)
        origins.append(f"kinesis/{STREAM}/{shard_id}/{sequence}")
    return json.dumps({"Records": records}).encode(), origins


def deliver(pipeline: Pinlake, event: bytes) -> int:
    """Hands an event over until it is taken: how often it was not."""
    url = f"{pipeline.api}/2015-03-31/functions/stream/invocations"
    for failures in range(100):
        answer = requests.post(url, data=event, timeout=120)
        if answer.status_code == 200 and answer.json() == {"batchItemFailures": []}:
            return failures
        time.sleep(0.05)
    raise RuntimeError(f"the stream function does not take a batch: {answer.text[:500]}")


def own_race(report: Report, name: str, lake: Lake, pipelines: list[Pinlake], rounds: int) -> None:
    """16 shards at once, every batch handed over several times at once."""

    def write(shard: int, pool: ThreadPoolExecutor) -> tuple[int, list[str]]:
        failures, written = 0, []
        for number in range(rounds):
            event, origins = batch(shard, number)
            chosen = [pipelines[(shard + number + turn) % len(pipelines)] for turn in range(DELIVERIES)]
            failures += sum(pool.map(lambda pipeline: deliver(pipeline, event), chosen))
            written += origins
        return failures, written

    started = time.monotonic()
    with ThreadPoolExecutor(WRITERS) as writers, ThreadPoolExecutor(WRITERS * DELIVERIES) as deliveries:
        outcomes = list(writers.map(lambda shard: write(shard, deliveries), range(WRITERS)))
    seconds = time.monotonic() - started
    failures = sum(failed for failed, _ in outcomes)
    expected = [origin for _, written in outcomes for origin in written]
    print(
        f"{name}: {WRITERS * rounds} batches of {WRITERS} shards, each handed over {DELIVERIES} times at once, "
        f"to {len(pipelines)} pipelines in {seconds:.1f} s; {failures} times one was not taken and came again"
    )
    table = lake.table("tables", "geo")
    for reader, read in READERS.items():
        found = Counter(row["_origin"] for row in read(lake, table))
        report.check(
            f"{name}: {reader} finds each of {len(expected)} records once", origin_differences(found, expected)
        )


def origin_differences(found: Counter, expected: list[str]) -> Iterator[str]:
    for origin in expected:
        if found[origin] != 1:
            yield f"{origin} is there {found[origin]} times"
    for origin in found.keys() - set(expected):
        yield f"{origin} was never delivered"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pinlake", type=Path, required=True, metavar="PROGRAM", help="the command, to start ours")
    parser.add_argument("--moto", type=Path, required=True, metavar="PYTHON", help="a Python with moto, to start it")
    parser.add_argument("--rounds", type=int, default=4, help="appends of each writer (default %(default)s)")
    arguments = parser.parse_args()
    services.leave_alone()

    report = Report()
    with ExitStack() as stack:
        state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pinlake-race.")))
        ours = stack.enter_context(services.pinlake(arguments.pinlake, state / "ours"))
        moto = stack.enter_context(services.sound_moto(arguments.moto))
        for name, url, writers in (("our S3", ours.s3, [ours]), ("moto's S3, one request at a time", moto, [])):
            lake = Lake(f"s3://{BUCKET}", url)
            if not lake.has():
                lake.files.create_dir(BUCKET)
            race(report, name, lake, arguments.rounds)
            for number in range(len(writers), PIPELINES):
                options = "--s3-endpoint", url
                writer = services.pinlake(arguments.pinlake, state / f"{len(name)}-{number}", *options)
                writers.append(stack.enter_context(writer))
            own_race(report, name, lake, writers, arguments.rounds)
    print(f"race: {report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
