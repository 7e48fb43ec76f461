"""S3, by its documentation: who may ask."""

from __future__ import annotations

import datetime
import time
from urllib.parse import quote

from s3_cases import ERRORS, GUIDE, S3, SIGNING, Desk
from services import Keys
from suite import code_in, equal, refused


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
