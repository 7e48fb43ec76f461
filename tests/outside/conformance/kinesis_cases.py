"""Kinesis, by its documentation: streams, and records on their way in.

Reading is in `kinesis_reading_cases.py`, splitting and merging in `kinesis_resharding_cases.py`.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from functools import cached_property
from typing import Any

from botocore.client import BaseClient

from services import Keys
from suite import WRITERS, Suite, Target, equal, holds, race, refused, short, until

KINESIS = Suite("kinesis", "https://docs.aws.amazon.com/kinesis/latest/APIReference/API_{}.html")

COMMON_ERRORS = "https://docs.aws.amazon.com/kinesis/latest/APIReference/CommonErrors.html"
QUOTAS = "https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html"
HASH_KEYS = 2**128
MEBIBYTE = 1024 * 1024
SEQUENCE_NUMBER = re.compile(r"0|[1-9]\d{0,128}")


class Desk:
    """What a case works with: streams of its own, gone when it is over."""

    def __init__(self, target: Target, number: int):
        self.target, self.number = target, number
        self.rounds = target.rounds
        self.made = 0

    @cached_property
    def client(self) -> BaseClient:
        return self.target.client()

    def name(self) -> str:
        """A name that no stream has."""
        self.made += 1
        return f"conformance.{self.number}_{self.made}-{time.time_ns()}"

    def stream(self, shards: int = 1) -> str:
        """A stream that is active."""
        name = self.name()
        self.client.create_stream(StreamName=name, ShardCount=shards)
        self.active(name)
        return name

    def active(self, name: str) -> None:
        until(lambda: self.describe(name)["StreamStatus"] == "ACTIVE", f"`{name}` is active")

    def describe(self, name: str, **more: Any) -> dict[str, Any]:
        return self.client.describe_stream(StreamName=name, **more)["StreamDescription"]

    def shards(self, name: str) -> list[dict[str, Any]]:
        return self.client.list_shards(StreamName=name)["Shards"]

    def put(self, name: str, data: bytes = b"data", key: str = "key", **more: Any) -> dict[str, Any]:
        return self.client.put_record(StreamName=name, Data=data, PartitionKey=key, **more)

    def put_many(self, name: str, records: list[dict[str, Any]]) -> dict[str, Any]:
        return self.client.put_records(StreamName=name, Records=records)

    def iterator(self, name: str, shard: str, kind: str = "TRIM_HORIZON", **more: Any) -> str:
        answer = self.client.get_shard_iterator(StreamName=name, ShardId=shard, ShardIteratorType=kind, **more)
        return answer["ShardIterator"]

    def read(self, name: str, shard: str | None = None, kind: str = "TRIM_HORIZON", **more: Any) -> list[dict[str, Any]]:
        """All records of a shard, of the first one unless it is named, read to its end or tip."""
        iterator = self.iterator(name, shard or self.shards(name)[0]["ShardId"], kind, **more)
        found: list[dict[str, Any]] = []
        while iterator:
            answer = self.client.get_records(ShardIterator=iterator)
            found += answer["Records"]
            if not answer["Records"] and answer["MillisBehindLatest"] == 0:
                break
            iterator = answer.get("NextShardIterator")
        return found


def hash_key(partition_key: str) -> int:
    return int.from_bytes(hashlib.md5(partition_key.encode()).digest())


def range_of(shard: dict[str, Any]) -> range:
    """The hash keys of a shard."""
    bounds = shard["HashKeyRange"]
    return range(int(bounds["StartingHashKey"]), int(bounds["EndingHashKey"]) + 1)


def shard_of(shards: list[dict[str, Any]], key: int) -> str:
    """The one shard that a hash key belongs to."""
    (found,) = [shard["ShardId"] for shard in shards if range_of(shard)[0] <= key <= range_of(shard)[-1]]
    return found


# ── streams ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@KINESIS.case("CreateStream", "a stream is CREATING at first, then ACTIVE, with as many shards as were asked for")
def a_stream_is_created(desk: Desk) -> None:
    name = desk.stream(3)
    found = desk.describe(name)
    equal("name, status, shards", (found["StreamName"], found["StreamStatus"], len(found["Shards"])), (name, "ACTIVE", 3))
    holds(found["StreamARN"].endswith(f":stream/{name}"), f"its ARN is {found['StreamARN']}")
    equal("retention", found["RetentionPeriodHours"], 24)


@KINESIS.case("Shard", "the shards' hash key ranges are the 128-bit numbers, each in exactly one shard")
def shards_share_the_hash_keys(desk: Desk) -> None:
    for shards in (1, 2, 3, 5):
        ranges = sorted((range_of(shard) for shard in desk.shards(desk.stream(shards))), key=lambda keys: keys[0])
        equal("first hash key", ranges[0][0], 0)
        equal("last hash key", ranges[-1][-1], HASH_KEYS - 1)
        for one, other in zip(ranges, ranges[1:]):
            equal("start of the next range", other[0], one[-1] + 1)


@KINESIS.case("Shard", "shards are named shardId- and twelve digits or more, and have a starting sequence number only while open")
def shards_have_names(desk: Desk) -> None:
    for number, shard in enumerate(desk.shards(desk.stream(2))):
        equal("name", shard["ShardId"], f"shardId-{number:012}")
        numbers = shard["SequenceNumberRange"]
        holds(bool(SEQUENCE_NUMBER.fullmatch(numbers["StartingSequenceNumber"])), f"it starts at {numbers}")
        equal("end", numbers.get("EndingSequenceNumber"), None)


@KINESIS.case("CreateStream", "ResourceInUseException for a name that is taken")
def a_stream_is_created_once(desk: Desk) -> None:
    refused(desk.client.create_stream, "ResourceInUseException", status=400, StreamName=desk.stream(), ShardCount=1)


@KINESIS.case("CreateStream", "a stream of on-demand capacity is created without a number of shards")
def a_stream_on_demand(desk: Desk) -> None:
    name = desk.name()
    desk.client.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    desk.active(name)
    equal("mode", desk.describe(name)["StreamModeDetails"]["StreamMode"], "ON_DEMAND")
    holds(len(desk.shards(name)) > 0, "it has no shards")


@KINESIS.case("CreateStream", "names are 1 to 128 of a-zA-Z0-9_.-, and there is one shard at least; others fail validation")
def a_stream_has_a_good_name(desk: Desk) -> None:
    for name in ("", "a b", "a/b", "ä", "../a", "n" * 129):
        refused(desk.client.create_stream, "ValidationException", status=400, StreamName=name, ShardCount=1)
    refused(desk.client.create_stream, "ValidationException", status=400, StreamName=desk.name(), ShardCount=0)


@KINESIS.case("ListStreams", "streams are listed by name, and after a name")
def streams_are_listed(desk: Desk) -> None:
    names = sorted(desk.stream() for _ in range(3))
    listed = desk.client.list_streams()["StreamNames"]
    equal("order", listed, sorted(listed))
    equal("ours", [name for name in listed if name in names], names)
    answer = desk.client.list_streams(ExclusiveStartStreamName=names[0], Limit=1)
    equal("next", (answer["StreamNames"], answer["HasMoreStreams"]), ([names[1]], True))


@KINESIS.case("ListStreams", "where there are more, NextToken goes on")
def streams_are_listed_in_pages(desk: Desk) -> None:
    names = {desk.stream() for _ in range(3)}
    found, more = [], {}
    while more is not None:
        answer = desk.client.list_streams(Limit=2, **more)
        found += answer["StreamNames"]
        more = {"NextToken": answer["NextToken"]} if answer["HasMoreStreams"] else None
    equal("each once", len(found), len(set(found)))
    equal("missing", names - set(found), set())


@KINESIS.case("DescribeStream", "shards come in pages of Limit, after a shard's name")
def a_description_in_pages(desk: Desk) -> None:
    name = desk.stream(3)
    first = desk.describe(name, Limit=2)
    equal("first page", (len(first["Shards"]), first["HasMoreShards"]), (2, True))
    second = desk.describe(name, Limit=2, ExclusiveStartShardId=first["Shards"][-1]["ShardId"])
    found = [shard["ShardId"] for shard in second["Shards"]], second["HasMoreShards"]
    equal("second page", found, (["shardId-000000000002"], False))


@KINESIS.case("DescribeStreamSummary", "a summary has the number of open shards instead of the shards")
def a_summary(desk: Desk) -> None:
    name = desk.stream(2)
    found = desk.client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    said = {key: found.get(key) for key in ("StreamName", "StreamStatus", "OpenShardCount", "RetentionPeriodHours", "Shards")}
    expected = {"StreamName": name, "StreamStatus": "ACTIVE", "OpenShardCount": 2, "RetentionPeriodHours": 24, "Shards": None}
    equal("summary", said, expected)
    holds(bool(found.get("StreamCreationTimestamp")), "no time of creation")


@KINESIS.case("ListShards", "shards come in pages of MaxResults; the token alone asks for the next")
def shards_are_listed_in_pages(desk: Desk) -> None:
    name = desk.stream(3)
    first = desk.client.list_shards(StreamName=name, MaxResults=2)
    second = desk.client.list_shards(NextToken=first["NextToken"], MaxResults=2)
    pages = [[shard["ShardId"] for shard in page["Shards"]] for page in (first, second)]
    expected = [["shardId-000000000000", "shardId-000000000001"], ["shardId-000000000002"]]
    equal("pages", (pages, second.get("NextToken")), (expected, None))


@KINESIS.case("ListShards", "StreamName and NextToken together are an InvalidArgumentException")
def a_token_stands_alone(desk: Desk) -> None:
    name = desk.stream(2)
    token = desk.client.list_shards(StreamName=name, MaxResults=1)["NextToken"]
    refused(desk.client.list_shards, "InvalidArgumentException", status=400, StreamName=name, NextToken=token)


@KINESIS.case("ListShards", "ExclusiveStartShardId starts after a shard")
def shards_are_listed_from_somewhere(desk: Desk) -> None:
    answer = desk.client.list_shards(StreamName=desk.stream(3), ExclusiveStartShardId="shardId-000000000000")
    found = [shard["ShardId"] for shard in answer["Shards"]]
    equal("shards", found, ["shardId-000000000001", "shardId-000000000002"])


@KINESIS.case("DescribeStream", "a stream may be named by its ARN")
def a_stream_by_its_arn(desk: Desk) -> None:
    name = desk.stream()
    arn = desk.describe(name)["StreamARN"]
    equal("name", desk.client.describe_stream(StreamARN=arn)["StreamDescription"]["StreamName"], name)
    desk.client.put_record(StreamARN=arn, Data=b"x", PartitionKey="key")
    equal("records", [record["Data"] for record in desk.read(name)], [b"x"])


@KINESIS.case("DeleteStream", "a stream is DELETING and then gone: ResourceNotFoundException")
def a_stream_is_deleted(desk: Desk) -> None:
    name = desk.stream()
    desk.put(name)
    desk.client.delete_stream(StreamName=name)

    def is_gone() -> bool:
        return name not in desk.client.list_streams(Limit=100)["StreamNames"]

    until(is_gone, "it is gone")
    refused(desk.client.describe_stream, "ResourceNotFoundException", status=400, StreamName=name)


@KINESIS.case("DeleteStream", "a stream that is created again under its name has no records of the one before")
def a_stream_is_created_anew(desk: Desk) -> None:
    name = desk.stream()
    desk.put(name, b"old")
    desk.client.delete_stream(StreamName=name)
    until(lambda: name not in desk.client.list_streams(Limit=100)["StreamNames"], "it is gone")
    desk.client.create_stream(StreamName=name, ShardCount=1)
    desk.active(name)
    desk.put(name, b"new")
    equal("records", [record["Data"] for record in desk.read(name)], [b"new"])


@KINESIS.case(COMMON_ERRORS, "ResourceNotFoundException, 400, for whatever is asked of a stream that is not there")
def a_missing_stream(desk: Desk) -> None:
    name = {"StreamName": desk.name()}
    for call, arguments in {
        "describe_stream": {},
        "describe_stream_summary": {},
        "list_shards": {},
        "delete_stream": {},
        "put_record": {"Data": b"", "PartitionKey": "key"},
        "put_records": {"Records": [{"Data": b"", "PartitionKey": "key"}]},
        "get_shard_iterator": {"ShardId": "shardId-000000000000", "ShardIteratorType": "LATEST"},
    }.items():
        refused(getattr(desk.client, call), "ResourceNotFoundException", status=400, **name, **arguments)


# ── records on their way in ───────────────────────────────────────────────────────────────────────────────────────────


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
    stored = {record["SequenceNumber"]: record["Data"].decode() for shard in shards for record in desk.read(name, shard["ShardId"])}
    equal("stored", [stored.get(number) for number in numbers], keys)


@KINESIS.case("PutRecords", "no record, or more than 500, fail validation, and nothing is stored")
def too_many_records(desk: Desk) -> None:
    name = desk.stream()
    for number in (0, 501):
        records = [{"Data": b"x", "PartitionKey": "key"}] * number
        refused(desk.client.put_records, "ValidationException", status=400, StreamName=name, Records=records)
    equal("records", desk.read(name), [])


@KINESIS.case("PutRecords", "a request has up to 10 MiB, partition keys included; more is refused, and nothing is stored")
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


@KINESIS.case("PutRecord", "16 writers at once get 16 numbers, and each record is in the shard once, in the order of its number")
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


# ── the protocol ──────────────────────────────────────────────────────────────────────────────────────────────────────


def post(desk: Desk, operation: str, body: bytes) -> tuple[int, dict[str, Any], dict[str, str]]:
    """A request of the JSON protocol by hand, signed by the target's keys."""
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": f"Kinesis_20131202.{operation}"}
    signed = desk.target.signature("POST", "/", body=body, more=headers)
    status, found, headers = desk.target.send("POST", "/", headers=signed, body=body)
    return status, json.loads(found or b"{}"), headers


@KINESIS.case(COMMON_ERRORS, "an error is JSON with __type and message, and every answer has an id of its request")
def errors_are_json(desk: Desk) -> None:
    status, body, headers = post(desk, "DescribeStream", json.dumps({"StreamName": desk.name()}).encode())
    equal("status and type", (status, body.get("__type", "").rpartition("#")[2]), (400, "ResourceNotFoundException"))
    holds(bool(body.get("message")), f"no message in {body}")
    holds(bool(headers.get("x-amzn-requestid")), f"no x-amzn-requestid among {sorted(headers)}")


@KINESIS.case(COMMON_ERRORS, "UnknownOperationException for an operation that is none")
def an_unknown_operation(desk: Desk) -> None:
    status, body, _ = post(desk, "MakeTea", b"{}")
    equal("status and type", (status, body.get("__type", "").rpartition("#")[2]), (400, "UnknownOperationException"))


@KINESIS.case(COMMON_ERRORS, "SerializationException for a body that is no JSON")
def a_body_that_is_no_json(desk: Desk) -> None:
    status, body, _ = post(desk, "ListStreams", b"{")
    equal("status and type", (status, body.get("__type", "").rpartition("#")[2]), (400, "SerializationException"))


@KINESIS.case(COMMON_ERRORS, "a request without a signature is refused")
def no_signature(desk: Desk) -> None:
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "Kinesis_20131202.ListStreams"}
    status, body, _ = desk.target.send("POST", "/", headers=headers, body=b"{}")
    holds(status in (400, 403), f"it was answered with {status}: {short(body)}")


@KINESIS.case(COMMON_ERRORS, "a request that is signed by a wrong secret, or by nobody's key, is refused")
def a_wrong_signature(desk: Desk) -> None:
    client = desk.target.client(Keys(desk.target.keys.id, "not-the-secret"))
    refused(client.list_streams, "InvalidSignatureException", "IncompleteSignature")
