"""Disks that are full, read-only or damaged: `pinlake up` says so clearly, and loses nothing that it acknowledged.

    python tests/endurance/disk_full.py                     a minute or so
    python tests/endurance/disk_full.py --times 20          the long run

Each case has small file systems of its own, in a mount namespace of its own (`unshare`): as root, or as anybody where
user namespaces may mount. Where neither is allowed it says so and exits with 77. What each case shows:

- `read_only_start`: `up` and `demo` on a read-only folder end with a status that is not 0 and an error that names
  path and reason.
- `full_start`: so does the first `up` on a full disk; with room again it starts.
- `in_use`: so does a second `up` on the same state; the first goes on.
- `damaged`: so does `up` on a state file with damage of several kinds, and not a byte of it is changed; with the
  sound file it starts.
- `freed_while_running`: the disk fills under load. Answers are 200, or 429 or 503 with `Retry-After`, none later
  than 35 s; with room again, both ways in work without a restart.
- `killed_while_full`: the disk fills under load, and the process is killed. No half-written object shows; with room
  again it starts.
- `read_only_under_load`: the file system turns read-only under load, as one does whose disk has failed. Answers are the
  same; a process on the mended file system goes on.

After the last three, every acknowledged record is in its table or in its quarantine, once, and nothing else is there
(`ledger.py`). Needs `pip install -r tests/outside/requirements.txt`, and for the last one mkfs.ext4 and loop devices.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from random import Random

import botocore.session
import pyarrow.parquet as pq
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from client import TOPICS, Clients
from killed import OPTIONS, let_all_arrive
from ledger import Ledger, compare, read
from pipeline import Pipeline, Trouble, default_binary, leave

SKIPPED = 77
INSIDE = "PINLAKE_ENDURANCE_NAMESPACE"
# Bytes by which each record is longer under load, so that a small disk is full soon.
FILLING = 12_000
CLIENTS = 6
# An answer that takes longer than the edge allows itself is a hang.
LATEST_ANSWER = 35.0

MIB = 1 << 20
# The small disks of the load, and what of them is taken until room is made.
DISK, BALLAST = 96 * MIB, 64 * MIB


class Skipped(Exception):
    """A case that this machine does not allow."""


# ── file systems ──────────────────────────────────────────────────────────────────────────────────────────────────────


def mount(*arguments: str | Path) -> None:
    done = subprocess.run(["mount", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise Skipped(f"mount {' '.join(map(str, arguments))}: {done.stdout.decode(errors='replace').strip()}")


@contextmanager
def disk(folder: Path, size: int):
    """A small file system of its own in the memory."""
    folder.mkdir()
    mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=False)


def fill(file: Path) -> None:
    """Takes all the room that is left."""
    try:
        with file.open("ab", buffering=0) as filler:
            for size in (MIB, 4096, 1):
                try:
                    while filler.write(b"\0" * size) == size:
                        pass
                except OSError:
                    continue
    except OSError:
        pass


# ── a process that must refuse to start ───────────────────────────────────────────────────────────────────────────────


def must_refuse(binary: Path, command: list[str | Path], *words: str) -> None:
    """Runs a command that has to fail soon, with an error in one line that has these words, and without a panic."""
    try:
        done = subprocess.run([binary, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30,
                              check=False)
    except subprocess.TimeoutExpired:
        raise Trouble(f"{' '.join(map(str, command))} went on for 30 s instead of failing") from None
    said = done.stdout.decode(errors="replace")
    error = next((line for line in said.splitlines() if line.startswith("error: ")), "")
    if done.returncode in (0, 101) or not all(word in error for word in words):
        raise Trouble(f"{' '.join(map(str, command))} ended with status {done.returncode}, and its error should have "
                      f"{words}:\n{said[-2000:]}")


def up(state: Path) -> list[str | Path]:
    return ["up", "--port", "0", "--state", state]


def read_only_start(binary: Path, folder: Path, seed: int) -> str:
    with disk(folder / "disk", 16 * MIB) as place:
        (place / "state").mkdir()
        mount("-o", "remount,ro", place)
        for state in ("state", "new"):
            must_refuse(binary, up(place / state), str(place / state), "Read-only file system")
        must_refuse(binary, ["demo", "--rows", "10", "--state", place / "demo"], str(place / "demo"),
                    "Read-only file system")
    return "two `up` and a `demo` refused"


def full_start(binary: Path, folder: Path, seed: int) -> str:
    with disk(folder / "disk", 16 * MIB) as place:
        fill(place / "filler")
        must_refuse(binary, up(place / "state"), str(place / "state"), "No space left on device")
        (place / "filler").unlink()
        starts(binary, place / "state", folder)
    return "refused, and starts with room again"


def in_use(binary: Path, folder: Path, seed: int) -> str:
    first = Pipeline(binary, folder / "state", folder / "log")
    try:
        first.start()
        must_refuse(binary, up(folder / "state"), str(folder / "state"), "another process")
        first.wait_until_it_answers(5)
        first.stop()
    finally:
        first.kill()
    return "the second refused, the first goes on"


def damaged(binary: Path, folder: Path, seed: int) -> str:
    random, kinds = Random(seed), 0
    state = folder / "state"
    starts(binary, state, folder)
    for name in ("kinesis.redb", "firehose.redb"):
        file = state / name
        sound = file.read_bytes()
        page = random.randrange(4096, len(sound) - 8192)
        for damage in (
            b"",
            b"some text that somebody wrote here\n",
            random.randbytes(4096) + sound[4096:],
            sound[:100],
            sound[: len(sound) // 2],
            # Most pages of a file that is nearly empty are unused, and damage to those is none: so from here on all.
            sound[:4096] + bytes(byte ^ 0x55 for byte in sound[4096:]),
            sound[:4096] + random.randbytes(page - 4096) + sound[page:],
        ):
            file.write_bytes(damage)
            must_refuse(binary, up(state), str(file))
            if file.read_bytes() != damage:
                raise Trouble(f"{name}: the damaged file was changed")
            kinds += 1
        file.write_bytes(sound)
        starts(binary, state, folder)
    return f"{kinds} damaged files refused and left as they were"


def starts(binary: Path, state: Path, folder: Path) -> None:
    """It starts and stops."""
    pipeline = Pipeline(binary, state, folder / "log")
    try:
        pipeline.start()
        pipeline.stop()
    finally:
        pipeline.kill()


# ── disks that fail under load ────────────────────────────────────────────────────────────────────────────────────────


class Load:
    """A pipeline, clients that post to it, and the books."""

    def __init__(self, binary: Path, state: Path, folder: Path, seed: int):
        self.pipeline = Pipeline(binary, state, folder / "log", OPTIONS)
        self.ledger = Ledger(seed)
        self.clients = Clients(seed, self.ledger, CLIENTS, FILLING)
        self.first_day = datetime.now(timezone.utc).date().isoformat()

    def begin(self) -> None:
        self.pipeline.start()
        self.clients.post_to(self.pipeline.url)

    def end(self) -> None:
        self.clients.post_to(None)
        self.clients.end()

    def answers(self, since: int = 0) -> Counter:
        return Counter((answer.via == TOPICS, answer.status) for answer in self.clients.answers[since:])

    def wait(self, what: str, seconds: float, is_there: Callable[[], bool]) -> None:
        end = time.monotonic() + seconds
        while not is_there():
            if time.monotonic() > end:
                raise Trouble(f"{what}: not within {seconds:.0f} s; answers {self.ledger.answers}\n"
                              f"{self.pipeline.said()[-3000:]}")
            time.sleep(0.1)

    def wait_until_refused(self) -> None:
        """Until both ways in have told a client that they cannot."""
        self.wait("a 503 on both ways in", 90, lambda: all(self.answers()[via, 503] for via in (True, False)))

    def wait_until_taken_again(self) -> None:
        """Until both ways in acknowledge records again."""
        since = len(self.clients.answers)
        self.wait("a 200 on both ways in", 60, lambda: all(self.answers(since)[via, 200] for via in (True, False)))

    def store_refuses(self) -> None:
        """Puts an object that has no room beside the ballast, which must fail. Clients are refused by what stands
        before the store, so whether anything of theirs gets as far as there is chance."""
        client = botocore.session.get_session().create_client(
            "s3", endpoint_url=self.pipeline.endpoints["S3"], region_name="us-east-1",
            aws_access_key_id="pinlake", aws_secret_access_key="pinlake-local",
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )
        try:
            client.put_object(Bucket="pinlake", Key="no/room", Body=bytes(DISK - BALLAST))
        except ClientError as refused:
            if refused.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                return
            raise Trouble(f"the store refused an object for another reason: {refused}") from None
        except BotoCoreError:
            # Refused in the middle of its body, with the answer lost on the way; the log has the reason.
            return
        raise Trouble("the store took an object that there was no room for")

    def check_answers(self, may_be_killed: bool = False) -> None:
        """Nothing but success and "come again, at that time", and nothing late."""
        for answer in self.clients.answers:
            fine = answer.status == 200 or answer.status in (429, 503) and answer.retry_after is not None
            if not (fine or answer.status == 0 and may_be_killed) or answer.seconds > LATEST_ANSWER:
                raise Trouble(f"an answer that should not be: {answer}")

    def check_log(self, reason: str) -> None:
        """The log has the reason, and says of which file."""
        for file in ("kinesis.redb", "firehose.redb", "/s3/"):
            if not any(reason in line and file in line for line in self.pipeline.said().splitlines()):
                raise Trouble(f"no line of the log says both `{reason}` and `{file}`:\n{self.pipeline.said()[-3000:]}")

    def compare(self) -> str:
        """Lets all arrive and compares."""
        if self.pipeline.is_running():
            self.pipeline.stop()
        let_all_arrive(self.pipeline, self.ledger, self.first_day)
        lake = self.pipeline.state / "s3" / "pinlake"
        whole_objects(lake)
        verdict = compare(self.ledger, read(lake))
        if verdict.wrong:
            raise Trouble("\n".join(verdict.wrong))
        statuses = ", ".join(f"{times} × {status or 'none'}" for status, times in
                             sorted(Counter(answer.status for answer in self.clients.answers).items()))
        return (f"{len(self.ledger.acknowledged):,} acknowledged records all there once; "
                f"{verdict.unsure_but_stored} of {len(self.ledger.unsure):,} others, too; answers {statuses}")

    def close(self) -> None:
        self.pipeline.kill()
        try:
            self.end()
        except Trouble:
            pass


@contextmanager
def load(binary: Path, state: Path, folder: Path, seed: int):
    running = Load(binary, state, folder, seed)
    try:
        yield running
    finally:
        running.close()


def freed_while_running(binary: Path, folder: Path, seed: int) -> str:
    with disk(folder / "disk", DISK) as place:
        (place / "ballast").write_bytes(b"\0" * BALLAST)
        with load(binary, place / "state", folder, seed) as running:
            running.begin()
            running.wait_until_refused()
            running.store_refuses()
            whole_objects(place / "state" / "s3" / "pinlake")
            (place / "ballast").unlink()
            running.wait_until_taken_again()
            running.end()
            running.check_log("No space left on device")
            running.check_answers()
            return running.compare()


def killed_while_full(binary: Path, folder: Path, seed: int) -> str:
    with disk(folder / "disk", DISK) as place:
        (place / "ballast").write_bytes(b"\0" * BALLAST)
        with load(binary, place / "state", folder, seed) as running:
            running.begin()
            running.wait("a full disk", 60, lambda: "No space left on device" in running.pipeline.said())
            time.sleep(Random(seed).uniform(0, 3))
            running.pipeline.kill()
            running.end()
            whole_objects(place / "state" / "s3" / "pinlake")
            (place / "ballast").unlink()
            running.check_answers(may_be_killed=True)
            return running.compare()


def read_only_under_load(binary: Path, folder: Path, seed: int) -> str:
    if shutil.which("mkfs.ext4") is None:
        raise Skipped("there is no mkfs.ext4")
    image, place = folder / "image", folder / "disk"
    with image.open("wb") as file:
        file.truncate(256 * MIB)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    place.mkdir()
    # Written at once: an object that is not on its disk when the disk fails is beyond what a process can promise.
    mount("-o", "loop,sync", image, place)
    try:
        with load(binary, place / "state", folder, seed) as running:
            running.begin()
            running.wait("some answers", 30, lambda: len(running.clients.answers) > 60)
            # What the kernel does to a file system whose disk fails.
            mount("-o", "remount,abort", place)
            running.wait_until_refused()
            running.store_refuses()
            running.end()
            running.check_log("Read-only file system")
            running.check_answers()
            running.pipeline.kill()
            subprocess.run(["umount", place], check=True)
            mount("-o", "loop,sync", image, place)
            return running.compare()
    finally:
        subprocess.run(["umount", "--lazy", place], check=False)


def whole_objects(lake: Path) -> None:
    """What is in the bucket is whole: each raw object unpacks, each Parquet file has its footer, each entry of a log is
    JSON to its end."""
    for file in lake.rglob("*"):
        if not file.is_file():
            continue
        try:
            if file.suffix == ".gz":
                if not gzip.decompress(file.read_bytes()).endswith(b"\n"):
                    raise ValueError("it ends in the middle of a record")
            elif file.suffix == ".parquet":
                pq.read_metadata(file)
            elif file.suffix == ".json" and file.parent.name == "_delta_log":
                for line in file.read_text(encoding="utf-8").splitlines():
                    json.loads(line)
        except FileNotFoundError:
            # Replaced or removed meanwhile, which readers of S3 meet as well.
            continue
        except (OSError, EOFError, ValueError) as error:
            raise Trouble(f"{file} is an object by half: {error}") from None


# ── running them ──────────────────────────────────────────────────────────────────────────────────────────────────────

CASES = [read_only_start, full_start, in_use, damaged, freed_while_running, killed_while_full, read_only_under_load]


def in_a_namespace() -> None:
    """Runs this program again in a mount namespace of its own; exits with 77 where that is not allowed."""
    own = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, *own, "true"], check=False).returncode != 0:
        print("mounts are not allowed here: full and read-only disks were NOT tested")
        sys.exit(SKIPPED)
    os.environ[INSIDE] = "1"
    os.execv(unshare, [unshare, *own, sys.executable, *sys.argv])


def run(case: Callable[[Path, Path, int], str], binary: Path, folder: Path, seed: int, tell: threading.Lock) -> str:
    """Runs a case and tells how it ended: `ok`, `SKIPPED` or `FAILED`."""
    folder.mkdir()
    started = time.monotonic()
    try:
        outcome, said = "ok", case(binary, folder, seed)
    except Skipped as skipped:
        outcome, said = "SKIPPED", f"NOT tested: {skipped}"
    except Trouble as trouble:
        outcome, said = "FAILED", str(trouble)
    except Exception as error:
        outcome, said = "FAILED", repr(error)
    with tell:
        print(f"{outcome:<7} {case.__name__:<21} {time.monotonic() - started:4.0f} s  {said}", flush=True)
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", help="some of the cases; default: all")
    parser.add_argument("--binary", type=Path, default=default_binary(), help="the command; default: the debug build")
    parser.add_argument("--times", type=int, default=1, help="how often each case is run, with another seed each time")
    parser.add_argument("--seed", type=int, default=None, help="default: another one each time")
    parser.add_argument("--keep", action="store_true", help="keep the logs of a run that went well")
    arguments = parser.parse_args()
    names = [case.__name__ for case in CASES]
    if unknown := [name for name in arguments.cases if name not in names]:
        parser.error(f"there is no case {', '.join(unknown)}, but {', '.join(names)}")
    cases = [case for case in CASES if case.__name__ in (arguments.cases or names)]
    if INSIDE not in os.environ:
        in_a_namespace()

    seed = arguments.seed if arguments.seed is not None else time.time_ns() % 1_000_000
    print(f"seed {seed}")
    folder, tell, outcomes = Path(tempfile.mkdtemp(prefix="pinlake-disks.")), threading.Lock(), Counter()
    for time_ in range(arguments.times):
        # Side by side: they wait for most of their time.
        with ThreadPoolExecutor(len(cases)) as pool:
            runs = []
            for case in cases:
                place = folder / f"{case.__name__}-{time_}"
                runs.append(pool.submit(run, case, arguments.binary.resolve(), place, seed + time_, tell))
            outcomes.update(done.result() for done in runs)
    print(", ".join(f"{times} {outcome}" for outcome, times in sorted(outcomes.items())))
    again = f"python tests/endurance/disk_full.py --seed {seed} --times {arguments.times}"
    return leave(folder, sound=not outcomes["FAILED"], keep=arguments.keep, again=again)


if __name__ == "__main__":
    sys.exit(main())
