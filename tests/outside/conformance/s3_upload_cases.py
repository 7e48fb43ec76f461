"""S3, by its documentation: uploads in parts."""

from __future__ import annotations

import hashlib
import socket
from typing import Any
from urllib.parse import urlsplit

from s3_cases import CONDITIONAL_WRITES, S3, Desk, md5
from suite import Broken, equal, holds, refused, short

EXPECT = "https://www.rfc-editor.org/rfc/rfc9110.html#name-expect"
LIMITS = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"
PART_BYTES = 5 * 1024 * 1024


class Upload:
    """An upload that has begun."""

    def __init__(self, desk: Desk, key: str = "key", **more: Any):
        self.desk, self.place = desk, {"Bucket": desk.bucket, "Key": key}
        self.place["UploadId"] = desk.client.create_multipart_upload(**self.place, **more)["UploadId"]
        self.etags: dict[int, str] = {}

    def part(self, number: int, body: bytes) -> str:
        self.etags[number] = self.desk.client.upload_part(**self.place, PartNumber=number, Body=body)["ETag"]
        return self.etags[number]

    def listed(self, *numbers: int) -> dict[str, Any]:
        """What a completion says of these parts."""
        return {"Parts": [{"PartNumber": number, "ETag": self.etags[number]} for number in numbers]}

    def complete(self, *numbers: int, **more: Any) -> dict[str, Any]:
        chosen = self.listed(*(numbers or sorted(self.etags)))
        return self.desk.client.complete_multipart_upload(**self.place, MultipartUpload=chosen, **more)

    def refused(self, code: str, *numbers: int, status: int = 400, **more: Any) -> None:
        chosen = self.listed(*(numbers or sorted(self.etags)))
        refused(
            self.desk.client.complete_multipart_upload,
            code,
            status=status,
            **self.place,
            MultipartUpload=chosen,
            **more,
        )


@S3.case(
    "CompleteMultipartUpload", "parts are put together in ascending order of their numbers, in whatever order they came"
)
def parts_are_put_together(desk: Desk) -> None:
    upload = Upload(desk)
    bodies = {1: b"a" * PART_BYTES, 3: b"b" * (PART_BYTES + 1), 10_000: b"c"}
    for number in (10_000, 1, 3):
        equal("ETag of a part", upload.part(number, bodies[number]), md5(bodies[number]))
    upload.complete()
    answer = desk.get("key")
    holds(answer["Body"] == b"".join(bodies.values()), "the object is not its parts in order")
    equal("length", answer["ContentLength"], 2 * PART_BYTES + 2)


@S3.case("Object", "the ETag of an object made of parts is no MD5 of its content, but ends with their number")
def parts_have_an_etag(desk: Desk) -> None:
    upload = Upload(desk)
    bodies = [b"a" * PART_BYTES, b"b"]
    for number, body in enumerate(bodies, 1):
        upload.part(number, body)
    etag = upload.complete()["ETag"]
    equal("ETag of the object", desk.head("key")["ETag"], etag)
    digests = b"".join(hashlib.md5(body).digest() for body in bodies)
    equal("ETag", etag, f'"{hashlib.md5(digests).hexdigest()}-2"')


@S3.case("UploadPart", "a part that is sent again replaces the one before")
def a_part_is_replaced(desk: Desk) -> None:
    upload = Upload(desk)
    upload.part(1, b"first")
    upload.part(1, b"second")
    upload.complete()
    equal("body", desk.get("key")["Body"], b"second")


@S3.case("CompleteMultipartUpload", "the object is made of the parts in the list, not of those left out")
def a_part_is_left_out(desk: Desk) -> None:
    upload = Upload(desk)
    for number, body in enumerate([b"a" * PART_BYTES, b"b" * PART_BYTES, b"c"], 1):
        upload.part(number, body)
    upload.complete(1, 3)
    holds(desk.get("key")["Body"] == b"a" * PART_BYTES + b"c", "the object is not made of parts 1 and 3")


@S3.case("CreateMultipartUpload", "type and metadata are those that the upload began with")
def an_upload_has_metadata(desk: Desk) -> None:
    upload = Upload(desk, Metadata={"one": "1"}, ContentType="text/plain")
    upload.part(1, b"x")
    upload.complete()
    answer = desk.get("key")
    equal("type and metadata", (answer["ContentType"], answer["Metadata"]), ("text/plain", {"one": "1"}))


@S3.case("ListObjectsV2", "an upload in progress is no object: neither listed nor got, nor does it hide one")
def an_upload_is_not_seen(desk: Desk) -> None:
    desk.put("old", b"old")
    for key in ("new", "old"):
        Upload(desk, key).part(1, b"x")
    equal("keys", desk.keys(), ["old"])
    equal("body", desk.get("old")["Body"], b"old")
    refused(desk.client.get_object, "NoSuchKey", Bucket=desk.bucket, Key="new")


@S3.case("ListParts", "the parts that are there, in order, with number, size and ETag")
def parts_are_listed(desk: Desk) -> None:
    upload = Upload(desk)
    for number in (7, 2, 5):
        upload.part(number, b"x" * number)
    listed = desk.client.list_parts(**upload.place)["Parts"]
    found = [(part["PartNumber"], part["Size"], part["ETag"]) for part in listed]
    equal("parts", found, [(number, number, md5(b"x" * number)) for number in (2, 5, 7)])


@S3.case("ListParts", "pages of MaxParts go on after a part's number")
def parts_are_listed_in_pages(desk: Desk) -> None:
    upload = Upload(desk)
    for number in (1, 2, 3):
        upload.part(number, b"x")
    answer = desk.client.list_parts(**upload.place, MaxParts=2)
    found = [part["PartNumber"] for part in answer["Parts"]], answer["IsTruncated"], answer.get("NextPartNumberMarker")
    equal("first page", found, ([1, 2], True, 2))
    answer = desk.client.list_parts(**upload.place, PartNumberMarker=2)
    equal("second page", ([part["PartNumber"] for part in answer["Parts"]], answer["IsTruncated"]), ([3], False))


@S3.case("ListMultipartUploads", "uploads in progress are listed")
def uploads_are_listed(desk: Desk) -> None:
    upload = Upload(desk)
    listed = desk.client.list_multipart_uploads(Bucket=desk.bucket)["Uploads"]
    equal("uploads", [(entry["Key"], entry["UploadId"]) for entry in listed], [("key", upload.place["UploadId"])])


@S3.case("AbortMultipartUpload", "204; then there is no such upload, no part and no object")
def an_upload_is_aborted(desk: Desk) -> None:
    upload = Upload(desk)
    upload.part(1, b"x")
    answer = desk.client.abort_multipart_upload(**upload.place)
    equal("status", answer["ResponseMetadata"]["HTTPStatusCode"], 204)
    refused(desk.client.upload_part, "NoSuchUpload", status=404, **upload.place, PartNumber=2, Body=b"x")
    refused(desk.client.list_parts, "NoSuchUpload", status=404, **upload.place)
    upload.refused("NoSuchUpload", status=404)
    equal("keys", desk.keys(), [])


@S3.case("UploadPart", "NoSuchUpload, 404, for an upload that never was")
def an_upload_of_nobody(desk: Desk) -> None:
    place = {"Bucket": desk.bucket, "Key": "key", "UploadId": "never-was"}
    refused(desk.client.upload_part, "NoSuchUpload", status=404, **place, PartNumber=1, Body=b"x")


@S3.case(EXPECT, "who refuses a request before its body came says that the connection closes, or goes on with the next")
def a_refusal_before_the_body(desk: Desk) -> None:
    desk.put("key", b"x")
    place, missing = f"/{desk.bucket}/key", f"/nowhere-{desk.number}/key"
    where = urlsplit(desk.target.url)

    def head(method: str, path: str, body: bytes = b"", **more: str) -> bytes:
        headers = {**desk.target.signature(method, path, body=body), **more}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode()

    for _ in range(60):
        with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
            connection.sendall(head("PUT", missing, b"x", **{"Expect": "100-continue", "Content-Length": "1"}))
            answer = connection.recv(65_536)
            if answer.startswith(b"HTTP/1.1 100") or b"connection: close" in answer.lower():
                continue
            holds(answer.startswith(b"HTTP/1.1 404"), f"the refusal is {short(answer)}")
            # The body is not sent, for nobody asked for it.
            try:
                connection.sendall(head("GET", place))
                answer = connection.recv(65_536)
            except OSError as error:
                raise Broken(f"the next request on the connection: {type(error).__name__}") from error
            holds(answer.startswith(b"HTTP/1.1 200"), f"the next request on the connection: {short(answer)}")


@S3.case(
    "CompleteMultipartUpload", "EntityTooSmall, 400, if a part but the last has less than 5 MiB; the upload goes on"
)
def a_part_is_too_small(desk: Desk) -> None:
    upload = Upload(desk)
    upload.part(1, b"x" * (PART_BYTES - 1))
    upload.part(2, b"y")
    upload.refused("EntityTooSmall")
    equal("keys", desk.keys(), [])
    upload.part(1, b"x" * PART_BYTES)
    upload.complete()


@S3.case("CompleteMultipartUpload", "InvalidPartOrder, 400, if the list is not in ascending order")
def parts_out_of_order(desk: Desk) -> None:
    upload = Upload(desk)
    upload.part(1, b"x" * PART_BYTES)
    upload.part(2, b"y" * PART_BYTES)
    upload.refused("InvalidPartOrder", 2, 1)


@S3.case("CompleteMultipartUpload", "InvalidPart, 400, for a part that was not uploaded, or has another ETag")
def a_part_is_not_there(desk: Desk) -> None:
    upload = Upload(desk)
    upload.part(1, b"x")
    upload.etags[2] = md5(b"never sent")
    upload.refused("InvalidPart", 2)
    upload.etags[1] = md5(b"other")
    upload.refused("InvalidPart", 1)


@S3.case("CompleteMultipartUpload", "a list without parts is a MalformedXML")
def an_upload_without_parts(desk: Desk) -> None:
    upload = Upload(desk)
    refused(
        desk.client.complete_multipart_upload, "MalformedXML", status=400, **upload.place, MultipartUpload={"Parts": []}
    )


@S3.case(LIMITS, "part numbers are 1 to 10,000; others are an InvalidArgument")
def a_part_has_a_number(desk: Desk) -> None:
    upload = Upload(desk)
    for number in (0, 10_001):
        refused(desk.client.upload_part, "InvalidArgument", status=400, **upload.place, PartNumber=number, Body=b"x")


@S3.case(
    CONDITIONAL_WRITES, "a completion with If-None-Match: * answers 412 if the object is there, and changes nothing"
)
def an_upload_if_none_match(desk: Desk) -> None:
    upload = Upload(desk)
    upload.part(1, b"new")
    desk.put("key", b"old")
    upload.refused("PreconditionFailed", status=412, IfNoneMatch="*")
    equal("body", desk.get("key")["Body"], b"old")
    other = Upload(desk, "another")
    other.part(1, b"new")
    other.complete(IfNoneMatch="*")
    equal("body", desk.get("another")["Body"], b"new")


@S3.case(CONDITIONAL_WRITES, "a completion with If-Match replaces the object of this ETag, and no other: 412")
def an_upload_if_match(desk: Desk) -> None:
    etag = desk.put("key", b"old")["ETag"]
    upload = Upload(desk)
    upload.part(1, b"new")
    upload.refused("PreconditionFailed", status=412, IfMatch=md5(b"other"))
    equal("body", desk.get("key")["Body"], b"old")
    upload = Upload(desk)
    upload.part(1, b"new")
    upload.complete(IfMatch=etag)
    equal("body", desk.get("key")["Body"], b"new")
