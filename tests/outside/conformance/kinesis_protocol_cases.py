"""Kinesis, by its documentation: what holds for all operations."""

from __future__ import annotations

import json
from typing import Any

from kinesis_cases import COMMON_ERRORS, KINESIS, Desk
from services import Keys
from suite import equal, holds, refused, short


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
