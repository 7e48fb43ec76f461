"""S3, by its documentation: buckets, objects, digests and ranges.

The other files of this name have the rest: conditions, lists, names and copies, uploads in parts, who may ask, and
races.
"""

from __future__ import annotations

import datetime
import hashlib
import time
from base64 import b64encode
from functools import cached_property
from typing import Any

from botocore.client import BaseClient

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
    refused(
        desk.client.put_object, "InvalidDigest", status=400, Bucket=desk.bucket, Key="key", Body=b"x", ContentMD5="eA=="
    )


@S3.case(
    GUIDE.format("checking-object-integrity-upload"),
    "a checksum that is not the body's is a BadDigest, and stores nothing",
)
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
        found = (
            answer["ResponseMetadata"]["HTTPStatusCode"],
            answer["Body"],
            answer.get("ContentRange"),
            answer["ContentLength"],
        )
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
