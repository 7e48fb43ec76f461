"""What the OpenAPI document of the API cannot say, said to schemathesis; see `schemathesis.sh`."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import schemathesis
from schemathesis import GenerationMode

STREAM_NAMES = ("StreamName", "streamName", "stream-name")
DATA = ("Data", "data", "value")
NAMES = ("streaming-0afff2eeb7e3-pin", "0afff2eeb7e3.geo", "user")
HASH_KEYS = ("ExplicitHashKey", "explicit-hash-key", "explicitHashKey")


# The same JSON under the name that AWS clients use, and JSON by lines.
schemathesis.serializer.alias("application/x-amz-json-1.1", "application/json")


@schemathesis.serializer("application/x-ndjson")
def lines(_: Any, value: Any) -> bytes | None:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else json.dumps(value).encode()


@schemathesis.hook
def before_call(_: Any, case: schemathesis.Case, __: dict[str, Any]) -> None:
    """Makes valid what is valid by its schema and not by its meaning; and some of it such that it is stored."""
    meta = case.meta
    if meta is None or meta.generation.mode is not GenerationMode.POSITIVE:
        return
    chance = zlib.crc32(repr((case.path_parameters, case.body)).encode("utf-8", "surrogatepass"))
    # Hardly any random name leads to a dataset.
    for name in ("stream", "topic"):
        if name in (case.path_parameters or {}) and chance % 4:
            case.path_parameters[name] = NAMES[chance % len(NAMES)]
    if not isinstance(case.body, dict):
        return
    records = case.body.get("records")
    for place, record in enumerate([case.body, *(records if isinstance(records, list) else [])]):
        if isinstance(record, dict):
            make_valid(record, case, chance // 4 + place)


def make_valid(record: dict[str, Any], case: schemathesis.Case, chance: int) -> None:
    # If a body names a stream, it must be of the dataset that the path names.
    for name in STREAM_NAMES:
        if isinstance(record.get(name), str):
            record[name] = (case.path_parameters or {}).get("stream")
    # Kinesis' own pattern lets a few numbers above 2^128 through.
    for name in HASH_KEYS:
        if isinstance(record.get(name), str):
            record[name] = str(int(record[name]) % 2**128)
    # Hardly any random value is a row.
    for name in DATA:
        if name in record and chance % 3:
            row = {"index": chance % 1000, "ind": chance % 1000, "extra": record[name]}
            as_text = chance % 3 == 1 or "binary" in (case.media_type or "")
            as_text = as_text and (name != "value" or "binary" in (case.media_type or ""))
            record[name] = base64.b64encode(json.dumps(row).encode()).decode() if as_text else row
