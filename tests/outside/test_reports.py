"""Holds `reports.py`, and `reports/*.sql` run by DuckDB, to the very cases that hold the Rust code,
`functions/analytics/testdata/reports/*.toml`: three programs and one set of hand-written answers.

    python tests/outside/test_reports.py
"""

from __future__ import annotations

import sys
import tomllib
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from reports import QUESTIONS, SCHEMAS, SQL, Lake, Rows, differences, in_duckdb

CASES = Path(__file__).resolve().parents[2] / "functions" / "analytics" / "testdata" / "reports"


def latest(dataset: str, rows: list[dict[str, Any]]) -> Rows:
    """The latest row of each key: by arrival, then by its place in the file."""
    found: dict[int, tuple[int, dict[str, Any]]] = {}
    for row in rows:
        known = found.get(row["ind"])
        if known is None or row.get("at", 0) >= known[0]:
            found[row["ind"]] = row.get("at", 0), row
    return {ind: complete(dataset, row) for ind, (_, row) in found.items()}


def complete(dataset: str, row: dict[str, Any]) -> dict[str, Any]:
    """The row with its nulls and its times."""
    cells = {name: row.get(name) for name in SCHEMAS[dataset].names}
    for name in ("timestamp", "date_joined"):
        if cells.get(name) is not None:
            cells[name] = datetime.fromisoformat(cells[name]).replace(tzinfo=timezone.utc)
    return cells


def main() -> int:
    passed = failed = 0
    for file in sorted(CASES.glob("*.toml")):
        _, question = QUESTIONS[file.stem[:2]]
        sql = (SQL / f"{file.stem}.sql").read_text(encoding="utf-8")
        for case in tomllib.loads(file.read_text(encoding="utf-8"))["case"]:
            lake = Lake(**{dataset: latest(dataset, case.get(dataset, [])) for dataset in SCHEMAS})
            expected = [tuple(row) for row in case["expect"]]
            for who, found in (("plain Python", question(lake)), ("DuckDB", in_duckdb(lake, sql))):
                wrong = list(differences(expected, found))
                passed, failed = passed + (not wrong), failed + bool(wrong)
                for difference in wrong:
                    print(f"FAILED  {file.stem}, {case['name']}, by {who}: {difference}")
    print(f"cases of the reports: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
