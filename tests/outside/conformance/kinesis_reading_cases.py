"""Kinesis, by its documentation: iterators, and records on their way out."""

from __future__ import annotations

import datetime
import time

from kinesis_cases import KINESIS, MEBIBYTE, Desk, hash_key, range_of
from suite import equal, holds, refused

SHARD = "shardId-000000000000"


def bodies(records: list) -> list[bytes]:
    return [record["Data"] for record in records]


@KINESIS.case("GetRecords", "records come in the order of their numbers, with data, partition key and time of arrival")
def records_come_back(desk: Desk) -> None:
    name = desk.stream()
    before = datetime.datetime.now(datetime.UTC)
    numbers = [desk.put(name, f"record {turn}".encode(), key=f"ключ {turn}")["SequenceNumber"] for turn in range(5)]
    read = desk.read(name)
    equal("numbers", [record["SequenceNumber"] for record in read], numbers)
    equal("data", bodies(read), [f"record {turn}".encode() for turn in range(5)])
    equal("keys", [record["PartitionKey"] for record in read], [f"ключ {turn}" for turn in range(5)])
    for record in read:
        age = abs(record["ApproximateArrivalTimestamp"] - before)
        holds(age < datetime.timedelta(seconds=60), f"it arrived {record['ApproximateArrivalTimestamp']}")


@KINESIS.case("GetRecords", "a shard has its own records only")
def shards_are_apart(desk: Desk) -> None:
    name = desk.stream(3)
    for key in range(30):
        desk.put(name, str(key).encode(), key=str(key))
    for shard in desk.shards(name):
        expected = [str(key).encode() for key in range(30) if hash_key(str(key)) in range_of(shard)]
        equal(shard["ShardId"], bodies(desk.read(name, shard["ShardId"])), expected)


@KINESIS.case("GetShardIterator", "TRIM_HORIZON is the oldest record")
def from_the_oldest(desk: Desk) -> None:
    name = desk.stream()
    for body in (b"1", b"2"):
        desk.put(name, body)
    equal("records", bodies(desk.read(name, kind="TRIM_HORIZON")), [b"1", b"2"])


@KINESIS.case("GetShardIterator", "LATEST is after the newest record: only what follows is read")
def from_the_latest(desk: Desk) -> None:
    name = desk.stream()
    desk.put(name, b"1")
    iterator = desk.iterator(name, SHARD, "LATEST")
    answer = desk.client.get_records(ShardIterator=iterator)
    equal("records before", answer["Records"], [])
    desk.put(name, b"2")
    desk.put(name, b"3")
    # The first iterator is as good as the one after it: nothing was read.
    for good in (iterator, answer["NextShardIterator"]):
        equal("records after", bodies(desk.client.get_records(ShardIterator=good)["Records"]), [b"2", b"3"])


@KINESIS.case(
    "GetShardIterator", "AT_SEQUENCE_NUMBER is the record of this number, AFTER_SEQUENCE_NUMBER the one after it"
)
def from_a_number(desk: Desk) -> None:
    name = desk.stream()
    numbers = [desk.put(name, str(turn).encode())["SequenceNumber"] for turn in range(4)]
    found = bodies(desk.read(name, kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[1]))
    equal("records at", found, [b"1", b"2", b"3"])
    found = bodies(desk.read(name, kind="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[1]))
    equal("records after", found, [b"2", b"3"])
    equal(
        "records after the last", desk.read(name, kind="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[3]), []
    )


@KINESIS.case("GetShardIterator", "the starting number that DescribeStream gives is one to start at")
def from_the_first_number(desk: Desk) -> None:
    name = desk.stream()
    desk.put(name, b"1")
    first = desk.describe(name)["Shards"][0]["SequenceNumberRange"]["StartingSequenceNumber"]
    for kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
        equal(kind, bodies(desk.read(name, kind=kind, StartingSequenceNumber=first)), [b"1"])


@KINESIS.case("GetShardIterator", "AT_TIMESTAMP is the record of this time or the next later one")
def from_a_time(desk: Desk) -> None:
    name = desk.stream()
    desk.put(name, b"1")
    time.sleep(0.05)
    between = time.time()
    time.sleep(0.05)
    desk.put(name, b"2")
    for what, moment, expected in [
        ("records since long ago", between - 3600, [b"1", b"2"]),
        ("records since the moment between", between, [b"2"]),
    ]:
        stamp = datetime.datetime.fromtimestamp(moment, datetime.UTC)
        equal(what, bodies(desk.read(name, kind="AT_TIMESTAMP", Timestamp=stamp)), expected)


@KINESIS.case("GetShardIterator", "AT_TIMESTAMP after the last record is a place where nothing is to be read yet")
def from_a_time_after_all(desk: Desk) -> None:
    name = desk.stream()
    desk.put(name, b"1")
    time.sleep(0.05)
    stamp = datetime.datetime.fromtimestamp(time.time() - 0.02, datetime.UTC)
    equal("records", desk.read(name, kind="AT_TIMESTAMP", Timestamp=stamp), [])


@KINESIS.case("GetShardIterator", "an iterator by number or time needs one: InvalidArgumentException")
def from_no_number(desk: Desk) -> None:
    place = {"StreamName": desk.stream(), "ShardId": SHARD}
    for kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER", "AT_TIMESTAMP"):
        refused(desk.client.get_shard_iterator, "InvalidArgumentException", status=400, **place, ShardIteratorType=kind)


@KINESIS.case("GetShardIterator", "an iterator of another type fails validation")
def from_elsewhere(desk: Desk) -> None:
    arguments = {"StreamName": desk.stream(), "ShardId": SHARD, "ShardIteratorType": "SOMEWHERE"}
    refused(desk.client.get_shard_iterator, "ValidationException", status=400, **arguments)


@KINESIS.case("GetShardIterator", "ResourceNotFoundException for a shard that the stream does not have")
def from_a_missing_shard(desk: Desk) -> None:
    arguments = {"StreamName": desk.stream(2), "ShardId": "shardId-000000000002", "ShardIteratorType": "LATEST"}
    refused(desk.client.get_shard_iterator, "ResourceNotFoundException", status=400, **arguments)


@KINESIS.case("GetShardIterator", "a sequence number that is none fails validation")
def from_a_number_that_is_none(desk: Desk) -> None:
    place = {"StreamName": desk.stream(), "ShardId": SHARD, "ShardIteratorType": "AT_SEQUENCE_NUMBER"}
    for number in ("x", "-1", "1" * 130):
        refused(
            desk.client.get_shard_iterator, "ValidationException", status=400, **place, StartingSequenceNumber=number
        )


@KINESIS.case("GetShardIterator", "a sequence number of another shard is an InvalidArgumentException")
def from_a_number_of_another_shard(desk: Desk) -> None:
    name = desk.stream(2)
    number = desk.put(name, ExplicitHashKey="0")["SequenceNumber"]
    place = {"StreamName": name, "ShardId": "shardId-000000000001", "ShardIteratorType": "AT_SEQUENCE_NUMBER"}
    refused(
        desk.client.get_shard_iterator, "InvalidArgumentException", status=400, **place, StartingSequenceNumber=number
    )


@KINESIS.case("GetRecords", "Limit is the most records of an answer; the next iterator goes on where it ended")
def records_in_pages(desk: Desk) -> None:
    name = desk.stream()
    desk.put_many(name, [{"Data": str(number).encode(), "PartitionKey": "key"} for number in range(10)])
    iterator, pages = desk.iterator(name, SHARD), []
    while len(pages) < 4:
        answer = desk.client.get_records(ShardIterator=iterator, Limit=4)
        pages.append(bodies(answer["Records"]))
        iterator = answer["NextShardIterator"]
    equal("sizes", [len(page) for page in pages], [4, 4, 2, 0])
    equal("records", [int(body) for page in pages for body in page], list(range(10)))


@KINESIS.case("GetRecords", "an iterator may be used again, and reads the same")
def an_iterator_twice(desk: Desk) -> None:
    name = desk.stream()
    for body in (b"1", b"2", b"3"):
        desk.put(name, body)
    iterator = desk.iterator(name, SHARD)
    pages = [bodies(desk.client.get_records(ShardIterator=iterator, Limit=2)["Records"]) for _ in range(3)]
    equal("records", pages, [[b"1", b"2"]] * 3)


@KINESIS.case("GetRecords", "a Limit of less than 1 fails validation")
def a_limit_of_nothing(desk: Desk) -> None:
    arguments = {"ShardIterator": desk.iterator(desk.stream(), SHARD), "Limit": 0}
    refused(desk.client.get_records, "ValidationException", status=400, **arguments)


@KINESIS.case("GetRecords", "a Limit of more than 10,000 is an InvalidArgumentException")
def a_limit_too_high(desk: Desk) -> None:
    arguments = {"ShardIterator": desk.iterator(desk.stream(), SHARD), "Limit": 10_001}
    refused(desk.client.get_records, "InvalidArgumentException", status=400, **arguments)


@KINESIS.case("GetRecords", "an answer has 10 MiB of data at most")
def ten_mebibytes_are_read(desk: Desk) -> None:
    name = desk.stream()
    # Six at a time: 12 MiB in all, in requests of less than 10 MiB.
    for _ in range(2):
        desk.put_many(name, [{"Data": b"x" * (MEBIBYTE - 3), "PartitionKey": "key"}] * 6)
    first = desk.client.get_records(ShardIterator=desk.iterator(name, SHARD))
    read = sum(len(record["Data"]) for record in first["Records"])
    holds(0 < read <= 10 * MEBIBYTE, f"{read} bytes were read at once")
    second = desk.client.get_records(ShardIterator=first["NextShardIterator"])
    equal("records in all", len(first["Records"]) + len(second["Records"]), 12)


@KINESIS.case("GetRecords", "MillisBehindLatest is zero at the tip, and more where records are still to come")
def how_far_behind(desk: Desk) -> None:
    name = desk.stream()
    equal(
        "at the tip of an empty shard",
        desk.client.get_records(ShardIterator=desk.iterator(name, SHARD))["MillisBehindLatest"],
        0,
    )
    desk.put(name, b"1")
    time.sleep(0.1)
    desk.put(name, b"2")
    answer = desk.client.get_records(ShardIterator=desk.iterator(name, SHARD), Limit=1)
    holds(answer["MillisBehindLatest"] > 0, "it is behind and says it is not")
    answer = desk.client.get_records(ShardIterator=answer["NextShardIterator"])
    equal("at the tip", answer["MillisBehindLatest"], 0)


@KINESIS.case("GetRecords", "an iterator that Kinesis did not give is an InvalidArgumentException")
def an_iterator_of_nobody(desk: Desk) -> None:
    for iterator in ("AAAA", "made up", "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"):
        refused(desk.client.get_records, "InvalidArgumentException", status=400, ShardIterator=iterator)


@KINESIS.case("GetRecords", "an iterator has 1 to 512 characters; others fail validation")
def an_iterator_has_a_length(desk: Desk) -> None:
    holds(len(desk.iterator(desk.stream(), SHARD)) <= 512, "its own iterators are longer")
    for iterator in ("", "A" * 513):
        refused(desk.client.get_records, "ValidationException", status=400, ShardIterator=iterator)


@KINESIS.case("GetRecords", "ResourceNotFoundException for an iterator of a stream that was deleted")
def an_iterator_of_the_past(desk: Desk) -> None:
    name = desk.stream()
    iterator = desk.iterator(name, SHARD)
    desk.client.delete_stream(StreamName=name)
    end = time.monotonic() + 20
    while name in desk.client.list_streams(Limit=100)["StreamNames"] and time.monotonic() < end:
        time.sleep(0.02)
    refused(desk.client.get_records, "ResourceNotFoundException", status=400, ShardIterator=iterator)


@KINESIS.case("GetRecords", "an iterator expires after five minutes: ExpiredIteratorException", slow=True)
def an_iterator_expires(desk: Desk) -> None:
    name = desk.stream()
    iterator = desk.iterator(name, SHARD)
    time.sleep(240)
    desk.client.get_records(ShardIterator=iterator)
    time.sleep(62)
    refused(desk.client.get_records, "ExpiredIteratorException", status=400, ShardIterator=iterator)
