"""Holds `cleaning.py` to the very cases that hold the Rust code, `crates/dataset/testdata/*.jsonl`: two programs and one
set of hand-written answers. A case reads as `crates/dataset/tests/cases.rs` says.

    python tests/outside/test_cleaning.py
"""

from __future__ import annotations

import base64
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import cleaning

CASES = Path(__file__).resolve().parents[2] / "crates" / "dataset" / "testdata"


def payload(case: dict[str, Any], base: dict[str, Any]) -> bytes:
    """The record that a case is about."""
    if "text" in case:
        return case["text"].encode()
    if "base64" in case:
        return base64.b64decode(case["base64"])
    if "nested" in case:
        return b'{"index":1,"deep":' + b"[" * case["nested"] + b"1" + b"]" * case["nested"] + b"}"
    if "padded" in case:
        frame = b'{"index":1,"title":"%s"}'
        return frame % (b"x" * (case["padded"] - len(frame % b"")))
    record = {name: value for name, value in base.items() if name not in case.get("without", [])}
    return json.dumps(record | case.get("with", {}), ensure_ascii=False).encode()


def as_text(column: str, value: Any) -> Any:
    """A value as the cases write it."""
    if value is None or column == cleaning.RESCUED:
        return value
    if isinstance(value, datetime):
        written = value.isoformat(timespec="milliseconds" if value.microsecond else "seconds")
        return written.replace("+00:00", "Z")
    return str(value)


def expected(column: str, written: str | None) -> Any:
    """A case's answer, comparable with `as_text`. `_rescued` is compared as JSON: white space in it means nothing."""
    if column == cleaning.RESCUED and written is not None:
        return dict(cleaning.parse_json(written))
    return written


def differences(dataset: str, case: dict[str, Any], base: dict[str, Any]) -> list[str]:
    """What the second implementation says otherwise than the case."""
    outcome = cleaning.clean(dataset, payload(case, base))
    if "reject" in case:
        if not isinstance(outcome, cleaning.Reject):
            return [f"expected a reject, was accepted as {outcome}"]
        if outcome.field not in (cleaning.ANY_FIELD, case["reject"]["field"]):
            return [f"expected fault in {case['reject']['field']}, found it in {outcome.field}"]
        return []
    if isinstance(outcome, cleaning.Reject):
        return [f"expected a row, was rejected for {outcome.field}"]
    return [
        f"{column}: expected {written!r}, found {as_text(column, outcome[column])!r}"
        for column, written in case["row"].items()
        if as_text(column, outcome[column]) != expected(column, written)
    ]


def main() -> int:
    passed = failed = 0
    for file in sorted(CASES.glob("*.jsonl")):
        dataset, base = file.stem, {}
        if dataset not in cleaning.DATASETS:
            print(f"{file}: no rules for dataset `{dataset}`", file=sys.stderr)
            failed += 1
            continue
        for line in file.read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            if "base" in case:
                base = case["base"]
                continue
            wrong = differences(dataset, case, base)
            passed, failed = (passed, failed + 1) if wrong else (passed + 1, failed)
            for difference in wrong:
                print(f"{dataset}: {case['case']}: {difference}", file=sys.stderr)
    if not passed:
        print(f"no cases found in {CASES}", file=sys.stderr)
        failed += 1
    print(f"cleaning cases: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
