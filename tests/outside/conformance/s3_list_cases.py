"""S3, by its documentation: lists."""

from __future__ import annotations

import datetime

from s3_cases import ERRORS, S3, Desk, md5
from suite import equal, holds, refused

TREE = ["a.txt", "b/1", "b/2", "b/c/3", "d/4", "e.txt"]


def plant(desk: Desk, keys: list[str] = TREE) -> None:
    for key in keys:
        desk.put(key, key.encode())


@S3.case("ListObjectsV2", "keys are listed in the order of their UTF-8 bytes")
def a_list_is_ordered(desk: Desk) -> None:
    keys = ["Z", "a", "a!", "a-b", "a.b", "a0", "b/c", "b0", "bb", "é", "z", "\U0001f384", "\uffee"]
    plant(desk, keys)
    equal("keys", desk.keys(), sorted(keys, key=str.encode))


@S3.case("ListObjectsV2", "an entry has key, size, ETag, time and storage class")
def a_list_has_entries(desk: Desk) -> None:
    desk.put("key", b"12345")
    (entry,) = desk.list()["Contents"]
    found = {name: entry.get(name) for name in ("Key", "Size", "ETag", "StorageClass")}
    equal("entry", found, {"Key": "key", "Size": 5, "ETag": md5(b"12345"), "StorageClass": "STANDARD"})
    holds(abs(entry["LastModified"] - datetime.datetime.now(datetime.UTC)) < datetime.timedelta(seconds=60), f"{entry}")


@S3.case("ListObjectsV2", "an empty list has no entries, KeyCount 0, and is not truncated")
def a_list_may_be_empty(desk: Desk) -> None:
    answer = desk.list(Prefix="none")
    equal("answer", (answer["KeyCount"], answer["IsTruncated"], answer.get("Contents", [])), (0, False, []))


@S3.case("ListObjectsV2", "a prefix is any beginning of a key, not only of a folder")
def a_list_by_prefix(desk: Desk) -> None:
    plant(desk)
    for prefix in ("", "b", "b/", "b/c", "b/c/3", "b/c/3/", "e", "x"):
        equal(prefix, desk.keys(Prefix=prefix), [key for key in TREE if key.startswith(prefix)])


@S3.case("ListObjectsV2", "keys between prefix and delimiter are rolled up into CommonPrefixes, and each counts as one")
def a_list_by_delimiter(desk: Desk) -> None:
    plant(desk)
    for prefix, keys, prefixes in [
        ("", ["a.txt", "e.txt"], ["b/", "d/"]),
        ("b/", ["b/1", "b/2"], ["b/c/"]),
        ("b", [], ["b/"]),
    ]:
        answer = desk.list(Prefix=prefix, Delimiter="/")
        equal(f"keys in `{prefix}`", [entry["Key"] for entry in answer.get("Contents", [])], keys)
        equal(f"below `{prefix}`", [entry["Prefix"] for entry in answer.get("CommonPrefixes", [])], prefixes)
        equal(f"count in `{prefix}`", answer["KeyCount"], len(keys) + len(prefixes))


@S3.case("ListObjectsV2", "a delimiter is any text")
def a_list_by_another_delimiter(desk: Desk) -> None:
    plant(desk, ["a--1", "a--2", "b", "c-d"])
    answer = desk.list(Delimiter="--")
    found = (
        [entry["Key"] for entry in answer.get("Contents", [])],
        [entry["Prefix"] for entry in answer.get("CommonPrefixes", [])],
    )
    equal("keys and prefixes", found, (["b", "c-d"], ["a--"]))


@S3.case("ListObjectsV2", "pages of MaxKeys, put together by their tokens, are the whole list, each key once")
def a_list_in_pages(desk: Desk) -> None:
    plant(desk)
    for size in (1, 2, 4, 5):
        pages = desk.pages(MaxKeys=size)
        equal(f"keys by {size}", [entry["Key"] for page in pages for entry in page["Contents"]], TREE)
        equal(f"sizes by {size}", {len(page["Contents"]) for page in pages[:-1]}, {size})


@S3.case("ListObjectsV2", "pages with a delimiter tell each common prefix once")
def prefixes_in_pages(desk: Desk) -> None:
    plant(desk)
    for size in (1, 2, 3):
        pages = desk.pages(MaxKeys=size, Delimiter="/")
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        prefixes = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])]
        equal(f"keys and prefixes by {size}", (keys, prefixes), (["a.txt", "e.txt"], ["b/", "d/"]))


@S3.case("ListObjectsV2", "a list that ends with its page is not truncated")
def a_full_page_is_the_last(desk: Desk) -> None:
    plant(desk)
    equal("truncated", desk.list(MaxKeys=len(TREE))["IsTruncated"], False)


@S3.case("ListObjectsV2", "StartAfter names a key, there or not, after which the list starts")
def a_list_from_somewhere(desk: Desk) -> None:
    plant(desk)
    for start in ("", "a", "a.txt", "b/1", "b/3", "b/c/", "e.txt", "z"):
        equal(f"after `{start}`", desk.keys(StartAfter=start), [key for key in TREE if key > start])


@S3.case("ListObjectsV2", "StartAfter holds with prefix and delimiter as well")
def a_list_from_somewhere_in_a_folder(desk: Desk) -> None:
    keys = [f"_delta_log/{version:020}.json" for version in range(12)] + [
        "_delta_log/_last_checkpoint",
        "part-0.parquet",
    ]
    plant(desk, keys)
    start = f"_delta_log/{9:020}"
    equal("keys", desk.keys(Prefix="_delta_log/", StartAfter=start, Delimiter="/"), [*keys[9:12], keys[12]])


@S3.case("ListObjectsV2", "StartAfter within a common prefix: what follows there is rolled up still")
def a_list_from_within_a_prefix(desk: Desk) -> None:
    plant(desk)
    answer = desk.list(StartAfter="b/1", Delimiter="/")
    found = (
        [entry["Key"] for entry in answer.get("Contents", [])],
        [entry["Prefix"] for entry in answer.get("CommonPrefixes", [])],
    )
    equal("keys and prefixes", found, (["e.txt"], ["b/", "d/"]))


@S3.case("ListObjectsV2", "a page has 1,000 keys at most, whatever is asked for")
def a_page_has_a_thousand(desk: Desk) -> None:
    for number in range(1001):
        desk.put(f"{number:04}", b"")
    for size in ({}, {"MaxKeys": 5000}):
        answer = desk.list(**size)
        equal(f"{size}", (len(answer["Contents"]), answer["IsTruncated"]), (1000, True))
    equal("keys of both pages", sum(len(page["Contents"]) for page in desk.pages()), 1001)


@S3.case("ListObjectsV2", "MaxKeys 0 asks for nothing and is answered so")
def a_page_of_nothing(desk: Desk) -> None:
    plant(desk)
    answer = desk.list(MaxKeys=0)
    equal("answer", (answer["KeyCount"], answer.get("Contents", [])), (0, []))


@S3.case(ERRORS, "a continuation token that S3 did not give is an InvalidArgument")
def a_token_of_nobody(desk: Desk) -> None:
    refused(
        desk.client.list_objects_v2, "InvalidArgument", status=400, Bucket=desk.bucket, ContinuationToken="made up!"
    )


@S3.case("ListObjects", "version 1 goes on after a marker, and answers NextMarker where a delimiter is given")
def the_older_list(desk: Desk) -> None:
    plant(desk)
    answer = desk.client.list_objects(Bucket=desk.bucket, MaxKeys=2, Delimiter="/")
    found = [entry["Key"] for entry in answer["Contents"]], [entry["Prefix"] for entry in answer["CommonPrefixes"]]
    equal("first page", (*found, answer["NextMarker"]), (["a.txt"], ["b/"], "b/"))
    answer = desk.client.list_objects(Bucket=desk.bucket, Marker="b/", Delimiter="/")
    found = [entry["Key"] for entry in answer["Contents"]], [entry["Prefix"] for entry in answer["CommonPrefixes"]]
    equal("second page", found, (["e.txt"], ["d/"]))
