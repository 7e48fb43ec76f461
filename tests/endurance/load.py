"""Load from other processes: below the limits no error, above them backpressure, never more memory, and no record lost.

    python tests/endurance/load.py                          a minute and a half
    python tests/endurance/load.py --minutes 5              the long run

`pinlake up --aws-limits` takes what AWS takes: of each of two shards 1 MB/s and 1,000 records/s, of a delivery stream 1
MiB/s.

Below: processes post at a steady rate to `/streams` (one record, and 500 at once) and to `/topics`, while 500
connections dribble their bodies in. Every answer is a 200 with no record refused; latencies are counted from the moment
when a request was due, so that one slow answer shows in those that had to wait for it. The server's resident memory
must not grow once it has warmed up.

Above: 60 clients at once post records of nearly a megabyte to one shard, as many to one delivery stream, and 24 post 2
MB in 500 records each to another shard. The edge tries for as long as it may, then answers 429 with `Retry-After`, or a
200 that names the records that were not taken. What was not acknowledged is not sent again.

After each, every acknowledged record is in its table or in its quarantine, once, and nothing else is there
(`ledger.py`). A record may be there twice only if the log tells of a request of the edge that got no answer in time and
was sent again, which is the one double that nothing downstream can know of. Needs `pip install -r
tests/outside/requirements.txt`. Exits with 1, and says how to run it again, if anything is wrong.
"""

from __future__ import annotations

import argparse
import multiprocessing
import selectors
import socket
import statistics
import sys
import tempfile
import threading
import time
import urllib.parse
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

from client import RECORD, RECORDS, TOPICS, Answer, post
from killed import let_all_arrive
from ledger import Ledger, compare, read
from pipeline import DATASETS, Pipeline, Trouble, connect, default_binary, leave

OPTIONS = ("--no-validation", "--aws-limits", "--window", "1000", "--raw-interval", "2")
MIB = 1 << 20
SLOW_CONNECTIONS = 500


@dataclass(frozen=True)
class Steady:
    """A process whose clients each post so many requests a second; as fast as they are answered when 0."""

    via: str
    records: int
    per_second: float = 0.0
    clients: int = 1
    filling: int = 0
    dataset: str | None = None
    key: str | None = None


# About 1,900 records a second, a third of what the six shards and three delivery streams take.
BELOW = [Steady(RECORDS, 500, 1), Steady(RECORDS, 500, 1), Steady(RECORD, 1, 5, clients=6), Steady(TOPICS, 100, 8)]
ABOVE = [
    Steady(RECORD, 1, clients=60, filling=900_000, dataset="pin", key="one shard"),
    Steady(RECORDS, 500, clients=24, filling=4_000, dataset="geo", key="one shard"),
    Steady(TOPICS, 1, clients=60, filling=900_000, dataset="user"),
]
# How long the clients above go on before they wait for their last answers.
ABOVE_SECONDS = 4.0


# ── the clients' processes ────────────────────────────────────────────────────────────────────────────────────────────


def work(url: str, seed: int, steady: Steady, seconds: float, out: Connection) -> None:
    """Posts, then sends the books, the answers and the processor time that this took."""
    ledger, answers = Ledger(seed), []
    begin = time.monotonic() + 0.2
    pace = paced if steady.per_second else unpaced
    threads = [
        threading.Thread(target=pace, args=(url, Random(seed * 100 + n), steady, ledger, answers, begin, seconds))
        for n in range(steady.clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    out.send((ledger, answers, time.process_time()))


def paced(
    url: str, random: Random, steady: Steady, ledger: Ledger, answers: list[Answer], begin: float, seconds: float
) -> None:
    connection, due = connect(url, timeout=60), begin + random.uniform(0, 1 / steady.per_second)
    while due < begin + seconds:
        records = ledger.make(random, steady.dataset or random.choice(DATASETS), steady.records, steady.filling)
        time.sleep(max(0.0, due - time.monotonic()))
        answer = post(connection, ledger, steady.via, records, steady.key)
        waited = time.monotonic() - due
        answers.append(Answer(answer.via, answer.status, waited, answer.retry_after, answer.failed))
        due += 1 / steady.per_second
    connection.close()


def unpaced(
    url: str, random: Random, steady: Steady, ledger: Ledger, answers: list[Answer], begin: float, seconds: float
) -> None:
    connection = connect(url, timeout=60)
    time.sleep(max(0.0, begin - time.monotonic()))
    while time.monotonic() < begin + seconds:
        records = ledger.make(random, steady.dataset or random.choice(DATASETS), steady.records, steady.filling)
        answer = post(connection, ledger, steady.via, records, steady.key)
        answers.append(answer)
        time.sleep(float(answer.retry_after or 0))
    connection.close()


def all_of(url: str, seed: int, steadies: list[Steady], seconds: float) -> tuple[Ledger, list[Answer], float]:
    """Runs the processes to their ends and puts together what they have."""
    ledger, answers, processor = Ledger(seed), [], 0.0
    running = []
    for number, steady in enumerate(steadies):
        inward, outward = multiprocessing.Pipe(duplex=False)
        arguments = (url, seed * 16 + number, steady, seconds, outward)
        process = multiprocessing.Process(target=work, args=arguments, daemon=True)
        process.start()
        outward.close()
        running.append((process, inward))
    for process, inward in running:
        try:
            books, told, took = inward.recv()
        except EOFError:
            raise Trouble("a client's process failed") from None
        process.join()
        ledger.take_in(books)
        answers += told
        processor += took
    return ledger, answers, processor


# ── watching the server ───────────────────────────────────────────────────────────────────────────────────────────────


class Memory:
    """The resident memory of the server, looked at all the while."""

    def __init__(self, pipeline: Pipeline):
        self.pipeline = pipeline
        self.samples: list[tuple[float, int]] = []
        self.most = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._is_over.wait(0.25):
            try:
                resident, self.most = self.pipeline.memory()
            except (OSError, KeyError):
                return
            self.samples.append((time.monotonic(), resident))

    def end(self) -> None:
        self._is_over.set()
        self._thread.join()

    def quarter(self, number: int) -> float:
        """The median of a quarter of the time, in MiB."""
        size = max(1, len(self.samples) // 4)
        return statistics.median(resident for _, resident in self.samples[number * size : (number + 1) * size]) / MIB


class Dribblers:
    """Connections that announce a body and send it byte by byte."""

    def __init__(self, url: str, count: int):
        address = urllib.parse.urlsplit(url)
        self.statuses: Counter = Counter()
        self._selector = selectors.DefaultSelector()
        head = (f"PUT /streams/pin/records HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/json\r\n"
                f"Content-Length: 1000000\r\n\r\n")
        for _ in range(count):
            connection = socket.create_connection((address.hostname, address.port), timeout=10)
            connection.sendall(head.encode())
            connection.setblocking(False)
            self._selector.register(connection, selectors.EVENT_READ)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._dribble)
        self._thread.start()

    def _dribble(self) -> None:
        while not self._is_over.wait(0.5):
            for key, _ in self._selector.select(0):
                self._close(key.fileobj)
            for key in list(self._selector.get_map().values()):
                try:
                    key.fileobj.send(b" ")
                except OSError:
                    self._close(key.fileobj)

    def _close(self, connection: socket.socket) -> None:
        try:
            told = connection.recv(4096)
            self.statuses[told.split(b" ")[1].decode() if told else "closed"] += 1
        except (OSError, IndexError):
            self.statuses["closed"] += 1
        self._selector.unregister(connection)
        connection.close()

    def end(self) -> None:
        self._is_over.set()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            self.statuses["still open"] += 1
            self._selector.unregister(key.fileobj)
            key.fileobj.close()


# ── the two halves ────────────────────────────────────────────────────────────────────────────────────────────────────


def latencies(answers: list[Answer], seconds: float) -> None:
    print(f"{'way in':<8} {'requests':>9} {'a second':>9} {'p50 ms':>8} {'p90 ms':>8} {'p99 ms':>8} {'max ms':>8}")
    for via in (RECORD, RECORDS, TOPICS):
        took = sorted(answer.seconds * 1000 for answer in answers if answer.via == via)
        if took:
            at = [took[min(len(took) - 1, int(len(took) * part))] for part in (0.5, 0.9, 0.99)]
            print(f"{via:<8} {len(took):>9,} {len(took) / seconds:>9.1f} " +
                  " ".join(f"{ms:>8.1f}" for ms in [*at, took[-1]]))


def below(pipeline: Pipeline, seed: int, seconds: float, first_day: str, growth: float) -> None:
    """Steady load below the limits."""
    pipeline.start()
    memory, dribblers = Memory(pipeline), Dribblers(pipeline.url, SLOW_CONNECTIONS)
    try:
        ledger, answers, processor = all_of(pipeline.url, seed, BELOW, seconds)
    finally:
        dribblers.end()
        memory.end()
    latencies(answers, seconds)
    records = len(ledger.acknowledged)
    print(f"{records:,} records acknowledged in {seconds:.0f} s, {records / seconds:,.0f} a second; the clients' "
          f"processes used {processor:.1f} s of processor time")
    quarters = " → ".join(f"{memory.quarter(number):.0f}" for number in range(4))
    print(f"resident memory by quarters of the time: {quarters} MiB, {memory.most / MIB:.0f} at most")
    print(f"slow connections: {dict(dribblers.statuses)}")
    wrong = [answer for answer in answers if answer.status != 200 or answer.failed]
    if wrong:
        raise Trouble(f"{len(wrong)} answers that should not be, such as {wrong[:3]}")
    if memory.quarter(3) > memory.quarter(1) * growth + 32:
        raise Trouble("memory grows with time")
    if dribblers.statuses.keys() - {"408", "closed", "still open"}:
        raise Trouble(f"slow connections were answered {dict(dribblers.statuses)}")
    settle(pipeline, ledger, first_day)


def above(pipeline: Pipeline, seed: int, first_day: str, most_mib: int) -> None:
    """More than a shard and a delivery stream take."""
    pipeline.start()
    memory = Memory(pipeline)
    try:
        ledger, answers, _ = all_of(pipeline.url, seed, ABOVE, ABOVE_SECONDS)
    finally:
        memory.end()
    for via in (RECORD, RECORDS, TOPICS):
        mine = [answer for answer in answers if answer.via == via]
        statuses = Counter("200 in part" if answer.failed else str(answer.status) for answer in mine)
        print(f"{via:<8} {len(mine):>5,} requests: {dict(sorted(statuses.items()))}, the last after "
              f"{max(answer.seconds for answer in mine):.1f} s")
    print(f"resident memory: {memory.most / MIB:.0f} MiB at most")
    for answer in answers:
        # 503 if the last try before the deadline had no answer, so that nobody knows why.
        if not (answer.status == 200 or answer.status in (429, 503) and answer.retry_after is not None):
            raise Trouble(f"an answer that should not be: {answer}")
    for via, is_there, what in (
        (RECORD, lambda answer: answer.status == 429, "429"),
        (RECORDS, lambda answer: answer.failed > 0, "200 that names records"),
        (TOPICS, lambda answer: answer.status == 429, "429"),
    ):
        if not any(answer.via == via and is_there(answer) for answer in answers):
            raise Trouble(f"too much was sent by {via}, and there was no {what}")
    if memory.most > most_mib * MIB:
        raise Trouble(f"more than {most_mib} MiB of memory")
    settle(pipeline, ledger, first_day)


def settle(pipeline: Pipeline, ledger: Ledger, first_day: str) -> None:
    """Lets all arrive and compares."""
    # On a machine that is busy enough a request inside the pipeline may take longer than its time, and is sent again.
    failed = pipeline.said().count("a request to the stream failed")
    pipeline.stop()
    let_all_arrive(pipeline, ledger, first_day)
    verdict = compare(ledger, read(pipeline.state / "s3" / "pinlake"), sent_again=failed * 500)
    if verdict.wrong:
        raise Trouble("\n".join(verdict.wrong))
    if failed:
        print(f"{failed} requests of the edge were not answered in time and sent again: {verdict.doubled} records are "
              f"there twice, as the edge's at-least-once has it")
    print(f"ok      {len(ledger.acknowledged):,} acknowledged records are stored; of {len(ledger.unsure):,} others "
          f"{verdict.unsure_but_stored}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=Path, default=default_binary(), help="the command; default: the debug build")
    parser.add_argument("--minutes", type=float, default=1 / 3, help="how long the steady load goes on")
    parser.add_argument("--growth", type=float, default=1.25, help="how memory may grow after warming up")
    parser.add_argument("--most-mib", type=int, default=1536, help="the most memory under overload")
    parser.add_argument("--only", choices=["below", "above"], help="one half")
    parser.add_argument("--seed", type=int, default=None, help="default: another one each time")
    parser.add_argument("--keep", action="store_true", help="keep the state of a run that went well")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else time.time_ns() % 1_000_000
    print(f"seed {seed}")

    folder = Path(tempfile.mkdtemp(prefix="pinlake-load."))
    first_day = datetime.now(timezone.utc).date().isoformat()
    sound = True
    for half in ("below", "above"):
        if arguments.only not in (None, half):
            continue
        print(f"\n{half} the limits", flush=True)
        pipeline = Pipeline(arguments.binary, folder / half, folder / f"{half}.log", OPTIONS)
        try:
            if half == "below":
                below(pipeline, seed, arguments.minutes * 60, first_day, arguments.growth)
            else:
                above(pipeline, seed, first_day, arguments.most_mib)
        except Trouble as trouble:
            print(f"FAILED  {trouble}")
            sound = False
        finally:
            pipeline.kill()
    again = f"python tests/endurance/load.py --seed {seed} --minutes {arguments.minutes:.2f}"
    return leave(folder, sound, arguments.keep, again)


if __name__ == "__main__":
    sys.exit(main())
