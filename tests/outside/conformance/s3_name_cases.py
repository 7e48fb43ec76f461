"""S3, by its documentation: names, and copies under other names."""

from __future__ import annotations

from s3_cases import ERRORS, KEYS, S3, Desk, md5
from suite import equal, holds, refused


# ── names ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

ODD = [
    *(f"a{odd}b" for odd in [*" +%&=?#:;,@$!'\"()*<>[]{}|\\^`~", "%20", "%2F", "()"]),
    *["ä/ö/ü", "ключ", "木", "\U0001f384", "e\u0301", "\u00e9"],
    *[".hidden", "..a", "a..", "...", "a.b.c", "-", "_", "date=2026-01-01/part-0.gz", " lead", "trail "],
]


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
    answer = desk.client.copy_object(
        Bucket=desk.bucket, Key="copy", CopySource={"Bucket": desk.bucket, "Key": "so/ur ce+%é"}
    )
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
