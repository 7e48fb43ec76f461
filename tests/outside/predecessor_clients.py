"""The predecessor's two clients, written anew from the description of what they send: the batch one posts to topics, the
streaming one puts records to streams. Nothing in what they send knows of Pinlake; the base URL is an argument.

    python tests/outside/predecessor_clients.py http://127.0.0.1:3000/dev --rows 200 --sent DIR [--client batch]

Each round of a client picks a row at random, as the emulators did from their database, and sends its pin, geo and user
records in three requests. The exact text of every record is appended to DIR/<dataset>.jsonl, for `read_tables.py`.
Exits with 1 at the first answer that the predecessor's proxies would not have given.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import requests

USER = "0afff2eeb7e3"

CATEGORIES = (
    "art beauty christmas diy-and-crafts education event-planning finance home-decor mens-fashion quotes tattoos travel "
    "vehicles"
).split()
COUNTRIES = ["Albania", "Cote d'Ivoire", "Korea (North)", "Bonaire, Sint Eustatius and Saba", "Réunion", "Åland Islands"]
FIRST_NAMES = ["Abigail", "Luis", "Zoë", "Nguyễn", "Christopher", "Mary-Jane"]
LAST_NAMES = ["Ali", "Shea", "O'Neil", "García Márquez", "Davis"]
WORDS = "easy winter mug ideas paint café summer 2021 garden “simple” tattoo 🎄 budget über road trip".split()

Row = dict[str, Any]


class WrongAnswer(Exception):
    """An answer that the predecessor's proxy would not have given."""


# ── the rows, as they lie in the database ─────────────────────────────────────────────────────────────────────────────


def moment(random_: random.Random, first_year: int, last_year: int) -> datetime:
    """A time in these years, to the second."""
    start, end = datetime(first_year, 1, 1), datetime(last_year + 1, 1, 1)
    return start + timedelta(seconds=random_.randrange(int((end - start).total_seconds())))


def words(random_: random.Random, least: int, most: int) -> str:
    return " ".join(random_.choices(WORDS, k=random_.randint(least, most)))


def follower_count(random_: random.Random) -> str:
    """In the mixture of real rows: mostly `12k`, some plain, few in millions, rarely none."""
    kind = random_.random()
    if kind < 0.74:
        return f"{random_.randint(1, 999)}k"
    if kind < 0.91:
        return str(random_.randint(0, 999))
    if kind < 0.99:
        return f"{random_.randint(1, 9)}M"
    return "User Info Error"


def database(seed: int, rows: int) -> list[tuple[Row, Row, Row]]:
    """Pin, geo and user rows that belong together, with the odd values that real ones have."""
    random_ = random.Random(seed)
    found = []
    for index in random_.sample(range(11_000), rows):
        category = random_.choice(CATEGORIES)
        incomplete = random_.random() < 0.05
        pin = {
            "index": index,
            "unique_id": str(uuid.UUID(int=random_.getrandbits(128), version=4)),
            "title": "No Title Data Available" if incomplete else words(random_, 2, 9),
            "description": "No description available Story format" if incomplete else words(random_, 5, 40) + "\u00a0",
            "poster_name": "User Info Error" if incomplete else words(random_, 1, 3),
            "follower_count": follower_count(random_),
            "tag_list": "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e" if incomplete else ",".join(random_.choices(WORDS, k=5)),
            "is_image_or_video": "multi-video(story page format)" if incomplete else random_.choice(["image", "video"]),
            "image_src": "Image src error." if incomplete else f"https://i.example.com/originals/{index:x}.jpg",
            "downloaded": 0 if incomplete else 1,
            "save_location": f"Local save in /data/{category}",
            "category": category,
        }
        geo = {
            "ind": index,
            "timestamp": moment(random_, 2017, 2022),
            "latitude": round(random_.uniform(-90, 90), 4),
            "longitude": round(random_.uniform(-180, 180), 3),
            "country": random_.choice(COUNTRIES),
        }
        user = {
            "ind": index,
            "first_name": random_.choice(FIRST_NAMES),
            "last_name": random_.choice(LAST_NAMES),
            "age": random_.randint(20, 60),
            "date_joined": moment(random_, 2015, 2017),
        }
        found.append((pin, geo, user))
    return found


# ── the two clients ───────────────────────────────────────────────────────────────────────────────────────────────────


def batch(base: str, dataset: str, row: Row) -> None:
    """What the batch emulator does with a row: a Kafka REST produce call."""
    answer = requests.request(
        "POST",
        f"{base}/topics/{USER}.{dataset}",
        headers={"Content-Type": "application/vnd.kafka.json.v2+json"},
        data=json.dumps({"records": [{"value": row}]}, default=str),
        timeout=30,
    )
    body = json_of(answer)
    if body.keys() != {"offsets", "key_schema_id", "value_schema_id"}:
        raise WrongAnswer(f"{answer.url} answered {body}")
    (offset,) = body["offsets"]
    if not (isinstance(offset["partition"], int) and isinstance(offset["offset"], int)):
        raise WrongAnswer(f"{answer.url} answered the offset {offset}")
    if offset["error_code"] is not None or offset["error"] is not None:
        raise WrongAnswer(f"{answer.url} refused a record: {offset}")


def streaming(base: str, dataset: str, row: Row) -> None:
    """What the streaming emulator does with a row: a PutRecord through the Kinesis proxy."""
    stream = f"streaming-{USER}-{dataset}"
    answer = requests.request(
        "PUT",
        f"{base}/streams/{stream}/record",
        headers={"Content-Type": "application/json"},
        data=json.dumps({"StreamName": stream, "Data": row, "PartitionKey": "partition-1"}, default=str),
        timeout=30,
    )
    body = json_of(answer)
    number, shard = body.get("SequenceNumber"), body.get("ShardId")
    if not (isinstance(number, str) and number.isdigit() and isinstance(shard, str) and shard.startswith("shardId-")):
        raise WrongAnswer(f"{answer.url} answered {body}")


CLIENTS: dict[str, Callable[[str, str, Row], None]] = {"batch": batch, "streaming": streaming}


def json_of(answer: requests.Response) -> Row:
    """The body of a good answer."""
    if answer.status_code != 200:
        raise WrongAnswer(f"{answer.url} answered {answer.status_code}: {answer.text[:500]}")
    body = answer.json()
    if not isinstance(body, dict):
        raise WrongAnswer(f"{answer.url} answered {body}")
    return body


def rounds(random_: random.Random, table: list[tuple[Row, Row, Row]], count: int) -> Iterator[Iterator[tuple[str, Row]]]:
    """Rows picked at random, so that some come more than once; each as three records."""
    for _ in range(count):
        yield zip(("pin", "geo", "user"), random_.choice(table), strict=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base", help="URL with the API's stage, such as http://127.0.0.1:3000/dev")
    parser.add_argument("--rows", type=int, default=200, help="rounds of each client (default %(default)s)")
    parser.add_argument("--seed", type=int, default=100, help="of the rows (default %(default)s)")
    parser.add_argument("--sent", type=Path, required=True, help="folder to write down what was sent")
    parser.add_argument("--client", choices=CLIENTS, action="append", help="one client only (default: both)")
    arguments = parser.parse_args()

    base = arguments.base.rstrip("/")
    table = database(arguments.seed, min(max(1, arguments.rows * 3 // 4), 10_000))
    arguments.sent.mkdir(parents=True, exist_ok=True)
    for name in arguments.client or CLIENTS:
        requests_sent = 0
        for round_ in rounds(random.Random(arguments.seed), table, arguments.rows):
            for dataset, row in round_:
                try:
                    CLIENTS[name](base, dataset, row)
                except (WrongAnswer, requests.RequestException) as error:
                    print(f"{name} client, request {requests_sent + 1}: {error}", file=sys.stderr)
                    return 1
                requests_sent += 1
                # Written down only when acknowledged: from here on the record must be in a table.
                with (arguments.sent / f"{dataset}.jsonl").open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row, default=str) + "\n")
        print(f"{name} client: {requests_sent} requests, every one answered as the predecessor's proxies answer")
    return 0


if __name__ == "__main__":
    sys.exit(main())
