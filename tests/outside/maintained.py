"""Reads tables before and after their compaction with programs that are not Pinlake.

    python tests/outside/maintained.py LAKE [--s3 URL]

LAKE is a folder with `tables/<dataset>` and `quarantine/<dataset>`, or a bucket of an S3 endpoint (see `lakes.py`).
Some of the tables were compacted and not vacuumed yet, so that their older versions can still be read. Of every
compaction in the log, three readers, Python's `deltalake`, DuckDB over the Parquet files, and Polars, must each find:

- the rows of the version before, value by value, and no other;
- fewer files;
- the same schema, partitions and row counts in the log, and bounds of `_origin` that hold every row's.

Exits with 1 and says where the difference is if there is one, and if there was no compaction to look at.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

import lakes
from lakes import READERS, Lake
from read_tables import Report, frozen


def tables(lake: Lake) -> Iterator[tuple[str, str]]:
    """The tables, each by the two parts of its address."""
    for kind in ("tables", "quarantine"):
        yield from ((kind, name) for name in lake.names(kind) if lake.has(kind, name, "_delta_log"))


def compactions(table: DeltaTable) -> list[int]:
    """The versions that only rearranged files."""
    history = table.history()
    return sorted(commit["version"] for commit in history if commit["operation"] == "OPTIMIZE")


def by_origin(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """The rows in an order of their own, each with its columns sorted by name."""
    values = (tuple((name, frozen(row[name])) for name in sorted(row)) for row in rows)
    return sorted(values, key=lambda row: (str(dict(row)["_origin"]), repr(row)))


def row_differences(lake: Lake, before: DeltaTable, after: DeltaTable) -> Iterator[str]:
    for name, read in READERS.items():
        old, new = by_origin(read(lake, before)), by_origin(read(lake, after))
        if len(old) != len(new):
            yield f"{name}: {len(old)} rows have become {len(new)}"
        yield from (f"{name}: {one} has become {other}" for one, other in zip(old, new) if one != other)


def file_differences(before: DeltaTable, after: DeltaTable) -> Iterator[str]:
    old, new = before.file_uris(), after.file_uris()
    if len(new) >= len(old):
        yield f"{len(old)} files have become {len(new)}"
    if before.schema() != after.schema():
        yield f"the schema was {before.schema()} and is {after.schema()}"
    if before.metadata().partition_columns != after.metadata().partition_columns:
        yield "the partition columns are others"


def log_differences(lake: Lake, before: DeltaTable, after: DeltaTable) -> Iterator[str]:
    counted = [len(READERS["deltalake"](lake, table)) for table in (before, after)]
    said = [sum(actions(table, "num_records")) for table in (before, after)]
    if counted != said:
        yield f"the files hold {counted} rows, the log says {said}"
    origins = [row["_origin"] for row in READERS["deltalake"](lake, after)]
    least, greatest = min(actions(after, "min._origin")), max(actions(after, "max._origin"))
    if origins and not (least <= min(origins) and max(origins) <= greatest):
        yield f"the bounds of _origin are {least} and {greatest}, its values {min(origins)} to {max(origins)}"


def actions(table: DeltaTable, column: str) -> list[Any]:
    """A column of what the log says of the files."""
    return pa.table(table.get_add_actions(flatten=True)).column(column).to_pylist()


def check(report: Report, lake: Lake, place: tuple[str, str], version: int) -> None:
    before, after = (lake.table(*place, version=number) for number in (version - 1, version))
    name = f"{'/'.join(place)} version {version}"
    files = f"{len(before.file_uris())} files to {len(after.file_uris())}"
    checks: dict[str, Iterable[str]] = {
        f"{name}: the rows are the same": row_differences(lake, before, after),
        f"{name}: fewer files of the same shape, {files}": file_differences(before, after),
        f"{name}: the log's counts and bounds are true": log_differences(lake, before, after),
    }
    for what, differences in checks.items():
        report.check(what, differences)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    lakes.add_arguments(parser, "what has tables/ and quarantine/")
    lake = lakes.of(parser.parse_args())

    report = Report()
    found = [(place, version) for place in tables(lake) for version in compactions(lake.table(*place))]
    for place, version in found:
        check(report, lake, place, version)
    if not found:
        report.check("something was compacted", ["no version of any table is a compaction"])
    print(f"outside readers: {report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
