"""Reads the tables that Pinlake wrote with programs that are not Pinlake, and compares them with what was sent.

    python tests/outside/read_tables.py LAKE SENT [--wait SECONDS] [--s3 URL]

LAKE is a folder with `tables/<dataset>` and `quarantine/<dataset>`, or a bucket of an S3 endpoint (see `lakes.py`);
SENT holds `<dataset>.jsonl`, each line the exact bytes of a record that was posted, bad ones among them. Three
readers, Python's `deltalake`, DuckDB over the Parquet files, and Polars, must each find what `cleaning.py` makes of
those lines:

- every accepted line is a row, column by column, as often as it was sent, and there is no other row;
- every rejected line is in quarantine, byte for byte, with a reason, and nothing else is;
- `_origin` names a record once in all of a dataset's table and quarantine;
- the columns stand in the promised order and types, arrival times are UTC, partitions say the truth, and the log's own
  row counts add up.

Exits with 1 and says where the difference is if there is one. With `--wait` it first gives the rows time to arrive.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

import cleaning
import lakes
from cleaning import ADDED, DATASETS, RESCUED, Reject, clean
from lakes import READERS, Lake

# How many differing keys, or records, one check shows.
SHOWN = 5

ORIGIN = re.compile(r"kinesis/[^/]+/shardId-\d{12}/\d{56}|kafka/[^/]+/\d+/\d+|raw/.+#\d+")

QUARANTINE = ["payload", "reason", "field", "_ingested_at", "_origin", "ingest_date", "ingest_path"]

TYPES = {
    "ind": pa.int32(),
    "age": pa.int32(),
    "follower_count": pa.int64(),
    "coordinates": pa.list_(pa.float64()),
    "timestamp": pa.timestamp("us", "UTC"),
    "date_joined": pa.timestamp("us", "UTC"),
    "_ingested_at": pa.timestamp("us", "UTC"),
    "ingest_date": pa.date32(),
    "payload": pa.binary(),
}


@dataclass
class Report:
    """What was checked, and what came out."""

    passed: int = 0
    failed: int = 0

    def check(self, what: str, differences: Iterable[str]) -> None:
        """A check passes when there are no differences; otherwise the first of them are shown."""
        found = list(differences)
        if not found:
            self.passed += 1
            print(f"ok      {what}")
            return
        self.failed += 1
        print(f"FAILED  {what}")
        for difference in found[:SHOWN]:
            print(f"        {difference}")
        if len(found) > SHOWN:
            print(f"        … and {len(found) - SHOWN} more")


@dataclass
class Expected:
    """What the lines that were sent must have become."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[tuple[bytes, str | None]] = field(default_factory=list)


def expect(dataset: str, lines: list[bytes]) -> Expected:
    """Cleans the lines by the independent rules."""
    expected = Expected()
    for line in lines:
        outcome = clean(dataset, line)
        if isinstance(outcome, Reject):
            expected.rejected.append((line, outcome.field))
        else:
            expected.rows.append(outcome)
    return expected


def lines_of(file: Path) -> list[bytes]:
    """The records of a file, byte for byte; only the end of its last line is no record."""
    return file.read_bytes().removesuffix(b"\n").split(b"\n") if file.stat().st_size else []


# ── comparing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def frozen(value: Any) -> Any:
    """A value that can be counted, equal to another exactly when the values are."""
    if isinstance(value, dict):
        return frozenset((name, frozen(part)) for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(frozen(part) for part in value)
    # 1, 1.0 and True are equal in Python; in a table they are not.
    return (type(value).__name__, value)


def comparable(row: dict[str, Any], columns: list[str]) -> dict[str, Any]:
    """A stored row as `cleaning.clean` would say it."""
    found = {column: row.get(column) for column in columns}
    rescued = row.get(RESCUED)
    found[RESCUED] = None if rescued is None else dict(cleaning.parse_json(rescued))
    return found


class Bag:
    """Rows of one key, with how often each is there."""

    def __init__(self) -> None:
        self.counts: Counter = Counter()
        self.rows: dict[Any, dict[str, Any]] = {}

    def add(self, row: dict[str, Any]) -> None:
        self.counts[frozen(row)] += 1
        self.rows[frozen(row)] = row

    def beyond(self, other: Bag) -> list[tuple[int, dict[str, Any]]]:
        """What is here and not in the other: number and row."""
        return [(times, self.rows[row]) for row, times in (self.counts - other.counts).items()]


def by_key(rows: list[dict[str, Any]]) -> defaultdict[Any, Bag]:
    """The rows of each key."""
    grouped: defaultdict[Any, Bag] = defaultdict(Bag)
    for row in rows:
        grouped[row["ind"]].add(row)
    return grouped


def row_differences(expected: list[dict[str, Any]], found: list[dict[str, Any]]) -> Iterable[str]:
    """Where two tables differ, by key; a row that has its counterpart on the other side, by column."""
    left, right = by_key(expected), by_key(found)
    for key in sorted(left.keys() | right.keys(), key=str):
        missing, surplus = left[key].beyond(right[key]), right[key].beyond(left[key])
        if len(missing) == len(surplus) == 1 and missing[0][0] == surplus[0][0]:
            (_, want), (_, have) = missing[0], surplus[0]
            for column, value in want.items():
                if frozen(value) != frozen(have[column]):
                    yield f"ind {key}, {column}: expected {value!r}, found {have[column]!r}"
            continue
        for times, row in missing:
            yield f"ind {key}: {times} × missing: {row}"
        for times, row in surplus:
            yield f"ind {key}: {times} × not sent: {row}"


def quarantine_differences(expected: list[tuple[bytes, str | None]], found: list[dict[str, Any]]) -> Iterable[str]:
    """Payloads by number, then each one's field and reason."""
    want = Counter(payload for payload, _ in expected)
    have = Counter(bytes(row["payload"]) for row in found)
    for payload, times in (want - have).items():
        yield f"{times} × missing: {payload[:120]!r}"
    for payload, times in (have - want).items():
        yield f"{times} × not to be rejected: {payload[:120]!r}"
    fields = dict(expected)
    for row in found:
        payload = bytes(row["payload"])
        named = fields.get(payload, cleaning.ANY_FIELD)
        if named not in (cleaning.ANY_FIELD, row["field"]):
            yield f"{payload[:120]!r}: expected the fault in {named}, found {row['field']}"
        if not row["reason"]:
            yield f"{payload[:120]!r}: no reason given"


def schema_differences(schema: pa.Schema, columns: list[str]) -> Iterable[str]:
    """Names in order, then types."""
    if schema.names != columns:
        yield f"expected the columns {columns}, found {schema.names}"
    for column in schema:
        expected = TYPES.get(column.name, pa.string())
        # Which width of offsets a reader chooses for text and lists is its own affair.
        plain = {pa.large_string(): pa.string(), pa.string_view(): pa.string()}
        plain |= {pa.large_binary(): pa.binary(), pa.binary_view(): pa.binary()}
        actual = plain.get(column.type, column.type)
        if pa.types.is_list(actual) or pa.types.is_large_list(actual):
            actual = pa.list_(actual.value_type)
        if actual != expected:
            yield f"{column.name}: expected {expected}, found {column.type}"


def bookkeeping_differences(rows: list[dict[str, Any]]) -> Iterable[str]:
    """Arrival and partitions of rows from a dataset's table and quarantine together."""
    origins: Counter = Counter()
    for row in rows:
        origin, arrived = row["_origin"], row["_ingested_at"]
        origins[origin] += 1
        if not ORIGIN.fullmatch(origin or ""):
            yield f"`{origin}` is no origin"
        if arrived is None or arrived.tzinfo is None or arrived.utcoffset() != timedelta(0):
            yield f"{origin}: `{arrived}` is no time in UTC"
        elif arrived.astimezone(timezone.utc).date() != row["ingest_date"]:
            yield f"{origin}: arrived {arrived}, but lies in partition {row['ingest_date']}"
        if row["ingest_path"] not in ("stream", "batch"):
            yield f"{origin}: partition `{row['ingest_path']}`"
    for origin, times in origins.items():
        if times > 1:
            yield f"{origin}: {times} times"


def log_differences(table: DeltaTable, rows: int) -> Iterable[str]:
    """The log's own statistics and partitions."""
    if table.metadata().partition_columns != ["ingest_date", "ingest_path"]:
        yield f"partitioned by {table.metadata().partition_columns}"
    files = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    without = [file["path"] for file in files if file.get("num_records") is None]
    if without:
        yield f"{len(without)} files without a row count, such as {without[0]}"
    elif (counted := sum(file["num_records"] for file in files)) != rows:
        yield f"the log counts {counted} rows, the files hold {rows}"


# ── the checks ────────────────────────────────────────────────────────────────────────────────────────────────────────


def check_dataset(report: Report, lake: Lake, dataset: str, lines: list[bytes]) -> None:
    """Everything about one dataset."""
    expected = expect(dataset, lines)
    own = cleaning.columns(dataset)
    table = lake.table("tables", dataset)
    quarantine = lake.table("quarantine", dataset)

    report.check(f"{dataset}: something was sent", [] if lines else ["no lines"])
    if expected.rows and table is None:
        report.check(f"{dataset}: there is a table", [f"none in {lake.at('tables', dataset)}"])
    if expected.rejected and quarantine is None:
        report.check(f"{dataset}: there is a quarantine", [f"none in {lake.at('quarantine', dataset)}"])

    for name, read in READERS.items():
        rows = read(lake, table) if table else []
        rejected = read(lake, quarantine) if quarantine else []
        stored = [comparable(row, own) for row in rows]
        report.check(
            f"{dataset}: {name} finds {len(rows):,} rows, equal to what was sent in every column",
            row_differences(expected.rows, stored),
        )
        report.check(
            f"{dataset}: {name} finds {len(rejected):,} records in quarantine, byte for byte",
            quarantine_differences(expected.rejected, rejected),
        )
        report.check(
            f"{dataset}: {name} finds {len(rows):,} + {len(rejected):,} = {len(lines):,} records sent",
            [] if len(rows) + len(rejected) == len(lines) else [f"{len(rows) + len(rejected):,} were found"],
        )
        report.check(
            f"{dataset}: {name} finds every origin once, in UTC and in its partition",
            bookkeeping_differences(rows + rejected),
        )

    for place, delta, columns in (("table", table, own + ADDED), ("quarantine", quarantine, QUARANTINE)):
        if delta is not None:
            arrow = delta.to_pyarrow_dataset()
            report.check(f"{dataset}: the {place}'s columns and types", schema_differences(arrow.schema, columns))
            report.check(f"{dataset}: the {place}'s log", log_differences(delta, arrow.count_rows()))


def arrived(lake: Lake, dataset: str) -> int:
    """Records in the table and the quarantine."""
    tables = (lake.table(kind, dataset) for kind in ("tables", "quarantine"))
    return sum(table.to_pyarrow_dataset().count_rows() for table in tables if table)


def wait(lake: Lake, sent: dict[str, list[bytes]], seconds: float) -> None:
    """Returns when as many records have arrived as were sent, or when the time is over."""
    end = time.monotonic() + seconds
    while any(arrived(lake, dataset) < len(lines) for dataset, lines in sent.items()) and time.monotonic() < end:
        time.sleep(0.2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    lakes.add_arguments(parser, "what has tables/ and quarantine/")
    parser.add_argument("sent", type=Path, help="folder with the lines that were sent, <dataset>.jsonl")
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="how long rows may take to arrive")
    arguments = parser.parse_args()

    sent = {dataset: lines_of(arguments.sent / f"{dataset}.jsonl") for dataset in DATASETS}
    lake = lakes.of(arguments)
    wait(lake, sent, arguments.wait)
    report = Report()
    for dataset, lines in sent.items():
        check_dataset(report, lake, dataset, lines)
    print(f"outside readers: {report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
