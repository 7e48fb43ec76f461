"""Where a lake is: a folder, or a bucket behind an S3 endpoint. The programs that read tables take either:

… LAKE                                                   a folder with tables/, quarantine/ and results/
… s3://BUCKET --s3 http://127.0.0.1:3001 [--keys ID SECRET]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import polars
import pyarrow.fs
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from fsspec.implementations.arrow import ArrowFSWrapper

from services import OURS, REGION

Row = dict[str, Any]


@dataclass(frozen=True)
class Lake:
    """A folder or a bucket."""

    root: str
    # The endpoint of S3, without which the lake is a folder.
    s3: str | None = None
    keys: tuple[str, str] = (OURS.id, OURS.secret)

    @property
    def options(self) -> dict[str, str]:
        """What deltalake and Polars need to come to it."""
        if self.s3 is None:
            return {}
        return {
            "aws_endpoint_url": self.s3,
            "aws_access_key_id": self.keys[0],
            "aws_secret_access_key": self.keys[1],
            "aws_region": REGION,
            "aws_allow_http": "true",
            "aws_virtual_hosted_style_request": "false",
            # A commit is a put with If-None-Match.
            "aws_conditional_put": "etag",
        }

    @cached_property
    def files(self) -> pyarrow.fs.FileSystem:
        """Its files, by paths that begin with its root."""
        if self.s3 is None:
            return pyarrow.fs.LocalFileSystem()
        where = urlsplit(self.s3)
        access_key, secret_key = self.keys
        return pyarrow.fs.S3FileSystem(
            allow_bucket_creation=True,
            access_key=access_key,
            secret_key=secret_key,
            region=REGION,
            scheme=where.scheme,
            endpoint_override=where.netloc,
            force_virtual_addressing=False,
        )

    def at(self, *parts: str) -> str:
        """The address of something in it."""
        return "/".join([self.root, *parts])

    def path(self, *parts: str) -> str:
        """The same, as `files` has it."""
        return self.at(*parts).removeprefix("s3://")

    def has(self, *parts: str) -> bool:
        return self.files.get_file_info(self.path(*parts)).type != pyarrow.fs.FileType.NotFound

    def read(self, *parts: str) -> bytes:
        """A file's content."""
        with self.files.open_input_stream(self.path(*parts)) as file:
            return file.read()

    def names(self, *parts: str) -> list[str]:
        """What a folder holds."""
        chosen = pyarrow.fs.FileSelector(self.path(*parts), allow_not_found=True)
        return sorted(entry.base_name for entry in self.files.get_file_info(chosen))

    def table(self, *parts: str, version: int | None = None) -> DeltaTable | None:
        """The table in a folder; `None` if there is none."""
        try:
            return DeltaTable(self.at(*parts), version=version, storage_options=self.options)
        except TableNotFoundError:
            return None

    def __str__(self) -> str:
        return self.root


def add_arguments(parser: argparse.ArgumentParser, what: str) -> None:
    """The arguments that say where a lake is."""
    parser.add_argument("lake", help=f"{what}: a folder, or s3://BUCKET")
    parser.add_argument("--s3", metavar="URL", help="the endpoint that has the bucket")
    parser.add_argument("--keys", nargs=2, metavar=("ID", "SECRET"), default=(OURS.id, OURS.secret))


def of(arguments: argparse.Namespace) -> Lake:
    """The lake that the arguments name."""
    if arguments.lake.startswith("s3://") != bool(arguments.s3):
        raise SystemExit("a bucket has an endpoint, --s3, and a folder has none")
    root = arguments.lake if arguments.s3 else str(Path(arguments.lake).resolve())
    return Lake(root.rstrip("/"), arguments.s3, tuple(arguments.keys))


# ── the readers ───────────────────────────────────────────────────────────────────────────────────────────────────────


def read_delta(lake: Lake, table: DeltaTable) -> list[Row]:
    """All rows, as deltalake sees them. Arrow itself reads the files: of a file system in Python, which is deltalake's own,
    a thread of Arrow's may still hold a file when the interpreter ends, and that aborts the process."""
    root = table.table_uri.removeprefix("file://").removeprefix("s3://").rstrip("/")
    files = pyarrow.fs.SubTreeFileSystem(root, lake.files)
    return table.to_pyarrow_dataset(filesystem=files).to_table().to_pylist()


def read_duckdb(lake: Lake, table: DeltaTable) -> list[Row]:
    """All rows, as DuckDB reads them from the files that are live in the log."""
    files = table.file_uris()
    if not files:
        return []
    with duckdb.connect() as connection:
        if lake.s3:
            # DuckDB's own way to S3 is an extension that it would have to fetch.
            connection.register_filesystem(ArrowFSWrapper(lake.files))
        connection.execute("SET TimeZone = 'UTC'")
        cursor = connection.execute(
            "SELECT * FROM read_parquet(?, hive_partitioning = true, union_by_name = true)", [files]
        )
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def read_polars(lake: Lake, table: DeltaTable) -> list[Row]:
    """All rows, as Polars scans the table: the log by deltalake, the files by itself."""
    return polars.scan_delta(table, storage_options=lake.options or None).collect().to_dicts()


READERS: dict[str, Callable[[Lake, DeltaTable], list[Row]]] = {
    "deltalake": read_delta,
    "duckdb": read_duckdb,
    "polars": read_polars,
}
