"""S3, by its documentation: reads, writes and deletes on condition."""

from __future__ import annotations

import datetime
from typing import Any

from s3_cases import CONDITIONAL_DELETES, CONDITIONAL_WRITES, S3, Desk, md5
from suite import equal, refused


# ── conditions ────────────────────────────────────────────────────────────────────────────────────────────────────────


@S3.case("GetObject", "If-Match answers 412 unless the ETag is this one")
def get_if_match(desk: Desk) -> None:
    etag = desk.put("key")["ETag"]
    desk.get("key", IfMatch=etag)
    refused(
        desk.client.get_object, "PreconditionFailed", status=412, Bucket=desk.bucket, Key="key", IfMatch=md5(b"other")
    )


@S3.case("GetObject", "If-None-Match answers 304 if the ETag is this one")
def get_if_none_match(desk: Desk) -> None:
    etag = desk.put("key")["ETag"]
    desk.get("key", IfNoneMatch=md5(b"other"))
    refused(desk.client.get_object, "304", status=304, Bucket=desk.bucket, Key="key", IfNoneMatch=etag)


@S3.case("GetObject", "If-Modified-Since answers 304, If-Unmodified-Since 412, each if its condition does not hold")
def get_by_time(desk: Desk) -> None:
    desk.put("key")
    made = desk.head("key")["LastModified"]
    hour = datetime.timedelta(hours=1)
    desk.get("key", IfModifiedSince=made - hour)
    desk.get("key", IfUnmodifiedSince=made)
    refused(desk.client.get_object, "304", status=304, Bucket=desk.bucket, Key="key", IfModifiedSince=made)
    arguments = {"Bucket": desk.bucket, "Key": "key", "IfUnmodifiedSince": made - hour}
    refused(desk.client.get_object, "PreconditionFailed", status=412, **arguments)


@S3.case("GetObject", "an If-Match that holds outweighs an If-Unmodified-Since that does not: 200")
def a_match_outweighs_a_time(desk: Desk) -> None:
    etag = desk.put("key")["ETag"]
    past = desk.head("key")["LastModified"] - datetime.timedelta(hours=1)
    desk.get("key", IfMatch=etag, IfUnmodifiedSince=past)


@S3.case("GetObject", "an If-None-Match that does not hold outweighs an If-Modified-Since that does: 304")
def no_match_outweighs_a_time(desk: Desk) -> None:
    etag = desk.put("key")["ETag"]
    past = desk.head("key")["LastModified"] - datetime.timedelta(hours=1)
    arguments = {"Bucket": desk.bucket, "Key": "key", "IfNoneMatch": etag, "IfModifiedSince": past}
    refused(desk.client.get_object, "304", status=304, **arguments)


@S3.case(CONDITIONAL_WRITES, "a put with If-None-Match: * makes an object or answers 412 and changes nothing")
def put_if_none_match(desk: Desk) -> None:
    desk.put("key", b"first", IfNoneMatch="*")
    arguments = {"Bucket": desk.bucket, "Key": "key", "Body": b"second", "IfNoneMatch": "*"}
    refused(desk.client.put_object, "PreconditionFailed", status=412, **arguments)
    equal("body", desk.get("key")["Body"], b"first")


@S3.case(CONDITIONAL_WRITES, "after a delete, a put with If-None-Match: * succeeds")
def put_if_none_match_after_delete(desk: Desk) -> None:
    desk.put("key", b"first")
    desk.client.delete_object(Bucket=desk.bucket, Key="key")
    desk.put("key", b"second", IfNoneMatch="*")
    equal("body", desk.get("key")["Body"], b"second")


@S3.case("PutObject", "If-None-Match of a put expects the asterisk; an ETag there is not implemented")
def put_if_none_match_of_an_etag(desk: Desk) -> None:
    arguments = {"Bucket": desk.bucket, "Key": "key", "Body": b"", "IfNoneMatch": md5(b"")}
    refused(desk.client.put_object, "NotImplemented", status=501, **arguments)


@S3.case(CONDITIONAL_WRITES, "a put with If-Match replaces the object of this ETag, and no other: 412")
def put_if_match(desk: Desk) -> None:
    etag = desk.put("key", b"first")["ETag"]
    desk.put("key", b"second", IfMatch=etag)
    arguments = {"Bucket": desk.bucket, "Key": "key", "Body": b"third", "IfMatch": etag}
    refused(desk.client.put_object, "PreconditionFailed", status=412, **arguments)
    equal("body", desk.get("key")["Body"], b"second")


@S3.case(CONDITIONAL_WRITES, "a put with If-Match where there is no object answers 404")
def put_if_match_of_nothing(desk: Desk) -> None:
    arguments = {"Bucket": desk.bucket, "Key": "key", "Body": b"", "IfMatch": md5(b"")}
    refused(desk.client.put_object, "NoSuchKey", status=404, **arguments)


@S3.case(CONDITIONAL_DELETES, "a delete with If-Match deletes the object of this ETag, and no other: 412")
def delete_if_match(desk: Desk) -> None:
    etag = desk.put("key")["ETag"]
    arguments = {"Bucket": desk.bucket, "Key": "key"}
    refused(desk.client.delete_object, "PreconditionFailed", status=412, IfMatch=md5(b"other"), **arguments)
    equal("keys", desk.keys(), ["key"])
    desk.client.delete_object(IfMatch=etag, **arguments)
    equal("keys", desk.keys(), [])


# ── several deletes ───────────────────────────────────────────────────────────────────────────────────────────────────


def delete(desk: Desk, keys: list[str], **more: Any) -> dict[str, Any]:
    return desk.client.delete_objects(Bucket=desk.bucket, Delete={"Objects": [{"Key": key} for key in keys], **more})


@S3.case("DeleteObjects", "each key is deleted and confirmed, also one that is not there")
def many_are_deleted(desk: Desk) -> None:
    for key in ("a", "b", "c/d e+f", "keep"):
        desk.put(key)
    answer = delete(desk, ["a", "b", "c/d e+f", "never/was"])
    equal("confirmed", sorted(entry["Key"] for entry in answer["Deleted"]), ["a", "b", "c/d e+f", "never/was"])
    equal("errors", answer.get("Errors", []), [])
    equal("keys", desk.keys(), ["keep"])


@S3.case("DeleteObjects", "quietly, only errors are told")
def many_are_deleted_quietly(desk: Desk) -> None:
    desk.put("a")
    answer = delete(desk, ["a"], Quiet=True)
    equal("confirmed", answer.get("Deleted", []), [])
    equal("keys", desk.keys(), [])


@S3.case("DeleteObjects", "a request has up to 1,000 keys; with more it is a MalformedXML")
def a_thousand_are_deleted(desk: Desk) -> None:
    equal("confirmed", len(delete(desk, [f"key-{number}" for number in range(1000)])["Deleted"]), 1000)
    keys = [{"Key": f"key-{number}"} for number in range(1001)]
    refused(desk.client.delete_objects, "MalformedXML", status=400, Bucket=desk.bucket, Delete={"Objects": keys})


@S3.case("DeleteObjects", "the ETag of an entry is a condition: what does not match stays and is told as an error")
def many_are_deleted_if_they_match(desk: Desk) -> None:
    etag = desk.put("a", b"1")["ETag"]
    desk.put("b", b"2")
    objects = [{"Key": key, "ETag": etag} for key in ("a", "b")]
    answer = desk.client.delete_objects(Bucket=desk.bucket, Delete={"Objects": objects})
    equal(
        "errors", [(entry["Key"], entry["Code"]) for entry in answer.get("Errors", [])], [("b", "PreconditionFailed")]
    )
    equal("keys", desk.keys(), ["b"])
