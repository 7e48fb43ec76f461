"""Kinesis, by its documentation: shards that are split and merged."""

from __future__ import annotations

from typing import Any

from kinesis_cases import HASH_KEYS, KINESIS, Desk, range_of, shard_of
from suite import equal, holds, refused, until

AFTER_RESHARDING = "https://docs.aws.amazon.com/streams/latest/dev/kinesis-using-sdk-java-after-resharding.html"
ZERO, ONE, TWO = (f"shardId-{number:012}" for number in range(3))
MIDDLE = HASH_KEYS // 2


def split(desk: Desk, name: str, shard: str, at: int) -> dict[str, dict[str, Any]]:
    desk.client.split_shard(StreamName=name, ShardToSplit=shard, NewStartingHashKey=str(at))
    return settled(desk, name)


def merge(desk: Desk, name: str, shard: str, adjacent: str) -> dict[str, dict[str, Any]]:
    desk.client.merge_shards(StreamName=name, ShardToMerge=shard, AdjacentShardToMerge=adjacent)
    return settled(desk, name)


def settled(desk: Desk, name: str) -> dict[str, dict[str, Any]]:
    """The shards, by name, once the stream is active again."""
    desk.active(name)
    return {shard["ShardId"]: shard for shard in desk.shards(name)}


def to_the_end(desk: Desk, name: str, shard: str) -> tuple[list[bytes], dict[str, Any]]:
    """The records of a closed shard, and the answer that says that it has no more."""
    iterator, records = desk.iterator(name, shard), []
    for _ in range(50):
        answer = desk.client.get_records(ShardIterator=iterator)
        records += [record["Data"] for record in answer["Records"]]
        iterator = answer.get("NextShardIterator")
        if iterator is None:
            return records, answer
    holds(False, f"{shard} is closed, and its iterators never end")
    return records, {}


@KINESIS.case("SplitShard", "two children share the range at the new starting hash key, and name their parent")
def a_shard_is_split(desk: Desk) -> None:
    name = desk.stream()
    shards = split(desk, name, ZERO, MIDDLE)
    equal("shards", list(shards), [ZERO, ONE, TWO])
    equal("ranges", [range_of(shards[child]) for child in (ONE, TWO)], [range(MIDDLE), range(MIDDLE, HASH_KEYS)])
    for child in (ONE, TWO):
        found = shards[child].get("ParentShardId"), shards[child].get("AdjacentParentShardId")
        equal(f"parents of {child}", found, (ZERO, None))
        equal(f"end of {child}", shards[child]["SequenceNumberRange"].get("EndingSequenceNumber"), None)


@KINESIS.case(
    AFTER_RESHARDING, "a shard that was split is closed: it has an ending sequence number, after all its records'"
)
def a_split_shard_is_closed(desk: Desk) -> None:
    name = desk.stream()
    number = desk.put(name)["SequenceNumber"]
    end = split(desk, name, ZERO, MIDDLE)[ZERO]["SequenceNumberRange"].get("EndingSequenceNumber")
    holds(end is not None and int(end) >= int(number), f"it ends at {end}, after {number}")


@KINESIS.case(AFTER_RESHARDING, "after a split, records go to the children, whose numbers are greater")
def records_go_to_the_children(desk: Desk) -> None:
    name = desk.stream()
    before = desk.put(name)
    equal("shard before", before["ShardId"], ZERO)
    shards = split(desk, name, ZERO, MIDDLE)
    for key in (0, MIDDLE - 1, MIDDLE, HASH_KEYS - 1):
        after = desk.put(name, str(key).encode(), ExplicitHashKey=str(key))
        equal(f"shard of {key}", after["ShardId"], ONE if key < MIDDLE else TWO)
        holds(int(after["SequenceNumber"]) > int(before["SequenceNumber"]), f"{after} follows {before}")
    equal("shard by range", shard_of([shards[ONE], shards[TWO]], MIDDLE), TWO)
    found = [record["Data"] for record in desk.read(name, ONE)]
    equal("records of the first child", found, [b"0", str(MIDDLE - 1).encode()])


@KINESIS.case("GetRecords", "a closed shard is read to its end, where NextShardIterator is null")
def a_closed_shard_ends(desk: Desk) -> None:
    name = desk.stream()
    for body in (b"1", b"2"):
        desk.put(name, body)
    open_iterator = desk.iterator(name, ZERO)
    split(desk, name, ZERO, MIDDLE)
    records, last = to_the_end(desk, name, ZERO)
    equal("records", records, [b"1", b"2"])
    equal("milliseconds behind", last["MillisBehindLatest"], 0)
    # An iterator from before goes on to the end, too.
    found = desk.client.get_records(ShardIterator=open_iterator)["Records"]
    equal("records by an older iterator", [record["Data"] for record in found], [b"1", b"2"])


@KINESIS.case("GetRecords", "at the end of a closed shard ChildShards names the shards to go on with")
def a_closed_shard_names_its_children(desk: Desk) -> None:
    name = desk.stream()
    split(desk, name, ZERO, MIDDLE)
    _, last = to_the_end(desk, name, ZERO)
    children = {child["ShardId"]: child["ParentShards"] for child in last.get("ChildShards", [])}
    equal("children", children, {ONE: [ZERO], TWO: [ZERO]})


@KINESIS.case("GetShardIterator", "LATEST of a closed shard is its end: nothing is read")
def the_latest_of_a_closed_shard(desk: Desk) -> None:
    name = desk.stream()
    desk.put(name)
    split(desk, name, ZERO, MIDDLE)
    equal("records", desk.read(name, ZERO, "LATEST"), [])


@KINESIS.case("SplitShard", "the new starting hash key lies within the shard's range: InvalidArgumentException")
def a_split_at_a_wrong_place(desk: Desk) -> None:
    name = desk.stream(2)
    outside = range_of(desk.shards(name)[1])[-1]
    for key in (0, outside):
        arguments = {"StreamName": name, "ShardToSplit": ZERO, "NewStartingHashKey": str(key)}
        refused(desk.client.split_shard, "InvalidArgumentException", status=400, **arguments)


@KINESIS.case("SplitShard", "ResourceNotFoundException for a shard that the stream does not have")
def a_split_of_nothing(desk: Desk) -> None:
    arguments = {"StreamName": desk.stream(), "ShardToSplit": TWO, "NewStartingHashKey": str(MIDDLE)}
    refused(desk.client.split_shard, "ResourceNotFoundException", status=400, **arguments)


@KINESIS.case("SplitShard", "a shard that is closed cannot be split again")
def a_split_of_a_closed_shard(desk: Desk) -> None:
    name = desk.stream()
    split(desk, name, ZERO, MIDDLE)
    arguments = {"StreamName": name, "ShardToSplit": ZERO, "NewStartingHashKey": str(MIDDLE)}
    refused(desk.client.split_shard, "InvalidArgumentException", "ResourceInUseException", status=400, **arguments)


@KINESIS.case("MergeShards", "one child has the range of two adjacent shards, and names both as parents")
def shards_are_merged(desk: Desk) -> None:
    name = desk.stream(2)
    desk.put(name, b"old", ExplicitHashKey="0")
    shards = merge(desk, name, ZERO, ONE)
    child = shards[TWO]
    equal("range", range_of(child), range(HASH_KEYS))
    equal("parents", {child.get("ParentShardId"), child.get("AdjacentParentShardId")}, {ZERO, ONE})
    for parent in (ZERO, ONE):
        holds("EndingSequenceNumber" in shards[parent]["SequenceNumberRange"], f"{parent} is still open")
    for key in (0, HASH_KEYS - 1):
        equal(f"shard of {key}", desk.put(name, b"new", ExplicitHashKey=str(key))["ShardId"], TWO)
    equal("records of a parent", to_the_end(desk, name, ZERO)[0], [b"old"])
    equal("records of the child", [record["Data"] for record in desk.read(name, TWO)], [b"new", b"new"])


@KINESIS.case("MergeShards", "shards whose ranges have a gap between them are an InvalidArgumentException")
def shards_that_are_not_adjacent(desk: Desk) -> None:
    arguments = {"StreamName": desk.stream(3), "ShardToMerge": ZERO, "AdjacentShardToMerge": TWO}
    refused(desk.client.merge_shards, "InvalidArgumentException", status=400, **arguments)


@KINESIS.case("DescribeStreamSummary", "closed shards are listed still, but are not among the open ones")
def closed_shards_are_listed(desk: Desk) -> None:
    name = desk.stream()
    equal("shards", len(split(desk, name, ZERO, MIDDLE)), 3)
    found = desk.client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["OpenShardCount"]
    equal("open shards", found, 2)


@KINESIS.case("UpdateShardCount", "twice as many shards of equal size; the old ones are closed")
def the_shards_are_doubled(desk: Desk) -> None:
    name = desk.stream(2)
    desk.client.update_shard_count(StreamName=name, TargetShardCount=4, ScalingType="UNIFORM_SCALING")

    def is_done() -> bool:
        summary = desk.client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        return (summary["StreamStatus"], summary["OpenShardCount"]) == ("ACTIVE", 4)

    until(is_done, "there are four open shards")
    is_open = [shard for shard in desk.shards(name) if "EndingSequenceNumber" not in shard["SequenceNumberRange"]]
    sizes = {len_of(range_of(shard)) for shard in is_open}
    holds(max(sizes) - min(sizes) <= 2, f"their sizes are {sorted(sizes)}")


def len_of(keys: range) -> int:
    # `len` refuses numbers of this size.
    return keys[-1] - keys[0] + 1
