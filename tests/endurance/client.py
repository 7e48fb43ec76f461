"""Posting records as clients do, and booking what was promised for each.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from dataclasses import dataclass
from random import Random

from ledger import Ledger, Record
from pipeline import DATASETS, Trouble, connect

JSON = {"Content-Type": "application/json"}
KAFKA_JSON = {"Content-Type": "application/vnd.kafka.json.v2+json"}
KAFKA_BINARY = {"Content-Type": "application/vnd.kafka.binary.v2+json"}

# How each way in is called in the books.
RECORD, RECORDS, TOPICS = "record", "records", "topics"


def request(via: str, records: list[Record], key: str | None = None) -> tuple[str, str, dict[str, str], bytes]:
    """Method, path, headers and body of the request that posts these records, all of one dataset. With one partition
    key for all they go to one shard; without, each has its own."""
    dataset = records[0].dataset
    if via == TOPICS:
        is_binary = any(isinstance(record.body, bytes) for record in records)
        values = [{"value": record.base64() if is_binary else record.body} for record in records]
        return "POST", f"/topics/{dataset}", KAFKA_BINARY if is_binary else KAFKA_JSON, encode({"records": values})
    data = [record.base64() if isinstance(record.body, bytes) else record.body for record in records]
    if via == RECORD:
        body = {"StreamName": dataset, "Data": data[0], "PartitionKey": key or records[0].id}
        return "PUT", f"/streams/{dataset}/record", JSON, encode(body)
    entries = [{"data": one, "partition-key": key or record.id} for one, record in zip(data, records, strict=True)]
    return "PUT", f"/streams/{dataset}/records", JSON, encode({"records": entries})


def encode(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered with, and how long that took; `status` 0 is no answer. Of a 200, how many records
    were not taken."""

    via: str
    status: int
    seconds: float
    retry_after: str | None = None
    failed: int = 0


def post(
    connection: http.client.HTTPConnection, ledger: Ledger, via: str, records: list[Record], key: str | None = None
) -> Answer:
    """Posts records and books the answer; of a request without one, that nothing is known."""
    method, path, headers, body = request(via, records, key)
    started = time.monotonic()
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException):
        # The next request makes a connection of its own.
        connection.close()
        ledger.keep(records, via, None, "no answer")
        return Answer(via, 0, time.monotonic() - started)
    seconds = time.monotonic() - started
    origins = promised(via, records[0].dataset, answer.status, text)
    ledger.keep(records, via, origins, answer.status)
    failed = 0 if origins is None else origins.count(None)
    return Answer(via, answer.status, seconds, answer.headers.get("Retry-After"), failed)


def promised(via: str, dataset: str, status: int, text: bytes) -> list[str | None] | None:
    """What an answer says of each record: where it is, empty text if that is not told, `None` if it is not promised to
    be anywhere."""
    if status != 200:
        return None
    answer = json.loads(text)
    if via == TOPICS:
        return ["" if entry["error_code"] is None else None for entry in answer["offsets"]]
    entries = [answer] if via == RECORD else answer["Records"]
    return [
        f"kinesis/pinlake-{dataset}/{entry['ShardId']}/{entry['SequenceNumber']}" if "SequenceNumber" in entry else None
        for entry in entries
    ]


def any_way(random: Random) -> tuple[str, int]:
    """A way in, and how many records to post by it."""
    via = random.choices([RECORD, RECORDS, TOPICS], [3, 4, 4])[0]
    if via == RECORD:
        return via, 1
    # Mostly a few, now and then as many as a request may have.
    return via, 500 if random.randrange(40) == 0 else random.randrange(1, 50)


class Clients:
    """Threads that post for as long as there is a pipeline to post to. They send nothing twice."""

    def __init__(self, seed: int, ledger: Ledger, count: int, filling: int = 0):
        """`filling` makes each record as many bytes longer. Every other client then keeps to `/topics` and the rest to
        `/streams`, so that one way in that hangs does not keep anybody from the other."""
        self.ledger, self.filling = ledger, filling
        self.answers: list[Answer] = []
        self._url: str | None = None
        self._changed = threading.Condition()
        self._is_over = False
        self._failed: list[BaseException] = []
        self._threads = [threading.Thread(target=self._work, args=(Random(seed * 1000 + n), n)) for n in range(count)]
        for thread in self._threads:
            thread.start()

    def post_to(self, url: str | None) -> None:
        """From now on to this API; to none when `None`."""
        with self._changed:
            self._url = url
            self._changed.notify_all()

    def end(self) -> None:
        """Returns when each has got its last answer. `Trouble` if one could not go on."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        if self._failed:
            raise Trouble(f"a client failed: {self._failed[0]!r}")

    def _work(self, random: Random, number: int) -> None:
        try:
            while (url := self._next_url()) is not None:
                connection = connect(url, timeout=40)
                while self._url == url and not self._is_over:
                    via, count = any_way(random)
                    if self.filling:
                        via, count = (RECORDS, TOPICS)[number % 2], min(count, 20)
                    records = self.ledger.make(random, random.choice(DATASETS), count, self.filling)
                    answer = post(connection, self.ledger, via, records)
                    self.answers.append(answer)
                    time.sleep(random.uniform(0, 0.15) if answer.status else 0.05)
                connection.close()
        except BaseException as error:
            self._failed.append(error)

    def _next_url(self) -> str | None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or self._url is not None)
            return None if self._is_over else self._url
