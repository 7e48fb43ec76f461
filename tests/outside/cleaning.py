"""The cleaning rules, a second time: written in Python from the rules' text, so that the tables are judged by a witness that
shares no code and no library with the program that wrote them.

`clean(dataset, payload)` answers a `dict` (the row, column by column, in the table's order) or a `Reject`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

# What one record may cost.
MAX_BYTES = 1 << 20
MAX_DEPTH = 32

# Unicode's White_Space. `str.strip()` alone would also take the separators U+001C to U+001F.
WHITE_SPACE = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f"
    "\u205f\u3000"
)

PLACEHOLDERS = {
    "null",
    "n/a",
    "none",
    "nan",
    "user info error",
    "image src error.",
    "n,o, ,t,a,g,s, ,a,v,a,i,l,a,b,l,e",
    "no title data available",
    "no description available",
    "no description available story format",
}

INT32 = (-(2**31), 2**31 - 1)
INT64_MAX = 2**63 - 1

# A fault whose field is not worth finding out.
ANY_FIELD = "*"


@dataclass(frozen=True)
class Reject:
    """A record that cannot become a row; `field` is the JSON field at fault, `None` when the whole record is."""

    field: str | None


@dataclass(frozen=True)
class Number:
    """A JSON number as the digits that were sent: a float would lose some."""

    digits: str


class Pairs(list):
    """A JSON object as the pairs that were sent: a dict would lose repeated names."""


class Unreadable(Exception):
    """A value that cannot be read as what its column asks for."""


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=Pairs, parse_int=Number, parse_float=Number, parse_constant=_no_constant, strict=True
)


def parse_json(text: str) -> Any:
    """Strict JSON with its numbers as `Number` and its objects as `Pairs`. Raises `ValueError`."""
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


# ── values ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Unreadable
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise Unreadable  # half of a surrogate pair
    return value.strip(WHITE_SPACE)


def _ascii_lower(text: str) -> str:
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


def text(value: Any, placeholders: bool = False, prefix: str = "") -> str | None:
    """Trimmed text; `None` when nothing is left, or only a placeholder."""
    if value is None:
        return None
    trimmed = _text(value)
    if placeholders and _ascii_lower(trimmed) in PLACEHOLDERS:
        return None
    return trimmed.removeprefix(prefix).strip(WHITE_SPACE) or None


def _numeral(value: Any) -> str:
    return value.digits if isinstance(value, Number) else _text(value)


def _double(numeral: str) -> float:
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", numeral):
        raise Unreadable
    number = float(numeral)
    if number in (float("inf"), float("-inf")):
        raise Unreadable
    return number


def _exact(numeral: str) -> int:
    """The whole number of at most 64 bits that a numeral equals, by its digits alone."""
    found = re.fullmatch(r"([+-]?)(?=\.?[0-9])([0-9]*)\.?([0-9]*)(?:[eE]([+-]?)([0-9]+))?", numeral)
    if not found:
        raise Unreadable
    sign, before, behind, exponent_sign, exponent = found.groups(default="")
    digits = (before + behind).lstrip("0")
    significant = digits.rstrip("0")
    if not significant:
        return 0
    # Twenty digits are more than any record has places; the rest of a longer exponent changes nothing.
    shift = int(exponent_sign + (exponent.lstrip("0")[:20] or "0"))
    zeros = shift - len(behind) + len(digits) - len(significant)
    if zeros < 0 or len(significant) + zeros > 19:
        raise Unreadable
    return int(sign + significant + "0" * zeros)


def whole(value: Any, low: int = INT32[0], high: int = INT32[1]) -> int | None:
    """A whole number, also as text, as `6.0` or as `1e3`; true and false are 1 and 0."""
    if value is None:
        return None
    if isinstance(value, bool):
        number = int(value)
    else:
        numeral = _numeral(value)
        if not numeral:
            return None
        number = _exact(numeral)
    if not low <= number <= high:
        raise Unreadable
    return number


def double(value: Any, low: float, high: float) -> float | None:
    """A double, also as text, within its bounds."""
    if value is None:
        return None
    numeral = _numeral(value)
    if not numeral:
        return None
    number = _double(numeral)
    if not low <= number <= high:
        raise Unreadable
    return number


def count(value: Any) -> int | None:
    """A count as people write it: `394`, `1,234`, `12k`, `1.5M`, `9k+`. Exact, without a sign, at most an int64."""
    if value is None:
        return None
    numeral = _numeral(value)
    if not numeral:
        return None
    found = re.fullmatch(r"([0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.([0-9]+))?([kKmMbB]?)\+?", numeral)
    if not found:
        raise Unreadable
    digits, decimals, suffix = found[1].replace(",", ""), (found[2] or "").rstrip("0"), found[3].lower()
    zeros = {"": 0, "k": 3, "m": 6, "b": 9}[suffix]
    if len(decimals) > zeros:
        raise Unreadable
    number = int(digits + decimals) * 10 ** (zeros - len(decimals))
    if number > INT64_MAX:
        raise Unreadable
    return number


def timestamp(value: Any) -> datetime | None:
    """`YYYY-MM-DD HH:MM:SS`, with up to six decimals, in UTC."""
    if value is None:
        return None
    written = _text(value)
    if not written:
        return None
    found = re.fullmatch(
        r"([0-9]{4})-([0-9]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,6}))?", written
    )
    if not found:
        raise Unreadable
    *parts, decimals = found.groups()
    try:
        return datetime(*map(int, parts), int((decimals or "0").ljust(6, "0")), tzinfo=timezone.utc)
    except ValueError:
        raise Unreadable from None


# ── records ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Record:
    """The fields of one record. Reading a value that cannot be read rejects the record, unless told otherwise."""

    def __init__(self, fields: dict[str, Any]):
        self.fields = fields
        self.rescued: dict[str, Any] = {}

    def read(self, field: str, how: Any, *args: Any, **options: Any) -> Any:
        try:
            return how(self.fields.get(field), *args, **options)
        except Unreadable:
            raise _Rejected(field) from None

    def read_or_null(self, field: str, how: Any) -> Any:
        """`None` for what cannot be read; the original is kept."""
        try:
            return how(self.fields.get(field))
        except Unreadable:
            self.rescued[field] = self.fields[field]
            return None

    def required(self, field: str, how: Any) -> Any:
        value = self.read(field, how)
        if value is None:
            raise _Rejected(field)
        return value


class _Rejected(Exception):
    def __init__(self, field: str | None):
        self.reject = Reject(field)


def _pin(record: Record) -> dict[str, Any]:
    return {
        "ind": record.required("index", whole),
        "unique_id": record.read("unique_id", text),
        "title": record.read("title", text, placeholders=True),
        "description": record.read("description", text, placeholders=True),
        "follower_count": record.read_or_null("follower_count", count),
        "poster_name": record.read("poster_name", text, placeholders=True),
        "tag_list": record.read("tag_list", text, placeholders=True),
        "is_image_or_video": record.read("is_image_or_video", text),
        "image_src": record.read("image_src", text, placeholders=True),
        "save_location": record.read("save_location", text, prefix="Local save in "),
        "category": record.read("category", text),
    }


def _geo(record: Record) -> dict[str, Any]:
    ind = record.required("ind", whole)
    country = record.read("country", text)
    latitude = record.read("latitude", double, -90.0, 90.0)
    longitude = record.read("longitude", double, -180.0, 180.0)
    if (latitude is None) != (longitude is None):
        raise _Rejected("latitude" if latitude is None else "longitude")
    coordinates = None if latitude is None else [latitude, longitude]
    return {
        "ind": ind,
        "country": country,
        "coordinates": coordinates,
        "timestamp": record.read("timestamp", timestamp),
    }


def _user(record: Record) -> dict[str, Any]:
    ind = record.required("ind", whole)
    parts = [record.read(field, text) for field in ("first_name", "last_name")]
    return {
        "ind": ind,
        "user_name": " ".join(part for part in parts if part) or None,
        "age": record.read("age", whole, 0, 150),
        "date_joined": record.read("date_joined", timestamp),
    }


@dataclass(frozen=True)
class Dataset:
    """How a dataset's records are cleaned, and the fields that it knows; any other goes to `_rescued`."""

    clean: Any
    fields: frozenset[str]


DATASETS = {
    "pin": Dataset(
        _pin,
        frozenset(
            "index unique_id title description poster_name follower_count tag_list is_image_or_video image_src "
            "downloaded save_location category".split()
        ),
    ),
    "geo": Dataset(_geo, frozenset("ind timestamp latitude longitude country".split())),
    "user": Dataset(_user, frozenset("ind first_name last_name age date_joined".split())),
}

# The columns that a table has besides the dataset's own, in order.
RESCUED = "_rescued"
ADDED = [RESCUED, "_ingested_at", "_origin", "ingest_date", "ingest_path"]


def columns(dataset: str) -> list[str]:
    """The dataset's own columns, in the table's order."""
    key = "index" if dataset == "pin" else "ind"
    return list(DATASETS[dataset].clean(Record({key: Number("1")})))


def _fields(payload: bytes, known: frozenset[str]) -> dict[str, Any]:
    if len(payload) > MAX_BYTES:
        raise _Rejected(None)
    try:
        pairs = parse_json(payload.decode("utf-8"))
    except ValueError as error:
        raise _Rejected(ANY_FIELD if "deep" in str(error) else None) from None
    if not isinstance(pairs, Pairs):
        raise _Rejected(None)
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if any("\ud800" <= character <= "\udfff" for character in name):
            raise _Rejected(None)
        if name in fields or _depth(value) > MAX_DEPTH - 1:
            raise _Rejected(name if name in known else _cut(name))
        fields[name] = value
    return fields


def _cut(name: str) -> str:
    """At most 128 bytes, of which what JSON escapes takes seven."""
    taken = 0
    for place, character in enumerate(name):
        taken += 7 if character < " " or character in '"\\\x7f' else len(character.encode())
        if taken > 128:
            return name[:place] + "…"
    return name


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level := [v for v in level if isinstance(v, list)]:
        deepest += 1
        level = [part for v in level for part in ((x for _, x in v) if isinstance(v, Pairs) else v)]
    return deepest


def clean(dataset: str, payload: bytes) -> dict[str, Any] | Reject:
    """One record's row, with `_rescued` as parsed JSON, or why it has none."""
    rules = DATASETS[dataset]
    try:
        record = Record(_fields(payload, rules.fields))
        row = rules.clean(record)
    except _Rejected as rejected:
        return rejected.reject
    unknown = {name: value for name, value in record.fields.items() if name not in rules.fields}
    return {**row, RESCUED: {**record.rescued, **unknown} or None}
