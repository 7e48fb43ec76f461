"""The books of a run: which records were made, which of them were acknowledged, and what the tables hold of each.

Every record has an id of its own, in a field that the tables keep: `unique_id` of a pin, `country` of a geo, the name
of a user. One in ten cannot be cleaned, for one of several reasons, and belongs into the quarantine; its payload has
the id, too.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from pyarrow import fs

from pipeline import DATASETS

# Where each dataset's table has the record's id.
ID_COLUMN = {"pin": "unique_id", "geo": "country", "user": "user_name"}
ID = re.compile(rb"r[0-9a-f]{8}-[0-9]{9}")
BROKEN_ONE_IN = 10

# How many wrong records a check names.
SHOWN = 5


@dataclass(frozen=True)
class Record:
    """A record as it is posted: a JSON object, or bytes that are no JSON."""

    id: str
    dataset: str
    is_broken: bool
    body: dict[str, Any] | bytes

    def base64(self) -> str:
        text = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        return base64.b64encode(text).decode()


@dataclass(slots=True)
class Entry:
    """What the books say of a record."""

    dataset: str
    is_broken: bool
    via: str
    # `kinesis/<stream>/<shard>/<sequence number>`, where the answer told it.
    origin: str | None = None


@dataclass
class Ledger:
    """All records of a run, by their ids. Several threads may write."""

    run: int
    acknowledged: dict[str, Entry] = field(default_factory=dict)
    # No answer came, or one that promises nothing: such a record may be stored or not.
    unsure: dict[str, Entry] = field(default_factory=dict)
    answers: Counter = field(default_factory=Counter)
    _made: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def make(self, random: Random, dataset: str, count: int, filling: int = 0) -> list[Record]:
        """New records; `filling` makes each as many bytes longer."""
        with self._lock:
            first = self._made
            self._made += count
        return [make(random, dataset, f"r{self.run & 0xffffffff:08x}-{first + n:09}", first + n, filling) for n in
                range(count)]

    def take_in(self, other: Ledger) -> None:
        """The books of another process become a part of these."""
        self.acknowledged.update(other.acknowledged)
        self.unsure.update(other.unsure)
        self.answers.update(other.answers)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def keep(self, records: list[Record], via: str, origins: list[str | None] | None, status: int | str) -> None:
        """Books a request: `origins` has an entry per record, which is `None` where nothing was promised; for
        `/topics`, which tells no place, it is empty text. No list at all promises nothing."""
        with self._lock:
            self.answers[f"{via} {status}"] += 1
            for record, origin in zip(records, origins or [None] * len(records), strict=True):
                entry = Entry(record.dataset, record.is_broken, via, origin or None)
                (self.unsure if origin is None else self.acknowledged)[record.id] = entry


def make(random: Random, dataset: str, id_: str, number: int, filling: int = 0) -> Record:
    """A record of this id. `number` is its key, so that no two are versions of one row."""
    is_broken = random.randrange(BROKEN_ONE_IN) == 0
    body: dict[str, Any]
    if dataset == "pin":
        body = {
            "index": number,
            "unique_id": id_,
            "title": "a title " * random.randrange(8),
            "description": "x" * filling,
            "follower_count": random.choice(["12k", "394", "3M", "User Info Error"]),
            "save_location": "Local save in /data/travel",
            "category": random.choice(["travel", "art", "quotes"]),
        }
        fault = random.choice([{"index": None}, {"index": "one"}, {"index": number + 0.5}])
    elif dataset == "geo":
        body = {
            "ind": number,
            "timestamp": f"20{random.randrange(17, 23)}-0{random.randrange(1, 10)}-11 03:52:47",
            "latitude": round(random.uniform(-90, 90), 4),
            "longitude": round(random.uniform(-180, 180), 3),
            "country": id_,
            "more": "x" * filling,
        }
        fault = random.choice([{"latitude": 90.5}, {"longitude": None}, {"timestamp": "yesterday"}])
    else:
        body = {
            "ind": number,
            "first_name": id_,
            "age": random.randrange(18, 90),
            "date_joined": f"201{random.randrange(5, 8)}-05-17 21:00:09",
            "more": "x" * filling,
        }
        fault = random.choice([{"age": "old"}, {"age": 151}, {"ind": [number]}])
    if not is_broken:
        return Record(id_, dataset, False, body)
    if random.randrange(3) == 0:
        # A producer that was cut off in the middle of its text.
        text = json.dumps(body).encode()
        return Record(id_, dataset, True, text[: text.index(id_.encode()) + len(id_)])
    return Record(id_, dataset, True, {**body, **fault})


# ── what the tables hold ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a record was found: the dataset and the place, `table` or `quarantine`, and its `_origin`."""

    dataset: str
    place: str
    origin: str


def read(lake: Path) -> dict[str, list[Stored]]:
    """All that is stored, by the records' ids, as Python's `deltalake` reads it. A row without an id is under its
    origin."""
    found: dict[str, list[Stored]] = {}
    for dataset in DATASETS:
        for place, column in (("table", ID_COLUMN[dataset]), ("quarantine", "payload")):
            folder = lake / {"table": "tables"}.get(place, place) / dataset
            delta = open_table(folder)
            if delta is None:
                continue
            # By Arrow's own file system: see `read_delta` of the outside witnesses.
            files = fs.SubTreeFileSystem(str(folder.resolve()), fs.LocalFileSystem())
            rows = delta.to_pyarrow_dataset(filesystem=files).to_table(columns=[column, "_origin"])
            for value, origin in zip(rows[column].to_pylist(), rows["_origin"].to_pylist(), strict=True):
                found.setdefault(id_of(value) or origin, []).append(Stored(dataset, place, origin))
    return found


def open_table(folder: Path) -> DeltaTable | None:
    try:
        return DeltaTable(folder)
    except TableNotFoundError:
        return None


def id_of(value: str | bytes | None) -> str | None:
    if isinstance(value, str):
        value = value.encode()
    match = ID.search(bytes(value or b""))
    return match[0].decode() if match else None


def rows(lake: Path) -> int:
    """How many rows all tables and quarantines have, by the statistics in their logs."""
    total = 0
    for place in ("tables", "quarantine"):
        for dataset in DATASETS:
            delta = open_table(lake / place / dataset)
            if delta is not None:
                import pyarrow as pa

                total += pc.sum(pa.table(delta.get_add_actions(flatten=True))["num_records"]).as_py() or 0
    return total


# ── the comparison ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Verdict:
    """What a comparison found: numbers for the table, and what is wrong in words."""

    wrong: list[str] = field(default_factory=list)
    in_tables: int = 0
    in_quarantine: int = 0
    unsure_but_stored: int = 0
    doubled: int = 0

    def check(self, what: str, cases: list[str]) -> None:
        if cases:
            more = f" … and {len(cases) - SHOWN} more" if len(cases) > SHOWN else ""
            self.wrong.append(f"{len(cases)} {what}: {'; '.join(cases[:SHOWN])}{more}")


def compare(ledger: Ledger, found: dict[str, list[Stored]], sent_again: int = 0) -> Verdict:
    """The promise: what was acknowledged is in its table or in its quarantine, once; nothing else is there but what was
    sent without an answer, and that once at most; an origin is nobody else's. So many records at most, `sent_again`,
    may be there more than once: a service that did not answer the edge may have stored what it was sent again."""
    verdict = Verdict()
    missing, doubled, misplaced, moved, unsure_doubled = [], [], [], [], []
    for id_, entry in ledger.acknowledged.items():
        places = found.get(id_, [])
        if not places:
            missing.append(f"{id_} ({entry.dataset} by {entry.via}, {entry.origin})")
        elif len(places) > 1:
            doubled.append(f"{id_} at {', '.join(f'{stored.place} {stored.origin}' for stored in places)}")
        else:
            (stored,) = places
            if (stored.dataset, stored.place) != (entry.dataset, "quarantine" if entry.is_broken else "table"):
                misplaced.append(f"{id_} of {entry.dataset} in {stored.dataset}'s {stored.place}")
            if entry.origin is not None and entry.origin != stored.origin:
                moved.append(f"{id_} was acknowledged as {entry.origin} and is {stored.origin}")
    for id_ in ledger.unsure:
        places = found.get(id_, [])
        verdict.unsure_but_stored += bool(places)
        if len(places) > 1:
            unsure_doubled.append(f"{id_} at {', '.join(f'{stored.place} {stored.origin}' for stored in places)}")
    never_sent = [id_ for id_ in found if id_ not in ledger.acknowledged and id_ not in ledger.unsure]
    origins = Counter((stored.dataset, stored.origin) for places in found.values() for stored in places)
    verdict.in_tables = sum(stored.place == "table" for places in found.values() for stored in places)
    verdict.in_quarantine = sum(stored.place == "quarantine" for places in found.values() for stored in places)
    verdict.check("acknowledged records are missing", missing)
    verdict.doubled = len(doubled) + len(unsure_doubled)
    if verdict.doubled <= sent_again:
        doubled, unsure_doubled = [], []
    verdict.check("acknowledged records are there more than once", doubled)
    verdict.check("records are in the wrong place", misplaced)
    verdict.check("records have another origin than they were acknowledged with", moved)
    verdict.check("unacknowledged records are there more than once", unsure_doubled)
    verdict.check("records are there that were never sent", never_sent)
    verdict.check("origins belong to several rows", [f"{origin[1]}" for origin, times in origins.items() if times > 1])
    return verdict
