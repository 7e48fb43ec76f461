"""S3, by its documentation: objects, conditions, ranges, lists, names, copies and who may ask.

Uploads in parts are in `s3_upload_cases.py`, races in `s3_race_cases.py`.
"""

from __future__ import annotations

import datetime
import hashlib
import time
from base64 import b64encode
from functools import cached_property
from typing import Any
from urllib.parse import quote

from botocore.client import BaseClient

from services import Keys
from suite import Broken, Suite, Target, code_in, equal, holds, refused

S3 = Suite("s3", "https://docs.aws.amazon.com/AmazonS3/latest/API/API_{}.html")

GUIDE = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/{}.html"
CONDITIONAL_WRITES = GUIDE.format("conditional-writes")
CONDITIONAL_DELETES = GUIDE.format("conditional-deletes")
KEYS = GUIDE.format("object-keys")
CONSISTENCY = GUIDE.format("Welcome") + "#ConsistencyModel"
ERRORS = "https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"
SIGNING = "https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html"


class Desk:
    """What a case works with: a bucket of its own, made when it is first asked for."""

    def __init__(self, target: Target, number: int):
        self.target, self.number = target, number
        self.rounds = target.rounds

    @cached_property
    def client(self) -> BaseClient:
        return self.target.client()

    @cached_property
    def bucket(self) -> str:
        name = f"conformance-{self.number}-{time.time_ns()}"
        self.client.create_bucket(Bucket=name)
        return name

    def put(self, key: str, body: bytes = b"content", **more: Any) -> dict[str, Any]:
        return self.client.put_object(Bucket=self.bucket, Key=key, Body=body, **more)

    def get(self, key: str, **more: Any) -> dict[str, Any]:
        """An object's answer, its body read."""
        answer = self.client.get_object(Bucket=self.bucket, Key=key, **more)
        answer["Body"] = answer["Body"].read()
        return answer

    def head(self, key: str, **more: Any) -> dict[str, Any]:
        return self.client.head_object(Bucket=self.bucket, Key=key, **more)

    def list(self, **more: Any) -> dict[str, Any]:
        return self.client.list_objects_v2(Bucket=self.bucket, **more)

    def keys(self, **more: Any) -> list[str]:
        """The keys of a list's first page."""
        return [entry["Key"] for entry in self.list(**more).get("Contents", [])]

    def pages(self, **more: Any) -> list[dict[str, Any]]:
        """All pages of a list, as a client follows them."""
        pages = [self.list(**more)]
        while pages[-1]["IsTruncated"]:
            holds(len(pages) < 100, "the pages have no end")
            pages.append(self.list(ContinuationToken=pages[-1]["NextContinuationToken"], **more))
        return pages


def md5(content: bytes) -> str:
    """An ETag: the MD5 in quotation marks."""
    return f'"{hashlib.md5(content).hexdigest()}"'


# ── buckets ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@S3.case("CreateBucket", "a bucket is there once it was created, and ListBuckets names it")
def a_bucket_is_created(desk: Desk) -> None:
    desk.client.head_bucket(Bucket=desk.bucket)
    names = [bucket["Name"] for bucket in desk.client.list_buckets()["Buckets"]]
    holds(desk.bucket in names, f"{desk.bucket} is not among {names}")


@S3.case("CreateBucket", "in us-east-1, to create a bucket again that you own answers 200")
def a_bucket_is_created_again(desk: Desk) -> None:
    desk.client.create_bucket(Bucket=desk.bucket)


@S3.case("GetBucketLocation", "the location of a bucket in us-east-1 is null")
def a_bucket_has_a_location(desk: Desk) -> None:
    equal("location", desk.client.get_bucket_location(Bucket=desk.bucket).get("LocationConstraint"), None)


@S3.case("DeleteBucket", "all objects must be deleted before the bucket: BucketNotEmpty, 409")
def a_full_bucket_stays(desk: Desk) -> None:
    desk.put("object")
    refused(desk.client.delete_bucket, "BucketNotEmpty", status=409, Bucket=desk.bucket)


@S3.case("DeleteBucket", "an emptied bucket is deleted, though keys with slashes were in it")
def an_emptied_bucket_goes(desk: Desk) -> None:
    desk.put("a/b/c")
    desk.client.delete_object(Bucket=desk.bucket, Key="a/b/c")
    desk.client.delete_bucket(Bucket=desk.bucket)
    refused(desk.client.head_bucket, "404", status=404, Bucket=desk.bucket)


@S3.case(ERRORS, "NoSuchBucket, 404, for whatever is asked of a bucket that is not there")
def a_missing_bucket(desk: Desk) -> None:
    missing = {"Bucket": f"nowhere-{time.time_ns()}"}
    for name, arguments in {
        "put_object": {"Key": "key", "Body": b""},
        "get_object": {"Key": "key"},
        "list_objects_v2": {},
        "delete_object": {"Key": "key"},
        "delete_bucket": {},
        "create_multipart_upload": {"Key": "key"},
    }.items():
        try:
            refused(getattr(desk.client, name), "NoSuchBucket", status=404, **missing, **arguments)
        except Broken as error:
            raise Broken(f"{name}: {error}") from error


@S3.case("HeadBucket", "a missing bucket answers 404 and no body")
def a_missing_bucket_has_no_head(desk: Desk) -> None:
    refused(desk.client.head_bucket, "404", status=404, Bucket=f"nowhere-{time.time_ns()}")


# ── objects ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@S3.case("PutObject", "what was put is got, byte for byte; the ETag of a plain object is the MD5 of its content")
def an_object_comes_back(desk: Desk) -> None:
    body = bytes(range(256)) * 1000
    equal("ETag of the put", desk.put("key", body)["ETag"], md5(body))
    answer = desk.get("key")
    equal("body", answer["Body"], body)
    equal("ETag", answer["ETag"], md5(body))
    equal("length", answer["ContentLength"], len(body))
    equal("status", answer["ResponseMetadata"]["HTTPStatusCode"], 200)


@S3.case("GetObject", "Last-Modified is when the object was made, and Accept-Ranges is bytes")
def an_object_has_a_time(desk: Desk) -> None:
    before = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=2)
    desk.put("key")
    answer = desk.get("key")
    holds(before <= answer["LastModified"] <= before + datetime.timedelta(seconds=30), f"made {answer['LastModified']}")
    equal("Accept-Ranges", answer.get("AcceptRanges"), "bytes")


@S3.case("PutObject", "an object may be empty")
def an_object_may_be_empty(desk: Desk) -> None:
    equal("ETag", desk.put("empty", b"")["ETag"], md5(b""))
    answer = desk.get("empty")
    equal("body and length", (answer["Body"], answer["ContentLength"]), (b"", 0))
    equal("listed size", [entry["Size"] for entry in desk.list()["Contents"]], [0])


@S3.case("PutObject", "a second put replaces the whole object, its metadata as well")
def a_put_replaces(desk: Desk) -> None:
    desk.put("key", b"first, and longer", Metadata={"of": "first"}, ContentType="text/first")
    desk.put("key", b"second")
    answer = desk.get("key")
    equal("body", answer["Body"], b"second")
    equal("metadata", answer["Metadata"], {})
    holds(answer["ContentType"] != "text/first", "the first object's type is still there")


@S3.case("HeadObject", "HEAD says what GET says, without the body")
def a_head_is_a_get_without_body(desk: Desk) -> None:
    desk.put("key", b"12345", Metadata={"one": "1"}, ContentType="text/plain")
    head, get = desk.head("key"), desk.get("key")
    for name in ("ETag", "ContentLength", "ContentType", "LastModified", "Metadata"):
        equal(name, head[name], get[name])


@S3.case("PutObject", "the standard headers of a put come back with the object")
def standard_headers_come_back(desk: Desk) -> None:
    headers = {
        "ContentType": "application/vnd.apache.parquet",
        "CacheControl": "max-age=60",
        "ContentDisposition": 'attachment; filename="a b.txt"',
        "ContentEncoding": "gzip",
        "ContentLanguage": "de",
    }
    desk.put("key", **headers)
    for answer in (desk.head("key"), desk.get("key")):
        equal("headers", {name: answer.get(name) for name in headers}, headers)


@S3.case(GUIDE.format("UsingMetadata"), "a put without a content type makes a binary/octet-stream")
def the_default_type(desk: Desk) -> None:
    path = f"/{desk.bucket}/key"
    # By hand: clients send a type of their own.
    status, body, _ = desk.target.send("PUT", path, headers=desk.target.signature("PUT", path, body=b"x"), body=b"x")
    equal("status", (status, body), (200, b""))
    equal("type", desk.head("key")["ContentType"], "binary/octet-stream")


@S3.case(GUIDE.format("UsingMetadata"), "user metadata is kept, its names in lower case")
def metadata_is_kept(desk: Desk) -> None:
    desk.put("key", Metadata={"Name": "Value With Case", "x-y_z": "1"})
    equal("metadata", desk.get("key")["Metadata"], {"name": "Value With Case", "x-y_z": "1"})


@S3.case("GetObject", "response-* parameters override headers of the answer")
def headers_can_be_asked_for(desk: Desk) -> None:
    desk.put("key", ContentType="text/plain")
    answer = desk.get("key", ResponseContentType="text/csv", ResponseCacheControl="no-cache")
    equal("headers", (answer["ContentType"], answer.get("CacheControl")), ("text/csv", "no-cache"))


@S3.case("GetObject", "NoSuchKey, 404, for a key that is not there")
def a_missing_key(desk: Desk) -> None:
    refused(desk.client.get_object, "NoSuchKey", status=404, Bucket=desk.bucket, Key="nothing")


@S3.case("HeadObject", "a missing key answers 404 and no body")
def a_missing_key_has_no_head(desk: Desk) -> None:
    refused(desk.client.head_object, "404", status=404, Bucket=desk.bucket, Key="nothing")


@S3.case(ERRORS, "an error is an XML document with Code, Message and RequestId")
def errors_are_documents(desk: Desk) -> None:
    path = f"/{desk.bucket}/nothing"
    status, body, headers = desk.target.send("GET", path, headers=desk.target.signature("GET", path))
    equal("status and code", (status, code_in(body)), (404, "NoSuchKey"))
    equal("type", headers.get("content-type", "").split(";")[0], "application/xml")
    for name in (b"<Error>", b"<Message>", b"<RequestId>"):
        holds(name in body, f"there is no {name.decode()} in {body!r}")


@S3.case("Error", "every answer has an id of its request, by which AWS finds it")
def answers_have_an_id(desk: Desk) -> None:
    desk.put("key")
    path = f"/{desk.bucket}/key"
    _, _, headers = desk.target.send("GET", path, headers=desk.target.signature("GET", path))
    holds(bool(headers.get("x-amz-request-id")), f"no x-amz-request-id among {sorted(headers)}")


@S3.case(CONSISTENCY, "a read, a list and a head after a put, a second put or a delete see it at once")
def reads_follow_writes(desk: Desk) -> None:
    for turn in range(20):
        body = str(turn).encode()
        desk.put("key", body)
        equal("read after a put", desk.get("key")["Body"], body)
        equal("list after a put", [entry["ETag"] for entry in desk.list()["Contents"]], [md5(body)])
        if turn % 4 == 3:
            desk.client.delete_object(Bucket=desk.bucket, Key="key")
            equal("list after a delete", desk.keys(), [])
            refused(desk.client.get_object, "NoSuchKey", Bucket=desk.bucket, Key="key")


@S3.case("DeleteObject", "204, and the object is gone")
def a_delete_deletes(desk: Desk) -> None:
    desk.put("key")
    answer = desk.client.delete_object(Bucket=desk.bucket, Key="key")
    equal("status", answer["ResponseMetadata"]["HTTPStatusCode"], 204)
    refused(desk.client.get_object, "NoSuchKey", Bucket=desk.bucket, Key="key")


@S3.case("DeleteObject", "to delete what is not there succeeds")
def a_delete_can_be_repeated(desk: Desk) -> None:
    answer = desk.client.delete_object(Bucket=desk.bucket, Key="never/was")
    equal("status", answer["ResponseMetadata"]["HTTPStatusCode"], 204)


# ── digests ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@S3.case("PutObject", "a Content-MD5 that is not the body's is a BadDigest, and nothing is stored")
def a_wrong_md5_stores_nothing(desk: Desk) -> None:
    wrong = b64encode(hashlib.md5(b"another").digest()).decode()
    refused(desk.client.put_object, "BadDigest", status=400, Bucket=desk.bucket, Key="key", Body=b"x", ContentMD5=wrong)
    equal("keys", desk.keys(), [])


@S3.case(ERRORS, "a Content-MD5 that is no digest is an InvalidDigest")
def an_md5_that_is_none(desk: Desk) -> None:
    refused(desk.client.put_object, "InvalidDigest", status=400, Bucket=desk.bucket, Key="key", Body=b"x", ContentMD5="eA==")


@S3.case(GUIDE.format("checking-object-integrity-upload"), "a checksum that is not the body's is a BadDigest, and stores nothing")
def a_wrong_checksum_stores_nothing(desk: Desk) -> None:
    wrong = b64encode(hashlib.sha256(b"another").digest()).decode()
    arguments = {"Bucket": desk.bucket, "Key": "key", "Body": b"x", "ChecksumSHA256": wrong}
    refused(desk.client.put_object, "BadDigest", status=400, **arguments)
    equal("keys", desk.keys(), [])


@S3.case("GetObject", "a checksum that was sent with the object comes back in checksum mode")
def a_checksum_comes_back(desk: Desk) -> None:
    digest = b64encode(hashlib.sha256(b"x").digest()).decode()
    desk.put("key", b"x", ChecksumSHA256=digest)
    equal("checksum", desk.get("key", ChecksumMode="ENABLED").get("ChecksumSHA256"), digest)


@S3.case(ERRORS, "a body that is not the one that was signed is an XAmzContentSHA256Mismatch, and stores nothing")
def another_body_than_signed(desk: Desk) -> None:
    path = f"/{desk.bucket}/key"
    headers = desk.target.signature("PUT", path, body=b"signed")
    status, body, _ = desk.target.send("PUT", path, headers=headers, body=b"sealed")
    equal("status and code", (status, code_in(body)), (400, "XAmzContentSHA256Mismatch"))
    equal("keys", desk.keys(), [])


# ── ranges ────────────────────────────────────────────────────────────────────────────────────────────────────────────

TEN = b"0123456789"
RANGES = "https://www.rfc-editor.org/rfc/rfc9110.html#name-range"


@S3.case("GetObject", "a range is answered with 206, the bytes asked for, and where they lie")
def a_range(desk: Desk) -> None:
    desk.put("key", TEN)
    for asked, body, place in [
        ("bytes=0-0", b"0", "bytes 0-0/10"),
        ("bytes=2-5", b"2345", "bytes 2-5/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=0-9", TEN, "bytes 0-9/10"),
    ]:
        answer = desk.get("key", Range=asked)
        found = answer["ResponseMetadata"]["HTTPStatusCode"], answer["Body"], answer.get("ContentRange"), answer["ContentLength"]
        equal(asked, found, (206, body, place, len(body)))


@S3.case(RANGES, "a range that ends after the object ends with the object")
def a_range_beyond_the_end(desk: Desk) -> None:
    desk.put("key", TEN)
    for asked, body, place in [("bytes=8-99", b"89", "bytes 8-9/10"), ("bytes=-99", TEN, "bytes 0-9/10")]:
        answer = desk.get("key", Range=asked)
        equal(asked, (answer["Body"], answer.get("ContentRange")), (body, place))


@S3.case(ERRORS, "a range that begins after the object is an InvalidRange, 416")
def a_range_outside(desk: Desk) -> None:
    desk.put("key", TEN)
    refused(desk.client.get_object, "InvalidRange", status=416, Bucket=desk.bucket, Key="key", Range="bytes=10-12")


@S3.case(ERRORS, "no byte of an empty object can be asked for: InvalidRange, 416")
def a_range_of_nothing(desk: Desk) -> None:
    desk.put("empty", b"")
    refused(desk.client.get_object, "InvalidRange", status=416, Bucket=desk.bucket, Key="empty", Range="bytes=0-0")


@S3.case("HeadObject", "HEAD of a range has the range's length")
def a_range_of_a_head(desk: Desk) -> None:
    desk.put("key", TEN)
    equal("length", desk.head("key", Range="bytes=2-5")["ContentLength"], 4)


# ── conditions ────────────────────────────────────────────────────────────────────────────────────────────────────────


@S3.case("GetObject", "If-Match answers 412 unless the ETag is this one")
def get_if_match(desk: Desk) -> None:
    etag = desk.put("key")["ETag"]
    desk.get("key", IfMatch=etag)
    refused(desk.client.get_object, "PreconditionFailed", status=412, Bucket=desk.bucket, Key="key", IfMatch=md5(b"other"))


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
    equal("errors", [(entry["Key"], entry["Code"]) for entry in answer.get("Errors", [])], [("b", "PreconditionFailed")])
    equal("keys", desk.keys(), ["b"])


# ── lists ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

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
    for prefix, keys, prefixes in [("", ["a.txt", "e.txt"], ["b/", "d/"]), ("b/", ["b/1", "b/2"], ["b/c/"]), ("b", [], ["b/"])]:
        answer = desk.list(Prefix=prefix, Delimiter="/")
        equal(f"keys in `{prefix}`", [entry["Key"] for entry in answer.get("Contents", [])], keys)
        equal(f"below `{prefix}`", [entry["Prefix"] for entry in answer.get("CommonPrefixes", [])], prefixes)
        equal(f"count in `{prefix}`", answer["KeyCount"], len(keys) + len(prefixes))


@S3.case("ListObjectsV2", "a delimiter is any text")
def a_list_by_another_delimiter(desk: Desk) -> None:
    plant(desk, ["a--1", "a--2", "b", "c-d"])
    answer = desk.list(Delimiter="--")
    found = [entry["Key"] for entry in answer.get("Contents", [])], [entry["Prefix"] for entry in answer.get("CommonPrefixes", [])]
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
    keys = [f"_delta_log/{version:020}.json" for version in range(12)] + ["_delta_log/_last_checkpoint", "part-0.parquet"]
    plant(desk, keys)
    start = f"_delta_log/{9:020}"
    equal("keys", desk.keys(Prefix="_delta_log/", StartAfter=start, Delimiter="/"), [*keys[9:12], keys[12]])


@S3.case("ListObjectsV2", "StartAfter within a common prefix: what follows there is rolled up still")
def a_list_from_within_a_prefix(desk: Desk) -> None:
    plant(desk)
    answer = desk.list(StartAfter="b/1", Delimiter="/")
    found = [entry["Key"] for entry in answer.get("Contents", [])], [entry["Prefix"] for entry in answer.get("CommonPrefixes", [])]
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
    refused(desk.client.list_objects_v2, "InvalidArgument", status=400, Bucket=desk.bucket, ContinuationToken="made up!")


@S3.case("ListObjects", "version 1 goes on after a marker, and answers NextMarker where a delimiter is given")
def the_older_list(desk: Desk) -> None:
    plant(desk)
    answer = desk.client.list_objects(Bucket=desk.bucket, MaxKeys=2, Delimiter="/")
    found = [entry["Key"] for entry in answer["Contents"]], [entry["Prefix"] for entry in answer["CommonPrefixes"]]
    equal("first page", (*found, answer["NextMarker"]), (["a.txt"], ["b/"], "b/"))
    answer = desk.client.list_objects(Bucket=desk.bucket, Marker="b/", Delimiter="/")
    found = [entry["Key"] for entry in answer["Contents"]], [entry["Prefix"] for entry in answer["CommonPrefixes"]]
    equal("second page", found, (["e.txt"], ["d/"]))


# ── names ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

ODD = [
    "a b", "a+b", "a%b", "a%20b", "a%2Fb", "a&b=c", "a=b", "a?b", "a#b", "a:b", "a;b", "a,b", "a@b", "a$b", "a!b", "a'b", 'a"b',
    "a(b)", "a*b", "a<b>", "a[b]", "a{b}", "a|b", "a\\b", "a^b", "a`b", "a~b", "ä/ö/ü", "ключ", "木", "\U0001f384", "e\u0301", "\u00e9",
    ".hidden", "..a", "a..", "...", "a.b.c", "-", "_", "date=2026-01-01/part-0.gz", " lead", "trail ",
]  # fmt: skip


@S3.case(KEYS, "a key is any text of UTF-8; it is put, got, listed and deleted by the same name")
def odd_keys(desk: Desk) -> None:
    for key in ODD:
        desk.put(key, key.encode())
    equal("listed", desk.keys(), sorted(ODD, key=str.encode))
    for key in ODD:
        equal(f"body of `{key}`", desk.get(key)["Body"], key.encode())
    for key in ODD:
        desk.client.delete_object(Bucket=desk.bucket, Key=key)
    equal("left", desk.keys(), [])


@S3.case("ListObjectsV2", "with encoding type url, names are percent-encoded as the documentation's example")
def encoded_names(desk: Desk) -> None:
    desk.put("test_file(3).png")
    path = f"/{desk.bucket}"
    query = "encoding-type=url&list-type=2"
    headers = desk.target.signature("GET", path, query=query)
    _, body, _ = desk.target.send("GET", path, headers=headers, query=query)
    holds(b"<Key>test_file%283%29.png</Key>" in body, f"found {body!r}")


@S3.case(KEYS, "the namespace is flat: `a`, `a/` and `a/b` are three keys")
def names_are_flat(desk: Desk) -> None:
    keys = ["a", "a/", "a/b"]
    for key in keys:
        desk.put(key, key.encode())
    equal("listed", desk.keys(), keys)
    equal("bodies", [desk.get(key)["Body"] for key in keys], [key.encode() for key in keys])


@S3.case(KEYS, "an object whose key ends with a slash is an object like others")
def a_key_may_end_with_a_slash(desk: Desk) -> None:
    desk.put("folder/", b"")
    equal("listed", desk.keys(), ["folder/"])
    desk.client.delete_object(Bucket=desk.bucket, Key="folder/")
    equal("left", desk.keys(), [])


@S3.case(KEYS, "slashes that follow each other are part of the key")
def slashes_may_follow_each_other(desk: Desk) -> None:
    for key in ("a//b", "a/b"):
        desk.put(key, key.encode())
    equal("listed", desk.keys(), ["a//b", "a/b"])


@S3.case(KEYS, "a key has up to 1,024 bytes of UTF-8, in segments of any length")
def a_key_may_be_long(desk: Desk) -> None:
    for key in ("k" * 1024, "/".join(["é" * 50] * 10), "木" * 341):
        desk.put(key, b"x")
        equal("body", desk.get(key)["Body"], b"x")


@S3.case(KEYS, "a key of 1,024 bytes in short segments is taken")
def a_path_may_be_long(desk: Desk) -> None:
    key = "/".join(["segment"] * 128)
    desk.put(key, b"x")
    equal("listed", desk.keys(), [key])


@S3.case(ERRORS, "KeyTooLongError, 400, for a key of more than 1,024 bytes")
def a_key_may_be_too_long(desk: Desk) -> None:
    key = "/".join(["segment"] * 129)
    refused(desk.client.put_object, "KeyTooLongError", status=400, Bucket=desk.bucket, Key=key, Body=b"")


# ── copies ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@S3.case("CopyObject", "a copy has the content, the ETag and the metadata of its source, whatever the source is called")
def a_copy(desk: Desk) -> None:
    desk.put("so/ur ce+%é", b"12345", Metadata={"one": "1"}, ContentType="text/plain")
    answer = desk.client.copy_object(Bucket=desk.bucket, Key="copy", CopySource={"Bucket": desk.bucket, "Key": "so/ur ce+%é"})
    equal("ETag of the answer", answer["CopyObjectResult"]["ETag"], md5(b"12345"))
    copy = desk.get("copy")
    equal("copy", (copy["Body"], copy["Metadata"], copy["ContentType"]), (b"12345", {"one": "1"}, "text/plain"))


@S3.case("CopyObject", "with the directive REPLACE, the metadata is the request's")
def a_copy_with_metadata(desk: Desk) -> None:
    desk.put("source", b"12345", Metadata={"one": "1"}, ContentType="text/plain")
    source = {"Bucket": desk.bucket, "Key": "source"}
    more = {"MetadataDirective": "REPLACE", "Metadata": {"two": "2"}, "ContentType": "text/csv"}
    desk.client.copy_object(Bucket=desk.bucket, Key="copy", CopySource=source, **more)
    copy = desk.get("copy")
    equal("copy", (copy["Body"], copy["Metadata"], copy["ContentType"]), (b"12345", {"two": "2"}, "text/csv"))


@S3.case("CopyObject", "NoSuchKey, 404, for a source that is not there")
def a_copy_of_nothing(desk: Desk) -> None:
    source = {"Bucket": desk.bucket, "Key": "nothing"}
    refused(desk.client.copy_object, "NoSuchKey", status=404, Bucket=desk.bucket, Key="copy", CopySource=source)


@S3.case("CopyObject", "a condition on the source that does not hold answers 412")
def a_copy_on_condition(desk: Desk) -> None:
    etag = desk.put("source")["ETag"]
    arguments = {"Bucket": desk.bucket, "Key": "copy", "CopySource": {"Bucket": desk.bucket, "Key": "source"}}
    refused(desk.client.copy_object, "PreconditionFailed", status=412, CopySourceIfMatch=md5(b"other"), **arguments)
    refused(desk.client.copy_object, "PreconditionFailed", status=412, CopySourceIfNoneMatch=etag, **arguments)
    desk.client.copy_object(CopySourceIfMatch=etag, **arguments)


@S3.case("CopyObject", "If-None-Match: * makes the copy or answers 412 and changes nothing")
def a_copy_if_none_match(desk: Desk) -> None:
    desk.put("source", b"new")
    desk.put("copy", b"old")
    arguments = {"Bucket": desk.bucket, "CopySource": {"Bucket": desk.bucket, "Key": "source"}, "IfNoneMatch": "*"}
    refused(desk.client.copy_object, "PreconditionFailed", status=412, Key="copy", **arguments)
    equal("body", desk.get("copy")["Body"], b"old")
    desk.client.copy_object(Key="another", **arguments)


@S3.case("CopyObject", "to copy an object to itself without changing anything is an InvalidRequest")
def a_copy_to_itself(desk: Desk) -> None:
    desk.put("key")
    arguments = {"Bucket": desk.bucket, "Key": "key", "CopySource": {"Bucket": desk.bucket, "Key": "key"}}
    refused(desk.client.copy_object, "InvalidRequest", status=400, **arguments)
    equal("body", desk.get("key")["Body"], b"content")


# ── who may ask ───────────────────────────────────────────────────────────────────────────────────────────────────────


@S3.case(SIGNING, "a request that is signed as the documentation says is served")
def a_right_signature(desk: Desk) -> None:
    desk.put("a b+c%é", b"x")
    path = f"/{desk.bucket}/a b+c%é"
    headers = desk.target.signature("GET", path)
    status, body, _ = desk.target.send("GET", quote(path, safe="/-_.~"), headers=headers)
    equal("answer", (status, body), (200, b"x"))


@S3.case(ERRORS, "SignatureDoesNotMatch, 403, for a signature by another secret")
def a_wrong_signature(desk: Desk) -> None:
    client = desk.target.client(Keys(desk.target.keys.id, "not-the-secret"))
    refused(client.put_object, "SignatureDoesNotMatch", status=403, Bucket=desk.bucket, Key="key", Body=b"x")
    equal("keys", desk.keys(), [])


@S3.case(ERRORS, "InvalidAccessKeyId, 403, for an access key that nobody has")
def an_unknown_key(desk: Desk) -> None:
    client = desk.target.client(Keys("AKIAIOSFODNN7EXAMPLE", desk.target.keys.secret))
    refused(client.list_objects_v2, "InvalidAccessKeyId", status=403, Bucket=desk.bucket)


@S3.case(ERRORS, "AccessDenied, 403, for a request without a signature")
def no_signature(desk: Desk) -> None:
    desk.put("key")
    status, body, _ = desk.target.send("GET", f"/{desk.bucket}/key")
    equal("status and code", (status, code_in(body)), (403, "AccessDenied"))


@S3.case(ERRORS, "RequestTimeTooSkewed, 403, for a request that was signed more than 15 minutes ago")
def an_old_signature(desk: Desk) -> None:
    path = f"/{desk.bucket}"
    at = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=20)
    status, body, _ = desk.target.send("GET", path, headers=desk.target.signature("GET", path, at=at))
    equal("status and code", (status, code_in(body)), (403, "RequestTimeTooSkewed"))


@S3.case(SIGNING, "what is signed cannot be changed: a path that was not signed is a SignatureDoesNotMatch")
def a_signature_of_another_path(desk: Desk) -> None:
    desk.put("one")
    desk.put("two")
    headers = desk.target.signature("GET", f"/{desk.bucket}/one")
    status, body, _ = desk.target.send("GET", f"/{desk.bucket}/two", headers=headers)
    equal("status and code", (status, code_in(body)), (403, "SignatureDoesNotMatch"))


PRESIGNED = GUIDE.format("using-presigned-url")


@S3.case(PRESIGNED, "a presigned URL serves until it expires")
def a_presigned_url(desk: Desk) -> None:
    desk.put("key", b"x")
    arguments = {"Params": {"Bucket": desk.bucket, "Key": "key"}}
    url = desk.client.generate_presigned_url("get_object", ExpiresIn=60, **arguments)
    status, body, _ = desk.target.send("GET", url.removeprefix(desk.target.url))
    equal("answer", (status, body), (200, b"x"))
    url = desk.client.generate_presigned_url("get_object", ExpiresIn=1, **arguments)
    time.sleep(2.1)
    status, body, _ = desk.target.send("GET", url.removeprefix(desk.target.url))
    equal("status and code", (status, code_in(body)), (403, "AccessDenied"))


@S3.case(SIGNING, "a body may be sent unsigned, if that is what was signed")
def an_unsigned_body(desk: Desk) -> None:
    path = f"/{desk.bucket}/key"
    headers = desk.target.signature("PUT", path, digest="UNSIGNED-PAYLOAD")
    status, _, _ = desk.target.send("PUT", path, headers=headers, body=b"x")
    equal("status", status, 200)
    equal("body", desk.get("key")["Body"], b"x")

