"""Signature Version 4 as others make it, botocore and curl, against an API that checks it.

    cargo run -- up --auth aws-iam
    python tests/outside/signatures.py http://127.0.0.1:3000/

Each signs requests for the service `execute-api`: rightly in all the ways that there are (headers, query, session
token, a path and a query that have to be encoded), and wrongly (another secret, an unknown key, another time, region
or service, a body that was changed). Needs botocore (`requirements-services.txt`), and curl 7.75 or later, which it
leaves out where there is none. Exits with 1 at the first answer that API Gateway would not have given.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ROW = b'{"StreamName":"geo","Data":{"ind":1,"country":"Albania","latitude":-8.98,"longitude":17.29,' \
      b'"timestamp":"2020-08-28 03:52:47"},"PartitionKey":"1"}'


@dataclass(frozen=True)
class Call:
    """A request, and who signs it how."""

    what: str
    status: int = 200
    kind: str = ""
    method: str = "PUT"
    path: str = "dev/streams/geo/record"
    body: bytes = ROW
    sent_body: bytes | None = None
    key: str = "pinlake"
    secret: str = "pinlake-local"
    token: str | None = None
    region: str = "us-east-1"
    service: str = "execute-api"
    minutes_ago: int = 0
    presigned: int | None = None


RIGHT = [
    Call("headers"),
    Call("headers, a body of 1 MB of blanks in it", body=ROW.replace(b",", b"," + b" " * 250_000)),
    Call("a session token", token="FwoGZXIvYXdzEJr//////////wEaDK+/=="),
    Call("a clock four minutes behind", minutes_ago=4),
    Call("a clock four minutes ahead", minutes_ago=-4),
    Call("no body", method="GET", path="health", body=b""),
    Call("a path that has to be encoded", method="GET", path="topics/a%20b%2Bc%C3%BC.geo", body=b""),
    Call("a query out of order", method="GET", path="topics?b=2&a=%20x&a=1&c=%2B&%C3%BC=1&empty=", body=b""),
    Call("presigned", method="GET", path="health", body=b"", presigned=60),
    Call("presigned, with a query and a session token", method="GET", path="topics?b=2&a=1", body=b"", presigned=60,
         token="a/+=="),
    Call("presigned an hour ago for a day", method="GET", path="health", body=b"", presigned=86_400, minutes_ago=60),
]
WRONG = [
    Call("another secret", 403, "InvalidSignatureException", secret="pinlake-other"),
    Call("an unknown key", 403, "UnrecognizedClientException", key="AKIAUNKNOWN"),
    Call("six minutes old", 403, "InvalidSignatureException", minutes_ago=6),
    Call("six minutes ahead", 403, "InvalidSignatureException", minutes_ago=-6),
    Call("another region", 403, "InvalidSignatureException", region="eu-west-1"),
    Call("another service", 403, "InvalidSignatureException", service="s3"),
    Call("another body", 403, "InvalidSignatureException", sent_body=ROW.replace(b"Albania", b"Algeria")),
    Call("presigned an hour ago for a minute", 403, "InvalidSignatureException", method="GET", path="health", body=b"",
         presigned=60, minutes_ago=60),
    Call("presigned with another secret", 403, "InvalidSignatureException", method="GET", path="health", body=b"",
         presigned=60, secret="pinlake-other"),
]


class WrongAnswer(Exception):
    """An answer that API Gateway would not have given."""


def signed(base: str, call: Call) -> tuple[str, dict[str, str]]:
    """The URL and the headers that botocore makes of a call."""
    now = datetime.now(timezone.utc) - timedelta(minutes=call.minutes_ago)
    # botocore asks one function for the time, wherever it signs.
    botocore.auth.get_current_datetime = lambda remove_tzinfo=True: now.replace(tzinfo=None) if remove_tzinfo else now
    headers = {"Content-Type": "application/json"} if call.body else {}
    request = AWSRequest(call.method, base + call.path, headers=headers, data=call.body)
    credentials = Credentials(call.key, call.secret, call.token)
    if call.presigned is None:
        signer = botocore.auth.SigV4Auth(credentials, call.service, call.region)
    else:
        signer = botocore.auth.SigV4QueryAuth(credentials, call.service, call.region, expires=call.presigned)
    signer.add_auth(request)
    return request.url, dict(request.headers.items())


def by_botocore(base: str, call: Call) -> tuple[int, str, str]:
    """Status, error type and body of the answer."""
    url, headers = signed(base, call)
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    # The target as it was signed: this client does not touch it.
    target = parts.path + ("?" + parts.query if parts.query else "")
    connection.request(call.method, target, body=call.sent_body or call.body, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.getheader("x-amzn-errortype", ""), answer.read().decode()


def by_curl(base: str, call: Call) -> tuple[int, str, str]:
    command = ["curl", "--silent", "--show-error", "--aws-sigv4", f"aws:amz:{call.region}:{call.service}",
               "--user", f"{call.key}:{call.secret}", "--request", call.method, "--write-out",
               "\n%{http_code}", "--dump-header", "/dev/stderr", base + call.path]
    if call.body:
        command += ["--header", "Content-Type: application/json", "--data-binary", "@-"]
    done = subprocess.run(command, input=call.body, capture_output=True, check=True)
    body, _, status = done.stdout.decode().rpartition("\n")
    headers = [line.partition(":") for line in done.stderr.decode().splitlines()]
    kinds = [value.strip() for name, _, value in headers if name.lower() == "x-amzn-errortype"]
    return int(status), "".join(kinds), body


def judge(who: str, call: Call, answer: tuple[int, str, str]) -> None:
    status, kind, body = answer
    if (status, kind) != (call.status, call.kind):
        raise WrongAnswer(f"{who}, {call.what}: {status} {kind} {body[:300]}, and not {call.status} {call.kind}")
    if status == 403:
        message = json.loads(body)["message"]
        if call.secret in body or (call.token and call.token in body) or "aws4_request" in message:
            raise WrongAnswer(f"{who}, {call.what}: the refusal tells too much: {body}")


def main() -> int:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    arguments.add_argument("base", help="the API's address, with a slash at its end")
    base = arguments.parse_args().base
    calls = 0
    try:
        for call in RIGHT + WRONG:
            judge("botocore", call, by_botocore(base, call))
            calls += 1
        unsigned = replace(WRONG[0], what="unsigned", kind="MissingAuthenticationTokenException")
        connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=30)
        connection.request("PUT", "/" + unsigned.path, body=ROW)
        answer = connection.getresponse()
        judge("nobody", unsigned, (answer.status, answer.getheader("x-amzn-errortype", ""), answer.read().decode()))
        if shutil.which("curl") is None:
            print("there is no curl here: it was left out")
        else:
            # curl 7.88 encodes no path twice and sorts no query, which AWS wants; so plain ones.
            for call in [RIGHT[0], replace(RIGHT[5], path="health"), WRONG[0], WRONG[1], WRONG[4], WRONG[5]]:
                judge("curl", call, by_curl(base, call))
                calls += 1
    except WrongAnswer as wrong:
        print(wrong, file=sys.stderr)
        return 1
    print(f"{calls} signed requests were answered as API Gateway answers them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
