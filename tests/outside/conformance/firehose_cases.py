"""Firehose, by its documentation: as much of it as Pinlake calls.

A delivery stream is made by whoever deploys, not by these cases: ours makes its own, moto is told to.
"""

from __future__ import annotations

import gzip
import time
from functools import cached_property
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import ClientError

from services import BUCKET
from suite import Suite, Target, code_of, equal, holds, refused, until

FIREHOSE = Suite("firehose", "https://docs.aws.amazon.com/firehose/latest/APIReference/API_{}.html")

# One of those that `pinlake up` has.
STREAM = "pinlake-pin"
FORMAT = "https://docs.aws.amazon.com/firehose/latest/dev/s3-object-name.html"
PREFIXES = "https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html"
MEBIBYTE = 1024 * 1024


class Desk:
    """What a case works with: a delivery stream, and what is sent told from what others sent."""

    def __init__(self, target: Target, number: int):
        self.target = target
        self.mark = f"case {number} at {time.time_ns()}".encode()

    @cached_property
    def client(self) -> BaseClient:
        client = self.target.client()
        try:
            client.describe_delivery_stream(DeliveryStreamName=STREAM)
        except ClientError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise
            self.lake.create_bucket(Bucket=BUCKET)
            client.create_delivery_stream(DeliveryStreamName=STREAM, ExtendedS3DestinationConfiguration=DESTINATION)
        return client

    @cached_property
    def lake(self) -> BaseClient:
        """Where the stream puts its objects."""
        return Target("s3", self.target.name, self.target.bucket, self.target.keys).client()

    def batch(self, *records: bytes) -> dict[str, Any]:
        return self.client.put_record_batch(DeliveryStreamName=STREAM, Records=[{"Data": record} for record in records])

    def delivered(self) -> dict[str, bytes]:
        """The objects that have this case's mark in them, by key."""
        keys = [entry["Key"] for entry in self.lake.list_objects_v2(Bucket=BUCKET, Prefix="raw").get("Contents", [])]
        objects = {key: self.lake.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}
        return {key: body for key, body in objects.items() if self.mark in plain(body)}


# As `template.yaml` has it.
DESTINATION = {
    "RoleARN": "arn:aws:iam::123456789012:role/pinlake",
    "BucketARN": f"arn:aws:s3:::{BUCKET}",
    "Prefix": "raw/pin/date=!{timestamp:yyyy-MM-dd}/",
    "ErrorOutputPrefix": "raw-errors/pin/!{firehose:error-output-type}/",
    "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 60},
    "CompressionFormat": "GZIP",
}


def plain(body: bytes) -> bytes:
    return gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body


@FIREHOSE.case("PutRecord", "a record is answered with an id of its own")
def a_record_has_an_id(desk: Desk) -> None:
    ids = {desk.client.put_record(DeliveryStreamName=STREAM, Record={"Data": b"x\n"})["RecordId"] for _ in range(5)}
    equal("ids", len(ids), 5)


@FIREHOSE.case("PutRecordBatch", "up to 500 records, each answered with an id in the order of the request; none failed")
def five_hundred_records(desk: Desk) -> None:
    answer = desk.batch(*[b"x\n"] * 500)
    found = (
        answer["FailedPutCount"],
        len(answer["RequestResponses"]),
        len({entry["RecordId"] for entry in answer["RequestResponses"]}),
    )
    equal("failed, answers, ids", found, (0, 500, 500))


@FIREHOSE.case("PutRecordBatch", "no record, or more than 500, are refused")
def too_many_records(desk: Desk) -> None:
    codes = "ValidationException", "InvalidArgumentException"
    for number in (0, 501):
        records = [{"Data": b"x\n"}] * number
        refused(desk.client.put_record_batch, *codes, status=400, DeliveryStreamName=STREAM, Records=records)


@FIREHOSE.case("PutRecordBatch", "a request has up to 4 MiB before base64; more is refused")
def four_mebibytes(desk: Desk) -> None:
    equal("failed", desk.batch(*[b"x" * (MEBIBYTE // 2)] * 8)["FailedPutCount"], 0)
    records = [{"Data": b"x" * (MEBIBYTE // 2)}] * 8 + [{"Data": b"x"}]
    codes = "ValidationException", "InvalidArgumentException"
    refused(desk.client.put_record_batch, *codes, status=400, DeliveryStreamName=STREAM, Records=records)


@FIREHOSE.case("PutRecord", "a record has up to 1,000 KiB before base64; more fails validation")
def a_record_has_a_thousand_kibibytes(desk: Desk) -> None:
    desk.client.put_record(DeliveryStreamName=STREAM, Record={"Data": b"x" * 1_024_000})
    codes = "ValidationException", "InvalidArgumentException"
    record = {"Data": b"x" * 1_024_001}
    refused(desk.client.put_record, *codes, status=400, DeliveryStreamName=STREAM, Record=record)


@FIREHOSE.case("PutRecordBatch", "ResourceNotFoundException for a stream that is not there")
def a_missing_stream(desk: Desk) -> None:
    missing = {"DeliveryStreamName": "nothing"}
    refused(desk.client.put_record, "ResourceNotFoundException", status=400, **missing, Record={"Data": b"x"})
    refused(desk.client.put_record_batch, "ResourceNotFoundException", status=400, **missing, Records=[{"Data": b"x"}])
    refused(desk.client.describe_delivery_stream, "ResourceNotFoundException", status=400, **missing)


@FIREHOSE.case("DescribeDeliveryStream", "the description has the settings that the stream was made with")
def a_stream_is_described(desk: Desk) -> None:
    found = desk.client.describe_delivery_stream(DeliveryStreamName=STREAM)["DeliveryStreamDescription"]
    equal("status", found["DeliveryStreamStatus"], "ACTIVE")
    settings = found["Destinations"][0]["ExtendedS3DestinationDescription"]
    equal("compression", settings["CompressionFormat"], "GZIP")
    equal("prefix", settings["Prefix"], DESTINATION["Prefix"])


@FIREHOSE.case("ListDeliveryStreams", "streams are listed by name")
def streams_are_listed(desk: Desk) -> None:
    answer = desk.client.list_delivery_streams(Limit=10)
    holds(STREAM in answer["DeliveryStreamNames"], f"{STREAM} is not among {answer}")


@FIREHOSE.case("PutRecordBatch", "records are put together as they are, without a delimiter, each once and in order")
def records_are_put_together(desk: Desk) -> None:
    records = [desk.mark + b" record %d\n" % number for number in range(20)]
    desk.batch(*records)
    objects = until(desk.delivered, "the records are delivered", seconds=30)
    equal("objects", len(objects), 1)
    (body,) = objects.values()
    holds(b"".join(records) in plain(body), "they are not together and in order")
    equal("copies of the first", plain(body).count(records[0]), 1)


@FIREHOSE.case("ExtendedS3DestinationConfiguration", "with CompressionFormat GZIP objects are compressed")
def objects_are_compressed(desk: Desk) -> None:
    desk.batch(desk.mark + b"\n")
    (body,) = until(desk.delivered, "the record is delivered", seconds=30).values()
    holds(body.startswith(b"\x1f\x8b"), "the object is not compressed")


@FIREHOSE.case(PREFIXES, "!{timestamp:…} in a prefix becomes the time of arrival")
def prefixes_have_a_time(desk: Desk) -> None:
    before = time.strftime("%Y-%m-%d", time.gmtime())
    desk.batch(desk.mark + b"\n")
    (key,) = until(desk.delivered, "the record is delivered", seconds=30)
    days = {f"raw/pin/date={day}/" for day in (before, time.strftime("%Y-%m-%d", time.gmtime()))}
    holds(any(key.startswith(day) for day in days), f"the key is {key}")


@FIREHOSE.case(FORMAT, "an object is named stream-version-yyyy-MM-dd-HH-mm-ss-id, and .gz if it is compressed")
def objects_have_a_name(desk: Desk) -> None:
    before = time.gmtime()
    desk.batch(desk.mark + b"\n")
    (key,) = until(desk.delivered, "the record is delivered", seconds=30)
    name = key.rpartition("/")[2]
    stamps = {time.strftime(f"{STREAM}-1-%Y-%m-%d-%H-", moment) for moment in (before, time.gmtime())}
    holds(any(name.startswith(stamp) for stamp in stamps) and name.endswith(".gz"), f"the name is {name}")
