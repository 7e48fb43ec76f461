"""Kinesis, by its documentation: records on their way in."""

from __future__ import annotations

from typing import Any

from kinesis_cases import HASH_KEYS, KINESIS, MEBIBYTE, QUOTAS, SEQUENCE_NUMBER, Desk, hash_key, shard_of, range_of
from suite import WRITERS, equal, holds, race, refused


@KINESIS.case("PutRecord", "a record is answered with its shard and its sequence number: decimal, at most 129 digits")
def a_record_has_a_number(desk: Desk) -> None:
    name = desk.stream(2)
    answer = desk.put(name)
    equal("shard", answer["ShardId"], shard_of(desk.shards(name), hash_key("key")))
    holds(bool(SEQUENCE_NUMBER.fullmatch(answer["SequenceNumber"])), f"its number is {answer['SequenceNumber']}")


@KINESIS.case("PutRecord", "a record goes to the shard in whose range the MD5 of its partition key is, as UTF-8")
def a_partition_key_is_hashed(desk: Desk) -> None:
    name = desk.stream(5)
    shards = desk.shards(name)
    for key in [f"partition-{number}" for number in range(40)] + ["ä", "木", "\U0001f384", " ", "k" * 256]:
        equal(f"shard of `{key}`", desk.put(name, key=key)["ShardId"], shard_of(shards, hash_key(key)))


@KINESIS.case("PutRecord", "an explicit hash key goes before the partition key")
def a_hash_key_is_explicit(desk: Desk) -> None:
    name = desk.stream(4)
    shards = desk.shards(name)
    edges = [edge for shard in shards for edge in (range_of(shard)[0], range_of(shard)[-1])]
    for key in edges:
        equal(f"shard of {key}", desk.put(name, ExplicitHashKey=str(key))["ShardId"], shard_of(shards, key))
    records = [{"Data": b"x", "PartitionKey": "key", "ExplicitHashKey": str(key)} for key in edges]
    found = [record["ShardId"] for record in desk.put_many(name, records)["Records"]]
    equal("shards of a request", found, [shard_of(shards, key) for key in edges])


@KINESIS.case("PutRecord", "an explicit hash key is a 128-bit number without leading zeros")
def a_hash_key_is_a_number(desk: Desk) -> None:
    name = desk.stream()
    place = {"StreamName": name, "Data": b"", "PartitionKey": "key"}
    for key in ("x", "-1", "01"):
        refused(desk.client.put_record, "ValidationException", status=400, **place, ExplicitHashKey=key)
    refused(desk.client.put_record, "InvalidArgumentException", status=400, **place, ExplicitHashKey=str(HASH_KEYS))


@KINESIS.case("PutRecord", "a partition key has 1 to 256 Unicode characters")
def a_partition_key_has_a_length(desk: Desk) -> None:
    name = desk.stream()
    desk.put(name, key="k" * 256)
    desk.put(name, key="木" * 256)
    for key in ("", "k" * 257):
        refused(desk.client.put_record, "ValidationException", status=400, StreamName=name, Data=b"", PartitionKey=key)


@KINESIS.case("PutRecord", "a record may be empty, and any bytes")
def a_record_is_any_bytes(desk: Desk) -> None:
    name = desk.stream()
    bodies = [b"", bytes(range(256)), b"\0", "ä".encode("latin-1")]
    for body in bodies:
        desk.put(name, body)
    equal("records", [record["Data"] for record in desk.read(name)], bodies)


@KINESIS.case(QUOTAS, "by default a record has up to 1 MiB before base64, its partition key included")
def a_record_has_a_mebibyte(desk: Desk) -> None:
    name = desk.stream()
    desk.put(name, b"x" * (MEBIBYTE - 3), key="key")
    codes = "ValidationException", "InvalidArgumentException"
    for data in (b"x" * (MEBIBYTE + 1), b"x" * (MEBIBYTE - 2)):
        refused(desk.client.put_record, *codes, status=400, StreamName=name, Data=data, PartitionKey="key")
    equal("stored", [len(record["Data"]) for record in desk.read(name)], [MEBIBYTE - 3])


@KINESIS.case("PutRecord", "SequenceNumberForOrdering of the record before makes the next one's number greater")
def an_order_is_asked_for(desk: Desk) -> None:
    name = desk.stream()
    before = desk.put(name)["SequenceNumber"]
    for _ in range(5):
        after = desk.put(name, SequenceNumberForOrdering=before)["SequenceNumber"]
        holds(int(after) > int(before), f"{after} follows {before}")
        before = after


@KINESIS.case("PutRecords", "up to 500 records, each answered in order; none failed")
def five_hundred_records(desk: Desk) -> None:
    name = desk.stream(4)
    keys = [f"key-{number}" for number in range(500)]
    answer = desk.put_many(name, [{"Data": key.encode(), "PartitionKey": key} for key in keys])
    equal("failed", answer["FailedRecordCount"], 0)
    shards = desk.shards(name)
    found = [record["ShardId"] for record in answer["Records"]]
    equal("shards", found, [shard_of(shards, hash_key(key)) for key in keys])
    numbers = [record["SequenceNumber"] for record in answer["Records"]]
    equal("different numbers", len(set(numbers)), 500)
    stored = {
        record["SequenceNumber"]: record["Data"].decode()
        for shard in shards
        for record in desk.read(name, shard["ShardId"])
    }
    equal("stored", [stored.get(number) for number in numbers], keys)


@KINESIS.case("PutRecords", "no record, or more than 500, fail validation, and nothing is stored")
def too_many_records(desk: Desk) -> None:
    name = desk.stream()
    for number in (0, 501):
        records = [{"Data": b"x", "PartitionKey": "key"}] * number
        refused(desk.client.put_records, "ValidationException", status=400, StreamName=name, Records=records)
    equal("records", desk.read(name), [])


@KINESIS.case(
    "PutRecords", "a request has up to 10 MiB, partition keys included; more is refused, and nothing is stored"
)
def ten_mebibytes(desk: Desk) -> None:
    name = desk.stream()
    full = [{"Data": b"x" * (MEBIBYTE - 3), "PartitionKey": "key"}] * 10
    codes = "InvalidArgumentException", "ValidationException"
    more = [*full, {"Data": b"", "PartitionKey": "k"}]
    refused(desk.client.put_records, *codes, status=400, StreamName=name, Records=more)
    equal("records", desk.read(name), [])
    equal("failed", desk.put_many(name, full)["FailedRecordCount"], 0)


@KINESIS.case("PutRecords", "a record of the request that breaks a rule fails the request")
def a_bad_record_among_good_ones(desk: Desk) -> None:
    name = desk.stream()
    records = [{"Data": b"x", "PartitionKey": "key"}, {"Data": b"x", "PartitionKey": ""}]
    refused(desk.client.put_records, "ValidationException", status=400, StreamName=name, Records=records)
    equal("records", desk.read(name), [])


@KINESIS.case("PutRecord", "sequence numbers of a shard grow strictly, over single records and many")
def numbers_grow(desk: Desk) -> None:
    name = desk.stream(2)
    last = {shard["ShardId"]: 0 for shard in desk.shards(name)}

    def follows(record: dict[str, Any]) -> None:
        number = int(record["SequenceNumber"])
        holds(number > last[record["ShardId"]], f"{number} follows {last[record['ShardId']]}")
        last[record["ShardId"]] = number

    for turn in range(10):
        follows(desk.put(name, key=str(turn)))
        for record in desk.put_many(name, [{"Data": b"x", "PartitionKey": str(key)} for key in range(20)])["Records"]:
            follows(record)


@KINESIS.case(
    "PutRecord", "16 writers at once get 16 numbers, and each record is in the shard once, in the order of its number"
)
def sixteen_writers(desk: Desk) -> None:
    name = desk.stream()

    def write(writer: int) -> list[tuple[str, bytes]]:
        bodies = [f"writer {writer}, record {turn}".encode() for turn in range(desk.rounds)]
        return [(desk.put(name, body)["SequenceNumber"], body) for body in bodies]

    acknowledged = dict(pair for written in race(write) for pair in written)
    equal("numbers", len(acknowledged), WRITERS * desk.rounds)
    read = desk.read(name)
    numbers = [int(record["SequenceNumber"]) for record in read]
    equal("order", numbers, sorted(numbers))
    equal("records", {record["SequenceNumber"]: record["Data"] for record in read}, acknowledged)
