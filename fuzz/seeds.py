"""Seeds for fuzzing, made from what the repository has already: the case files, the definitions, the sample events.

    python3 fuzz/seeds.py FOLDER

writes FOLDER/<target>/<name>, in the form that each target's module describes. Needs nothing but Python.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SEPARATOR = b"\x1e"
DATASETS = ["pin", "geo", "user"]
# As in src/door.rs: method, path, media type.
DOORS = [
    ("PUT", "/record", "application/json"),
    ("POST", "/record", None),
    ("PUT", "/records", "application/x-amz-json-1.1"),
    ("POST", "/records", "application/x-ndjson"),
    ("POST", "/topics", "application/vnd.kafka.json.v2+json"),
    ("POST", "/topics", "application/vnd.kafka.binary.v2+json"),
    ("POST", "/topics", None),
    ("PUT", "/records", "text/plain"),
]


def lines(path: str) -> list[dict]:
    return [json.loads(line) for line in (ROOT / path).read_text().splitlines() if line.strip()]


def records() -> Iterator[tuple[int, bytes]]:
    """Of each dataset, by its place in DATASETS, the records of its cases."""
    for place, dataset in enumerate(DATASETS):
        base: dict = {}
        for case in lines(f"crates/dataset/testdata/{dataset}.jsonl"):
            if "base" in case:
                base = case["base"]
            if "text" in case:
                yield place, case["text"].encode("utf-8", "surrogatepass")
            elif "nested" not in case and "padded" not in case and "base64" not in case:
                record = {**base, **case.get("with", {})}
                for name in case.get("without", []):
                    record.pop(name, None)
                yield place, json.dumps(record).encode()


def bodies() -> Iterator[tuple[int, bytes]]:
    """Bodies of the API's cases, with the doors through which they may go."""
    for file in ("streams", "topics"):
        for case in lines(f"functions/ingest/testdata/{file}.jsonl"):
            body = case.get("send") or case.get("gzip") or (json.dumps(case["json"]) if "json" in case else None)
            if body is None or len(body) > 3000:
                continue
            for door, (_, path, media_type) in enumerate(DOORS):
                fits = path in case["path"] if file == "topics" else case["path"].endswith(path)
                if fits and (media_type or "").split("+")[0] == case.get("type", "").split("+")[0]:
                    yield door, body.encode("utf-8", "surrogatepass")
            if case.get("type") is None or "json" in case.get("type", ""):
                yield (0 if case["path"].endswith("/record") else 2 if file == "streams" else 4), body.encode()


def seeds() -> Iterator[tuple[str, bytes]]:
    whole: dict[int, list[bytes]] = {}
    for place, record in records():
        whole.setdefault(place, []).append(record)
        yield "cleaning", bytes([place]) + record
        yield "raw_objects", b"\x01\x10" + record + b"\n" + record
        # In `kinesis` and `kafka` a record's first byte chooses the stream, and 12 its base64.
        stream = [1, 2, 0][place]
        yield "kinesis", b"\x01" + bytes([12 + stream]) + record
        yield "kafka", b"\x01" + bytes([12 + [1, 2, 0][place]]) + record
    for place, of_dataset in whole.items():
        few = of_dataset[:8]
        yield "cleaning", bytes([place]) + SEPARATOR.join(few)
        yield "kinesis", b"\x01" + SEPARATOR.join(bytes([how]) + record for how, record in enumerate(few))
        yield "kafka", b"\x01" + SEPARATOR.join(bytes([how]) + record for how, record in enumerate(few))
        text = b"\n".join(of_dataset[:20])
        for way in range(8):
            yield "raw_objects", bytes([way, 200]) + text
        yield "raw_objects", b"\x00\x40" + gzip.compress(text, mtime=0) + gzip.compress(few[0], mtime=0)
    for file in (ROOT / "datasets").glob("*.toml"):
        text = file.read_bytes()
        yield "definitions", text
        for column in text.split(b"[[column]]")[1:]:
            yield "definitions", b'key = ["ind"]\n\n[[column]]' + column
    for door, body in bodies():
        for validation in (0, 1):
            yield "routes", bytes([door * 2 + validation]) + body
        for way in range(7):
            yield "gzip", bytes([door, way]) + body
        yield "gzip", bytes([door, 0]) + gzip.compress(body, mtime=0)
    for event in ("kinesis", "kafka"):
        parsed = json.loads((ROOT / f"events/stream-{event}.json").read_text())
        yield event, b"\x00" + json.dumps(parsed).encode()
        if event == "kinesis":
            parsed["Records"] = parsed["Records"][:1]
        else:
            parsed["records"] = {name: found[:1] for name, found in list(parsed["records"].items())[:1]}
        yield event, b"\x00" + json.dumps(parsed, separators=(",", ":")).encode()
    # A message of the producer library: a partition key, and two records of that key.
    users = b"".join(b"\x1a" + bytes([len(r) + 4]) + b"\x08\x00\x1a" + bytes([len(r)]) + r for r in (b'{"ind":1}', b"x"))
    yield "kpl", b"\x0a\x01k" + users
    yield "kpl", b'{"ind":1}\x1e{"ind":2}'
    yield "kpl", b""


def main() -> None:
    folder = Path(sys.argv[1])
    count = 0
    for target, seed in seeds():
        path = folder / target / hashlib.sha1(seed).hexdigest()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(seed)
        count += 1
    print(f"{count} seeds in {folder}")


if __name__ == "__main__":
    main()
