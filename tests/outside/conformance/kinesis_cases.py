"""Kinesis, by its documentation: streams and their shards.

The other files of this name have the rest: records on their way in and out, resharding, and the protocol.
"""

from __future__ import annotations

import hashlib
import re
import time
from functools import cached_property
from typing import Any

from botocore.client import BaseClient

from suite import Suite, Target, equal, holds, refused, until

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

    def read(
        self, name: str, shard: str | None = None, kind: str = "TRIM_HORIZON", **more: Any
    ) -> list[dict[str, Any]]:
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
    equal(
        "name, status, shards", (found["StreamName"], found["StreamStatus"], len(found["Shards"])), (name, "ACTIVE", 3)
    )
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


@KINESIS.case(
    "Shard", "shards are named shardId- and twelve digits or more, and have a starting sequence number only while open"
)
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


@KINESIS.case(
    "CreateStream", "names are 1 to 128 of a-zA-Z0-9_.-, and there is one shard at least; others fail validation"
)
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
    said = {
        key: found.get(key)
        for key in ("StreamName", "StreamStatus", "OpenShardCount", "RetentionPeriodHours", "Shards")
    }
    expected = {
        "StreamName": name,
        "StreamStatus": "ACTIVE",
        "OpenShardCount": 2,
        "RetentionPeriodHours": 24,
        "Shards": None,
    }
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
