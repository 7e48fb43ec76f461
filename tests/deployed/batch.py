"""How long the stream function takes for the largest batch that Lambda hands it, as a binary that would be deployed.

    python tests/deployed/batch.py BUILD [--runs N]

BUILD is what `sam build` made for this machine's processor. 6 MiB of JSON full of pins, the same in each run, go
through the runtime API into a table in a folder, so that no network is measured; each run has a table of its own. By
these figures the packaging profile in Cargo.toml weighs size against speed. Nothing is judged but that every record was
stored.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import random
import statistics
import sys
import tempfile
from pathlib import Path

from deltalake import DeltaTable
from runtime_api import running
from shipped import REGION, bootstrap, variables

EVENT_BYTES = 6 << 20
WORDS = "simple handmade garden kitchen café winter linen golden recipe studio naïve pattern ceramic journey".split()


def pin(number: int, chance: random.Random) -> bytes:
    """A pin of about 600 bytes."""
    text = " ".join(chance.choices(WORDS, k=30))
    record = {
        "index": number,
        "unique_id": f"{chance.getrandbits(128):032x}",
        "title": text[:60],
        "description": text,
        "poster_name": text[:20],
        "follower_count": f"{chance.randrange(900)}k",
        "tag_list": ",".join(chance.choices(WORDS, k=8)),
        "is_image_or_video": "image",
        "image_src": f"https://i.example.com/originals/{chance.getrandbits(64):016x}.jpg",
        "downloaded": 1,
        "save_location": "Local save in /data/art",
        "category": "art",
    }
    return json.dumps(record).encode()


def batch() -> tuple[bytes, int]:
    """A Kinesis event as large as one may be, and how many records are in it."""
    chance, records, size = random.Random(7), [], 0
    while True:
        number = len(records)
        sequence = f"4959033827149025660855969253836157109592157598913{number:07}"
        record = {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": str(number),
                "sequenceNumber": sequence,
                "data": base64.b64encode(pin(number, chance)).decode(),
                "approximateArrivalTimestamp": 1_700_000_000.123 + number / 1000,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"shardId-000000000000:{sequence}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::000000000000:role/pinlake-stream",
            "awsRegion": REGION,
            "eventSourceARN": f"arn:aws:kinesis:{REGION}:000000000000:stream/pinlake-pin",
        }
        size += len(json.dumps(record)) + 2
        if size > EVENT_BYTES - 20:
            return json.dumps({"Records": records}).encode(), len(records)
        records.append(record)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--runs", type=int, default=15)
    given = parser.parse_args()
    event, records = batch()
    binary, own = bootstrap(given.build, "StreamFunction"), variables("StreamFunction", "pinlake")
    times, seconds, peaks = [], [], []
    for _ in range(given.runs):
        with (
            tempfile.TemporaryDirectory(prefix="pinlake-batch.") as folder,
            running(binary, own | {"LAKE_URI": f"file://{folder}", "RUST_LOG": "error"}) as function,
        ):
            function.first_call()
            before = function.processor_seconds()
            milliseconds, answer = function.handle(event)
            times.append(milliseconds)
            seconds.append(function.processor_seconds() - before)
            peaks.append(function.peak_bytes())
            rows = DeltaTable(f"{folder}/tables/pin").to_pyarrow_table().num_rows
            if json.loads(answer) != {"batchItemFailures": []} or rows != records:
                raise SystemExit(f"{rows} of {records} records were stored: {answer.decode()}")
    size = len(event) / 2**20
    print(f"{records} records, {size:.1f} MiB of JSON; median of {given.runs} runs on {os.cpu_count()} cores")
    print(f"  {statistics.median(times):6.1f} ms, {min(times):.1f} at best")
    print(f"  {statistics.median(seconds) * 1000:6.1f} ms of processor time")
    print(f"  {statistics.median(peaks) / 2**20:6.1f} MiB of memory at most")
    return 0


if __name__ == "__main__":
    sys.exit(main())
