"""The databases' side of `databases.sh`: fills them, tells what their rows are as JSON, and checks what `pinlake send` makes
of them. The rows are read by other people's drivers.

    python tests/outside/databases.py fill --rows N
    python tests/outside/databases.py url|credentials|rows|raw|random|refusals …

Each step takes the servers' ports and the passwords of the owner, who fills, and of the reader, who may only read, from
the environment; `databases.sh` sets them.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pymysql

import predecessor_clients

DATABASES = ("postgres", "mariadb")
TABLES = {"pin": "pinterest_data", "geo": "geolocation_data", "user": "user_data"}
READER = "reader"

Row = dict[str, Any]


class Wrong(Exception):
    """`pinlake send` did not do what it should."""


# ── the servers ───────────────────────────────────────────────────────────────────────────────────────────────────────


def port(database: str) -> int:
    return int(os.environ[f"{database.upper()}_PORT"])


def url(database: str) -> str:
    scheme = {"postgres": "postgres", "mariadb": "mysql"}[database]
    return f"{scheme}://{READER}@127.0.0.1:{port(database)}/pins"


def connect(database: str, user: str, name: str = "pins") -> Any:
    """A connection; the server is given half a minute to come up."""
    password = os.environ[f"PINLAKE_{user.upper()}_PASSWORD"]
    end = time.monotonic() + 30
    while True:
        try:
            if database == "postgres":
                return psycopg.connect(
                    host="127.0.0.1", port=port(database), user=user, password=password, dbname=name, autocommit=True
                )
            return pymysql.connect(
                host="127.0.0.1",
                port=port(database),
                user=user,
                password=password,
                database=name,
                charset="utf8mb4",
                autocommit=True,
                init_command="SET time_zone = '+00:00'",
            )
        except (psycopg.OperationalError, pymysql.OperationalError):
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


# Odd on purpose: names that are SQL's words, a table without a key and with rows that repeat, a key that is not the first
# column, decimals, a single-precision number, microseconds, a zone, truth values. What no dataset knows is kept in
# `_rescued`, digit by digit.
SCHEMAS = {
    "postgres": [
        """CREATE TABLE pinterest_data ("index" integer, unique_id uuid, title text, description text, poster_name varchar(200),
           follower_count varchar(50), tag_list text, is_image_or_video varchar(50), image_src text, downloaded smallint,
           save_location text, category char(20))""",
        """CREATE TABLE geolocation_data (ind bigint PRIMARY KEY, "timestamp" timestamp, latitude double precision,
           longitude numeric(9,6), country varchar(100), altitude numeric(12,3), accuracy real)""",
        """CREATE TYPE plan AS ENUM ('free', 'påid')""",
        """CREATE TABLE user_data (first_name text, last_name text, age smallint, date_joined timestamptz, ind integer,
           verified boolean, plan plan, extra jsonb, PRIMARY KEY (ind))""",
    ],
    "mariadb": [
        """CREATE TABLE pinterest_data (`index` int, unique_id char(36) COLLATE utf8mb4_bin, title text, description mediumtext,
           poster_name varchar(200), follower_count varchar(50), tag_list text, is_image_or_video varchar(50), image_src text,
           downloaded tinyint(1), save_location text, category varchar(20)) CHARACTER SET utf8mb4""",
        """CREATE TABLE geolocation_data (ind bigint unsigned ZEROFILL PRIMARY KEY, `timestamp` datetime, latitude double,
           longitude decimal(9,6), country varchar(100), altitude decimal(12,3), accuracy float) CHARACTER SET latin1""",
        """CREATE TABLE user_data (first_name text, last_name text, age tinyint unsigned, date_joined datetime(6),
           ind mediumint, verified boolean, plan enum('free', 'påid'), extra json, PRIMARY KEY (ind))
           CHARACTER SET utf8mb4""",
    ],
}


def made_rows(rows: int) -> dict[str, list[Row]]:
    """Rows for the three tables, as the predecessor's lie in its database, and some odder ones."""
    made = predecessor_clients.database(4711, rows)
    random_ = random.Random(4712)
    pins, geos, users = (list(of_one) for of_one in zip(*made, strict=True))
    oddities = [
        {"title": None, "description": None, "tag_list": None},
        {"title": "", "description": " \u00a0 ", "poster_name": "null"},
        {"title": "O'Neil says \"ja\\nein\"; DROP TABLE pins; --", "description": "two\nlines\tand a tab\r\n"},
        {"title": "手作り 🎄 ❤️ e\u0301 \u202eright to left", "description": "x" * 60_000},
        {"title": "ends in a blank\u00a0", "follower_count": "1,234", "downloaded": None},
        {"title": "{\"index\": 1}", "description": "\\u00e9 \u2028 \u0001", "follower_count": None},
    ]
    for pin, oddity in zip(random_.sample(pins, len(oddities)), oddities, strict=True):
        pin.update(oddity)
    pins += random_.choices(pins, k=rows // 12)
    for geo in geos:
        geo["altitude"] = random_.choice([None, Decimal(random_.randrange(-10**8, 10**8)) / 1000])
        geo["accuracy"] = random_.randrange(1000) + random_.choice([0.1, 0.25, 0.7])
        # The table's text is latin1 in one of the databases.
        geo["country"] = random_.choice([geo["country"], geo["country"] + "\u00a0", None])
    geos[0].update(latitude=-0.1234567890123456, longitude=Decimal("-179.999999"), timestamp=datetime(2020, 2, 29))
    geos[1].update(latitude=1e-07, longitude=Decimal("0.000001"), timestamp=None)
    geos[2].update(latitude=None, longitude=None)
    for user in users:
        user["verified"] = random_.choice([True, False, None])
        user["plan"] = random_.choice(["free", "påid", None])
        user["extra"] = random_.choice([None, json.dumps({"likes": ["ä", 1.5], "of": {"deep": None}})])
        user["date_joined"] += timedelta(microseconds=random_.choice([0, 0, 250_000, 1]))
    users[0].update(first_name=None, age=None)
    users[1].update(date_joined=None)
    return {"pin": pins, "geo": geos, "user": users}


def quoted(database: str, name: str) -> str:
    return f'"{name}"' if database == "postgres" else f"`{name}`"


def fill(rows: int) -> None:
    """Makes both databases, their tables and the reader."""
    made = made_rows(rows)
    for database in DATABASES:
        with closing(connect(database, "owner", {"postgres": "postgres", "mariadb": "mysql"}[database])) as connection:
            run = connection.cursor().execute
            run("CREATE DATABASE pins")
            # Neither takes it as a parameter.
            password = os.environ["PINLAKE_READER_PASSWORD"].replace("\\", "\\\\").replace("'", "''")
            if database == "postgres":
                run(f"CREATE ROLE {READER} LOGIN PASSWORD '{password}'")
            else:
                run(f"CREATE USER {READER}@127.0.0.1 IDENTIFIED BY '{password.replace('%', '%%')}'")
        with closing(connect(database, "owner")) as connection:
            cursor = connection.cursor()
            for statement in SCHEMAS[database]:
                cursor.execute(statement)
            for dataset, table in TABLES.items():
                names = list(made[dataset][0])
                values = [[in_utc(database, row[name]) for name in names] for row in made[dataset]]
                columns = ", ".join(quoted(database, name) for name in names)
                places = ", ".join(["%s"] * len(names))
                cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", values)
                print(f"{database}: {len(values):,} rows in {table}")
            cursor.execute("CREATE TABLE odd_bytes (ind integer, picture {})".format("bytea" if database == "postgres" else "blob"))
            cursor.execute("CREATE TABLE odd_ages (ind integer PRIMARY KEY, age integer)")
            cursor.execute("INSERT INTO odd_ages VALUES (1, 20), (2, 200), (3, 30)")
            cursor.execute("CREATE TABLE odd_names (name varchar(20), ind integer)")
            if database == "postgres":
                cursor.execute("CREATE TABLE odd_numbers (ind integer PRIMARY KEY, latitude double precision)")
                cursor.execute("INSERT INTO odd_numbers VALUES (1, 'NaN'), (2, 45.5)")
                cursor.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {READER}")
            else:
                cursor.execute(f"GRANT SELECT ON pins.* TO {READER}@127.0.0.1")


def in_utc(database: str, value: Any) -> Any:
    """For PostgreSQL a time with a zone, for its column that has one; the other drops the zone again."""
    if database == "postgres" and isinstance(value, datetime):
        return value.replace(tzinfo=timezone.utc)
    return value


# ── rows as JSON ──────────────────────────────────────────────────────────────────────────────────────────────────────


def as_json(row: Row) -> bytes:
    """A row as it must be posted."""

    def value(of: Any) -> str:
        if isinstance(of, Decimal):
            return format(of, "f")
        if isinstance(of, datetime):
            if of.tzinfo is not None:
                of = of.astimezone(timezone.utc).replace(tzinfo=None)
            return json.dumps(of.isoformat(" ", "microseconds").rstrip("0").rstrip(".") if of.microsecond else str(of))
        if isinstance(of, (dict, list)):
            return json.dumps(of)
        if of is None or isinstance(of, (bool, int, float, str)):
            return json.dumps(of)
        return json.dumps(str(of))

    return ("{" + ", ".join(f"{json.dumps(name)}: {value(of)}" for name, of in row.items()) + "}").encode()


def rows_of(database: str, table: str) -> list[Row]:
    """All rows of a table, by its driver."""
    with closing(connect(database, READER)) as connection:
        cursor = connection.cursor()
        cursor.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def append_rows(database: str, folders: list[Path]) -> None:
    """Appends each row, as it must be posted, to `<dataset>.jsonl` in the folders."""
    for dataset, table in TABLES.items():
        lines = b"".join(as_json(row) + b"\n" for row in rows_of(database, table))
        for folder in folders:
            with (folder / f"{dataset}.jsonl").open("ab") as file:
                file.write(lines)


def frozen(value: Any) -> Any:
    """A parsed value that can be counted; numbers are equal when they are the same number."""
    if isinstance(value, dict):
        return frozenset((name, frozen(part)) for name, part in value.items())
    if isinstance(value, list):
        return tuple(frozen(part) for part in value)
    return (type(value).__name__, value)


def parsed(line: bytes) -> Any:
    return frozen(json.loads(line, parse_int=Decimal, parse_float=Decimal))


# ── checks ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def check_raw(lake: Path, expected: Path, seconds: float) -> None:
    """Compares the lines of the raw objects with the rows, as JSON values; first gives them time to be delivered."""
    end = time.monotonic() + seconds
    for dataset in TABLES:
        want = [parsed(line) for line in (expected / f"{dataset}.jsonl").read_bytes().splitlines()]
        while True:
            objects = sorted((lake / "raw" / dataset).glob("date=*/*.gz"))
            lines = [line for file in objects for line in gzip.decompress(file.read_bytes()).split(b"\n") if line]
            if len(lines) >= len(want) or time.monotonic() > end:
                break
            time.sleep(0.5)
        have = Counter(parsed(line) for line in lines)
        missing, surplus = Counter(want) - have, have - Counter(want)
        if missing or surplus:
            raise Wrong(
                f"{dataset}: {missing.total()} rows are missing from raw/, {surplus.total()} are not the database's; "
                f"such as {next(iter(missing), None)} and {next(iter(surplus), None)}"
            )
        print(f"{dataset}: the {len(lines):,} lines of {len(objects)} raw objects are the databases' rows")


class Collector(BaseHTTPRequestHandler):
    """Accepts whatever is put to a stream, and keeps it."""

    kept: list[tuple[str, bytes]] = []

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        lines = body.splitlines()
        self.kept.extend((self.path, line) for line in lines)
        answer = {"FailedRecordCount": 0, "Records": [{"SequenceNumber": "1", "ShardId": "1"}] * len(lines)}
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        pass


def send(pinlake: str, to: str, database: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command with the reader's URL, with no password in its environment."""
    return subprocess.run(
        [pinlake, "send", "--to", to, "--from", url(database), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": os.environ["PATH"], "RUST_LOG": "trace"},
    )


def check_random(pinlake: str, work: Path) -> None:
    """A seed draws the same rows again, of all three tables with the same key, as they are in the database."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        to = f"http://127.0.0.1:{server.server_port}"
        for database in DATABASES:
            drawn = []
            for seed in ("7", "7", "8"):
                Collector.kept = []
                sent = send(
                    pinlake, to, database, "--credentials", f"{work}/{database}.toml", "--random", "--seed", seed, "--count", "80"
                )
                if sent.returncode != 0 or "240 sent: 240 accepted, 0 rejected, 0 failed" not in sent.stdout:
                    raise Wrong(f"80 random keys of {database}: {sent.stdout}{sent.stderr}")
                drawn.append(
                    {dataset: [line for path, line in Collector.kept if path == f"/streams/{dataset}/records"] for dataset in TABLES}
                )
            first, again, other = drawn
            if first != again or first == other:
                raise Wrong(f"{database}: a seed does not draw its rows, and only them")
            keys = [
                [json.loads(line)["index" if dataset == "pin" else "ind"] for line in lines] for dataset, lines in first.items()
            ]
            if not keys[0] == keys[1] == keys[2] or len(set(keys[0])) < 40:
                raise Wrong(f"{database}: the rows drawn do not belong together: {keys}")
            for dataset, table in TABLES.items():
                known = {parsed(as_json(row)) for row in rows_of(database, table)}
                if not all(parsed(line) in known for line in first[dataset]):
                    raise Wrong(f"{database}: rows were drawn that are not in {table}")
            print(f"{database}: random rows are the table's, belong together, and come again with their seed")
        server.shutdown()


def check_refusals(pinlake: str, work: Path, api: str) -> None:
    """What goes wrong is told with table, column and reason, and never with a password."""
    secret = os.environ["PINLAKE_READER_PASSWORD"]
    for database in DATABASES:
        login = ["--credentials", f"{work}/{database}.toml"]
        wrong = work / "wrong.toml"
        wrong.write_text('password = "not-the-passw0rd"\n')
        wrong.chmod(0o600)
        cases = [
            (["--credentials", str(wrong)], [f"could not log in to {url(database).replace('reader@', '')}", READER]),
            ([], ["could not log in to"]),
            ([*login, "--table", "pin=no_such_table", "--dataset", "pin"], ["table `no_such_table`"]),
            (
                [*login, "--table", "user=odd_bytes", "--dataset", "user"],
                ["column `picture` of table `odd_bytes` is of type", "BYTEA" if database == "postgres" else "BLOB"],
            ),
            (
                [*login, "--table", "user=odd_ages", "--dataset", "x.user"],
                ["table `odd_ages`, `ind` 2 rejected: ", "age", "3 sent: 2 accepted, 1 rejected, 0 failed", "1 rows were not accepted"],
            ),
            (
                [*login, "--random", "--dataset", "user", "--table", "user=odd_names"],
                ["--random draws by whole numbers", "column `name` of table `odd_names`"],
            ),
        ]
        if database == "postgres":
            cases.append(
                (
                    [*login, "--table", "geo=odd_numbers", "--dataset", "geo"],
                        ["table `odd_numbers`, `ind` 1 failed: column `latitude` holds no number that JSON can hold"],
                )
            )
        for arguments, told in cases:
            sent = send(pinlake, api, database, *arguments)
            said = sent.stdout + sent.stderr
            if sent.returncode == 0 or not all(part in said for part in told):
                raise Wrong(f"{database}, {arguments}: expected {told}, but exit code {sent.returncode} and\n{said}")
            if secret in said or "not-the-passw0rd" in said:
                raise Wrong(f"{database}, {arguments}: shows a password")
        print(f"{database}: {len(cases)} kinds of trouble are told with their place, and no password")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    steps = parser.add_subparsers(dest="step", required=True)
    step = steps.add_parser("fill")
    step.add_argument("--rows", type=int, required=True)
    step = steps.add_parser("url")
    step.add_argument("database", choices=DATABASES)
    step = steps.add_parser("credentials")
    step.add_argument("database", choices=DATABASES)
    step.add_argument("file", type=Path)
    step = steps.add_parser("rows")
    step.add_argument("database", choices=DATABASES)
    step.add_argument("folders", type=Path, nargs="+")
    step = steps.add_parser("raw")
    step.add_argument("lake", type=Path)
    step.add_argument("expected", type=Path)
    step.add_argument("--wait", type=float, default=0.0)
    step = steps.add_parser("random")
    step.add_argument("pinlake")
    step.add_argument("work", type=Path)
    step = steps.add_parser("refusals")
    step.add_argument("pinlake")
    step.add_argument("work", type=Path)
    step.add_argument("api")
    arguments = parser.parse_args()

    try:
        match arguments.step:
            case "fill":
                fill(arguments.rows)
            case "url":
                print(url(arguments.database))
            case "credentials":
                arguments.file.touch(mode=0o600)
                arguments.file.write_text(f"password = {json.dumps(os.environ['PINLAKE_READER_PASSWORD'])}\n")
            case "rows":
                append_rows(arguments.database, arguments.folders)
            case "raw":
                check_raw(arguments.lake, arguments.expected, arguments.wait)
            case "random":
                check_random(arguments.pinlake, arguments.work)
            case "refusals":
                check_refusals(arguments.pinlake, arguments.work, arguments.api)
    except Wrong as wrong:
        print(f"FAILED  {wrong}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
