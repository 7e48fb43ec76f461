"""S3, by its documentation: 16 writers at once. A commit of a Delta table is such a write, so that two winners are a
lost commit.

S3 may answer 409 instead of 412 to those who lose while the winner is still writing; both are no.
"""

from __future__ import annotations

from collections.abc import Callable

from botocore.exceptions import ClientError

from s3_cases import CONDITIONAL_WRITES, S3, Desk, md5
from s3_upload_cases import Upload
from suite import WRITERS, code_of, equal, holds, race

LOST = {"PreconditionFailed", "ConditionalRequestConflict"}


def wins(write: Callable[[], object]) -> bool:
    """Whether a conditional write was done, rather than refused for its condition."""
    try:
        write()
    except ClientError as error:
        holds(code_of(error) in LOST, f"a writer was refused with {error}")
        return False
    return True


def one_winner(desk: Desk, key: str, outcomes: list[bool]) -> None:
    winners = [number for number, won in enumerate(outcomes) if won]
    equal(f"winners of `{key}`", len(winners), 1)
    equal(f"`{key}` is of", desk.get(key)["Body"], f"writer {winners[0]}".encode())


@S3.case(CONDITIONAL_WRITES, "of 16 puts with If-None-Match: * at once, exactly one succeeds, and its content stays")
def sixteen_puts(desk: Desk) -> None:
    for turn in range(desk.rounds):
        key = f"_delta_log/{turn:020}.json"

        def attempt(number: int, key: str = key) -> bool:
            return wins(lambda: desk.put(key, f"writer {number}".encode(), IfNoneMatch="*"))

        one_winner(desk, key, race(attempt))


@S3.case(
    CONDITIONAL_WRITES, "of 16 completions with If-None-Match: * at once, exactly one succeeds, and its content stays"
)
def sixteen_uploads(desk: Desk) -> None:
    for turn in range(desk.rounds):
        key = f"turn-{turn}"
        uploads = [Upload(desk, key) for _ in range(WRITERS)]
        for number, upload in enumerate(uploads):
            upload.part(1, f"writer {number}".encode())
        one_winner(
            desk, key, race(lambda number, uploads=uploads: wins(lambda: uploads[number].complete(IfNoneMatch="*")))
        )


@S3.case(CONDITIONAL_WRITES, "puts and completions with If-None-Match: * at once have one winner between them")
def puts_and_uploads(desk: Desk) -> None:
    for turn in range(desk.rounds):
        key = f"turn-{turn}"
        uploads = {number: Upload(desk, key) for number in range(0, WRITERS, 2)}
        for number, upload in uploads.items():
            upload.part(1, f"writer {number}".encode())

        def attempt(number: int, key: str = key, uploads: dict[int, Upload] = uploads) -> bool:
            if upload := uploads.get(number):
                return wins(lambda: upload.complete(IfNoneMatch="*"))
            return wins(lambda: desk.put(key, f"writer {number}".encode(), IfNoneMatch="*"))

        one_winner(desk, key, race(attempt))


@S3.case(CONDITIONAL_WRITES, "of 16 puts with If-Match of the same ETag at once, exactly one succeeds")
def sixteen_swaps(desk: Desk) -> None:
    for turn in range(desk.rounds):
        key = f"turn-{turn}"
        etag = desk.put(key, b"before")["ETag"]

        def attempt(number: int, key: str = key, etag: str = etag) -> bool:
            return wins(lambda: desk.put(key, f"writer {number}".encode(), IfMatch=etag))

        one_winner(desk, key, race(attempt))


@S3.case(CONDITIONAL_WRITES, "16 writers that read, count and swap lose no count")
def a_counter(desk: Desk) -> None:
    desk.put("counter", b"0")

    def count(_: int) -> None:
        for _ in range(desk.rounds):
            while True:
                found = desk.get("counter")
                more = str(int(found["Body"]) + 1).encode()
                if wins(lambda found=found, more=more: desk.put("counter", more, IfMatch=found["ETag"])):
                    break

    race(count)
    equal("counter", desk.get("counter")["Body"], str(WRITERS * desk.rounds).encode())


@S3.case("PutObject", "of 16 puts without a condition at once all succeed, and one of them is the object, whole")
def sixteen_plain_puts(desk: Desk) -> None:
    bodies = [bytes([number]) * 100_000 for number in range(WRITERS)]
    for _ in range(desk.rounds):
        race(lambda number: desk.put("key", bodies[number]))
        answer = desk.get("key")
        holds(answer["Body"] in bodies, "the object is a mixture")
        equal("ETag", answer["ETag"], md5(answer["Body"]))
