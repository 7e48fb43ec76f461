"""The ten questions a second time: answered in plain Python from what they ask, without looking at `reports/*.sql`, and
compared with the answers that Pinlake keeps in the lake.

    python tests/outside/reports.py LAKE RUN_DATE [--sent SENT] [--s3 URL]

LAKE is a folder with `tables/<dataset>` and `results/<report>/run_date=RUN_DATE/`, or a bucket of an S3 endpoint (see
`lakes.py`). For each report

- `result.parquet` has the rows that the plain Python below finds, in the same order, doubles to the last bit;
- DuckDB, given `reports/<report>.sql` unchanged, finds the same rows in the same order: the SQL is no engine's own;
- `_result.json` says the same as `result.parquet`.

A report counts the latest row of each key. Which one is the latest, only the tables tell (`_ingested_at`, then `_origin`).
What it says is taken from the records that were posted, if SENT is given: a folder with `<dataset>.jsonl`, as for
`read_tables.py`. They are cleaned by `cleaning.py`, and a latest row of the table must be one of its key's. Without SENT the
tables are believed; `read_tables.py` is what checks them.

Exits with 1 and says where the difference is if there is one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

import cleaning
import lakes
from cleaning import DATASETS, Reject, clean
from read_tables import Report, comparable, frozen, lines_of

SQL = Path(__file__).parents[2] / "reports"

Row = dict[str, Any]
# The latest row of each key.
Rows = dict[int, Row]
Answer = list[tuple[Any, ...]]

SCHEMAS = {
    "pin": pa.schema([("ind", pa.int32()), ("category", pa.string()), ("poster_name", pa.string()), ("follower_count", pa.int64())]),
    "geo": pa.schema([("ind", pa.int32()), ("country", pa.string()), ("timestamp", pa.timestamp("us", "UTC"))]),
    "user": pa.schema(
        [("ind", pa.int32()), ("user_name", pa.string()), ("age", pa.int32()), ("date_joined", pa.timestamp("us", "UTC"))]
    ),
}

AGE_GROUPS = {"18-24": range(18, 25), "25-35": range(25, 36), "36-50": range(36, 51), "50+": range(51, 1000)}
POST_YEARS = range(2018, 2023)
JOINING_YEARS = range(2015, 2021)


# ── the rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def latest_rows(lake: lakes.Lake, dataset: str) -> Rows:
    """Of each key the row that arrived last."""
    table = lake.table("tables", dataset)
    latest: Rows = {}
    for row in lakes.read_delta(lake, table) if table else []:
        known = latest.get(row["ind"])
        if known is None or arrival(row) > arrival(known):
            latest[row["ind"]] = row
    return latest


def arrival(row: Row) -> tuple[Any, bytes]:
    return row["_ingested_at"], row["_origin"].encode()


def posted_rows(dataset: str, lines: list[bytes], latest: Rows) -> Iterator[tuple[int, Row | str]]:
    """For each key what was posted for it last, or what is wrong: the table only decides between several versions."""
    versions: defaultdict[int, list[Row]] = defaultdict(list)
    for line in lines:
        row = clean(dataset, line)
        if not isinstance(row, Reject):
            versions[row["ind"]].append(row)
    for key in sorted(versions.keys() | latest.keys()):
        known = latest.get(key)
        if known is None:
            yield key, "was posted and is not in the table"
            continue
        wanted = frozen(comparable(known, cleaning.columns(dataset)))
        found = next((row for row in versions.get(key, []) if frozen(row) == wanted), None)
        yield key, found or "is in the table as it was never posted"


# ── the questions ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Lake:
    """The latest rows, and what several questions share."""

    def __init__(self, pin: Rows, geo: Rows, user: Rows):
        self.pin, self.geo, self.user = pin, geo, user

    def posts(self) -> Iterator[tuple[Row, Row]]:
        """Each pin with the geo row of its index."""
        return ((pin, self.geo[ind]) for ind, pin in self.pin.items() if ind in self.geo)

    def categories_by_year(self) -> Counter:
        found: Counter = Counter()
        for pin, geo in self.posts():
            if geo["timestamp"] is not None and pin["category"] is not None and geo["timestamp"].year in POST_YEARS:
                found[geo["timestamp"].year, pin["category"]] += 1
        return found

    def followed(self) -> defaultdict[str, defaultdict[int, set[str]]]:
        """By country and number of followers: who has that many."""
        found: defaultdict[str, defaultdict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        for pin, geo in self.posts():
            if None not in (geo["country"], pin["poster_name"], pin["follower_count"]):
                found[geo["country"]][pin["follower_count"]].add(pin["poster_name"])
        return found

    def people(self) -> list[Person]:
        """Everybody who has a name and a time of joining."""
        found: dict[tuple[str, Any], Person] = {}
        for ind, row in self.user.items():
            if row["user_name"] is None or row["date_joined"] is None:
                continue
            person = found.setdefault((row["user_name"], row["date_joined"]), Person(row["date_joined"].year))
            person.ages.append(row["age"])
            person.followers.append(self.pin.get(ind, {}).get("follower_count"))
        return list(found.values())


class Person:
    """What the rows of one person say."""

    def __init__(self, joined: int):
        self.joined = joined
        self.ages: list[int | None] = []
        self.followers: list[int | None] = []

    @property
    def group(self) -> str | None:
        return age_group(max((age for age in self.ages if age is not None), default=None))

    @property
    def most_followers(self) -> int | None:
        return max((count for count in self.followers if count is not None), default=None)


def age_group(age: int | None) -> str | None:
    return next((name for name, ages in AGE_GROUPS.items() if age in ages), None)


def winners(counts: Counter) -> list[tuple[Any, str, int]]:
    """`(of what, which, how often)` of those that are the most frequent in their `of what`."""
    most: dict[Any, int] = {}
    for (of, _), count in counts.items():
        most[of] = max(most.get(of, 0), count)
    return [(of, which, count) for (of, which), count in counts.items() if count == most[of]]


def medians(values: Iterable[tuple[Any, int | None]]) -> dict[Any, float]:
    """The median of each key's known values: the one in the middle, or half way between the two that are."""
    known: defaultdict[Any, list[int]] = defaultdict(list)
    for key, value in values:
        if value is not None:
            known[key].append(value)
    found = {}
    for key, numbers in known.items():
        numbers.sort()
        below, above = numbers[(len(numbers) - 1) // 2], numbers[len(numbers) // 2]
        found[key] = float(Fraction(below + above, 2))
    return found


def category_by_country(lake: Lake) -> Answer:
    counts: Counter = Counter()
    for pin, geo in lake.posts():
        if geo["country"] is not None and pin["category"] is not None:
            counts[geo["country"], pin["category"]] += 1
    return sorted(winners(counts), key=lambda row: (-row[2], row[0].encode(), row[1].encode()))


def category_by_year(lake: Lake) -> Answer:
    return sorted(winners(lake.categories_by_year()))


def categories_over_years(lake: Lake) -> Answer:
    return sorted((year, category, count) for (year, category), count in lake.categories_by_year().items())


def most_followed_by_country(lake: Lake) -> Answer:
    rows = []
    for country, counts in lake.followed().items():
        most = max(counts)
        rows += [(country, poster, most) for poster in counts[most]]
    return sorted(rows, key=lambda row: (-row[2], row[0].encode(), row[1].encode()))


def country_of_most_followed(lake: Lake) -> Answer:
    best = {country: max(counts) for country, counts in lake.followed().items()}
    most = max(best.values(), default=None)
    countries = [country for country, count in best.items() if count == most]
    return [(country, most) for country in sorted(countries, key=str.encode)]


def category_by_age_group(lake: Lake) -> Answer:
    counts: Counter = Counter()
    for ind, pin in lake.pin.items():
        group = age_group(lake.user.get(ind, {}).get("age"))
        if group is not None and pin["category"] is not None:
            counts[group, pin["category"]] += 1
    return sorted(winners(counts))


def followers_by_age_group(lake: Lake) -> Answer:
    found = medians((person.group, person.most_followers) for person in lake.people() if person.group)
    return sorted(found.items())


def users_joined(lake: Lake) -> Answer:
    counts = Counter(person.joined for person in lake.people())
    return [(year, counts[year]) for year in JOINING_YEARS if year in counts]


def followers_by_joining_year(lake: Lake) -> Answer:
    found = medians((person.joined, person.most_followers) for person in lake.people() if person.joined in JOINING_YEARS)
    return sorted(found.items())


def followers_by_joining_year_and_age_group(lake: Lake) -> Answer:
    people = (person for person in lake.people() if person.group and person.joined in JOINING_YEARS)
    found = medians(((person.group, person.joined), person.most_followers) for person in people)
    return sorted((group, year, median) for (group, year), median in found.items())


# By the report's name, without its number; with the names of the answer's columns.
QUESTIONS: dict[str, tuple[str, Callable[[Lake], Answer]]] = {
    "01": ("country category category_count", category_by_country),
    "02": ("post_year category category_count", category_by_year),
    "03": ("post_year category category_count", categories_over_years),
    "04": ("country poster_name follower_count", most_followed_by_country),
    "05": ("country follower_count", country_of_most_followed),
    "06": ("age_group category category_count", category_by_age_group),
    "07": ("age_group median_follower_count", followers_by_age_group),
    "08": ("post_year number_users_joined", users_joined),
    "09": ("post_year median_follower_count", followers_by_joining_year),
    "10": ("age_group post_year median_follower_count", followers_by_joining_year_and_age_group),
}


# ── comparing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def differences(expected: Answer, found: Answer) -> Iterator[str]:
    """Row by row, in order; 2 and 2.0 are different."""
    if len(expected) != len(found):
        yield f"expected {len(expected)} rows, found {len(found)}"
    for position, (want, have) in enumerate(zip(expected, found)):
        if [frozen(value) for value in want] != [frozen(value) for value in have]:
            yield f"row {position + 1}: expected {want}, found {have}"


def in_duckdb(lake: Lake, sql: str) -> Answer:
    """What DuckDB answers."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for dataset, schema in SCHEMAS.items():
            rows = [{name: row[name] for name in schema.names} for row in getattr(lake, dataset).values()]
            connection.register(dataset, pa.Table.from_pylist(rows, schema))
        return connection.execute(sql).fetchall()


def check_report(report: Report, place: lakes.Lake, lake: Lake, file: Path, run_date: str) -> None:
    """Everything about one report."""
    name = file.stem
    folder = "results", name, f"run_date={run_date}"
    if not place.has(*folder, "result.parquet"):
        report.check(f"{name}: there is an answer", [f"there is no {place.at(*folder, 'result.parquet')}"])
        return
    # Not as a part of a partitioned table, which would add `run_date`.
    table = pq.ParquetFile(pa.BufferReader(place.read(*folder, "result.parquet"))).read()
    found = [tuple(row.values()) for row in table.to_pylist()]

    if name[:2] in QUESTIONS:
        columns, question = QUESTIONS[name[:2]]
        named = [] if table.schema.names == columns.split() else [f"expected {columns}, found {table.schema.names}"]
        report.check(f"{name}: the columns", named)
        report.check(f"{name}: {len(found):,} rows, as plain Python finds them", differences(question(lake), found))
    elsewhere = in_duckdb(lake, file.read_text(encoding="utf-8"))
    report.check(f"{name}: {len(found):,} rows, as DuckDB finds them with the same SQL", differences(elsewhere, found))

    document = json.loads(place.read(*folder, "_result.json"))
    rows = [tuple(row.get(column) for column in document["columns"]) for row in document["rows"]]
    said = [] if (document["report"], document["run_date"]) == (name, run_date) else ["it is about another run"]
    said += [] if document["columns"] == table.schema.names else [f"its columns are {document['columns']}"]
    report.check(f"{name}: the JSON says the same", said + list(differences(found, rows)))


def read_lake(report: Report, place: lakes.Lake, sent: Path | None) -> Lake:
    """The latest rows of every dataset."""
    rows = {}
    for dataset in DATASETS:
        latest = latest_rows(place, dataset)
        report.check(f"{dataset}: there is something to count", [] if latest else ["no rows"])
        if sent:
            posted = dict(posted_rows(dataset, lines_of(sent / f"{dataset}.jsonl"), latest))
            wrong = [f"ind {key} {reason}" for key, reason in posted.items() if isinstance(reason, str)]
            report.check(f"{dataset}: {len(latest):,} latest rows, each as it was posted", wrong)
            latest = {key: row for key, row in posted.items() if not isinstance(row, str)}
        rows[dataset] = latest
    return Lake(**rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    lakes.add_arguments(parser, "what has tables/ and results/")
    parser.add_argument("run_date", help="the run whose answers are checked, YYYY-MM-DD")
    parser.add_argument("--sent", type=Path, help="folder with the lines that were posted, <dataset>.jsonl")
    arguments = parser.parse_args()

    report = Report()
    place = lakes.of(arguments)
    lake = read_lake(report, place, arguments.sent)
    files = sorted(SQL.glob("*.sql"))
    missing = QUESTIONS.keys() - {file.stem[:2] for file in files}
    report.check("the ten questions have their reports", [f"no report {number}" for number in sorted(missing)])
    for file in files:
        check_report(report, place, lake, file, arguments.run_date)
    print(f"reports: {report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
