"""Holds the comparison of `ledger.py` to its promise: each kind of wrong is noticed, and nothing else is.

    python tests/endurance/test_ledger.py
"""

from __future__ import annotations

import sys
from random import Random

from client import promised
from ledger import Entry, Ledger, Stored, compare, id_of, make

STREAM = "kinesis/pinlake-pin/shardId-000000000000/"


def books() -> Ledger:
    """Two acknowledged records, one of which is broken, and one without an answer."""
    ledger = Ledger(1)
    ledger.acknowledged = {
        "sound": Entry("pin", False, "records", STREAM + "1"),
        "broken": Entry("pin", True, "topics"),
    }
    ledger.unsure = {"unsure": Entry("pin", False, "records")}
    return ledger


def table(origin: str) -> Stored:
    return Stored("pin", "table", origin)


def quarantine(origin: str) -> Stored:
    return Stored("pin", "quarantine", origin)


SOUND = {"sound": [table(STREAM + "1")], "broken": [quarantine("raw/a#1")]}

# What is found, and the word that the verdict must have; none if nothing is wrong.
CASES = [
    ("all there", SOUND, None),
    ("what had no answer may be there", SOUND | {"unsure": [table(STREAM + "2")]}, None),
    ("nothing there", {}, "missing"),
    ("one missing", {"sound": SOUND["sound"]}, "missing"),
    ("twice in the table", SOUND | {"sound": [table(STREAM + "1"), table(STREAM + "9")]}, "more than once"),
    ("in both places", SOUND | {"sound": [table(STREAM + "1"), quarantine(STREAM + "9")]}, "more than once"),
    ("no answer, and twice", SOUND | {"unsure": [table(STREAM + "2"), table(STREAM + "3")]}, "more than once"),
    ("the wrong place", SOUND | {"broken": [table("raw/a#1")]}, "wrong place"),
    ("another dataset's", SOUND | {"broken": [Stored("geo", "quarantine", "raw/a#1")]}, "wrong place"),
    ("another origin", SOUND | {"sound": [table(STREAM + "2")]}, "another origin"),
    ("never sent", SOUND | {"stranger": [table(STREAM + "2")]}, "never sent"),
    ("one origin for two", SOUND | {"unsure": [table(STREAM + "1")]}, "origins belong"),
]

# An answer, and what it promises of each record.
ANSWERS = [
    ("record", 200, b'{"SequenceNumber":"7","ShardId":"s"}', ["kinesis/pinlake-pin/s/7"]),
    ("records", 200, b'{"Records":[{"ErrorCode":"InternalFailure"},{"SequenceNumber":"7","ShardId":"s"}]}',
     [None, "kinesis/pinlake-pin/s/7"]),
    ("topics", 200, b'{"offsets":[{"offset":1,"error_code":null},{"offset":null,"error_code":50003}]}', ["", None]),
    ("records", 429, b'{"FailedRecordCount":1,"Records":[{"ErrorCode":"x"}]}', None),
    ("topics", 503, b"{}", None),
]


def main() -> int:
    wrong = []
    for case, found, word in CASES:
        verdict = compare(books(), found)
        is_noticed = not verdict.wrong if word is None else any(word in said for said in verdict.wrong)
        if not is_noticed:
            wrong.append(f"{case}: {verdict.wrong}")
    twice = SOUND | {"sound": [table(STREAM + "1"), table(STREAM + "9")]}
    if compare(books(), twice, sent_again=1).wrong or not compare(books(), {}, sent_again=9).wrong:
        wrong.append("what was sent again may be there twice, and nothing may be missing for it")
    for via, status, text, expected in ANSWERS:
        if (told := promised(via, "pin", status, text)) != expected:
            wrong.append(f"{via} {status}: {told}")
    # Every record can be found again by its id, sound or broken.
    made = 0
    for number in range(300):
        for dataset in ("pin", "geo", "user"):
            id_ = f"r0000000a-{number:09}"
            record = make(Random(number), dataset, id_, number)
            payload = record.body if isinstance(record.body, bytes) else str(record.body).encode()
            made += record.is_broken
            if id_of(payload) != id_:
                wrong.append(f"{dataset} {number}: {id_of(payload)}")
    if not made:
        wrong.append("no record is broken")
    for difference in wrong:
        print(difference, file=sys.stderr)
    print(f"ledger cases: {len(CASES) + len(ANSWERS) + 902 - len(wrong)} passed, {len(wrong)} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
