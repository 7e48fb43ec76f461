"""Process death for real: `pinlake up` is killed with SIGKILL at random moments under load and started again.

    python tests/endurance/killed.py                        a minute or so
    python tests/endurance/killed.py --rounds 400           the long run, about half an hour

Client threads post records to `/streams` and `/topics` all the while, sound ones and such as belong into the
quarantine, and book what each answer promised. The process dies while it starts, under load alone, during the upkeep
(`pinlake run maintain`), during the daily run (`pinlake run analytics`), and while it is about to stop by itself. After
the last round all that is under way may arrive, and the tables are compared with the books by Python's `deltalake`:

- every acknowledged record is in its table or in its quarantine, whichever is right, and once;
- a record of `/streams` has the very `_origin` (stream, shard, sequence number) that it was acknowledged with;
- a record whose answer was lost is there once at most, for these clients send nothing twice;
- nothing else is there, and no `_origin` is there twice.

The same seed chooses the same records and moments; what a moment meets is up to the machine. Needs
`pip install -r tests/outside/requirements.txt`. Exits with 1, and says how to run it again, if anything is wrong.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from random import Random

from client import Clients
from ledger import Ledger, compare, read
from pipeline import Pipeline, Trouble, default_binary, leave, table

MOMENTS = {"under load": 8, "starting": 3, "upkeep": 3, "daily run": 4, "stopping": 2}
CLIENTS = 6
# Small windows make many commits and many raw objects: many places to die at.
OPTIONS = ("--no-validation", "--window", "200", "--raw-interval", "1")
# How long the last records may take to arrive.
PATIENCE = 240.0


def live_and_die(pipeline: Pipeline, clients: Clients, random: Random, moment: str) -> str:
    """One round, from the start to the kill. Answers what was really under way at the end."""
    if moment == "starting":
        pipeline.spawn()
        time.sleep(random.uniform(0, 1.2))
        pipeline.kill()
        return moment
    pipeline.start()
    clients.post_to(pipeline.url)
    time.sleep(random.uniform(0.3, 2.5))
    function = {"upkeep": "maintain", "daily run": "analytics"}.get(moment)
    running = None
    if function is not None:
        running = pipeline.run(function)
        time.sleep(random.uniform(0.02, 0.6 if function == "maintain" else 2.5))
    elif moment == "stopping":
        pipeline.ask_to_stop()
        time.sleep(random.uniform(0, 0.4))
    if running is not None and running.poll() is not None:
        moment = f"after the {moment}"
    if moment == "stopping" and not pipeline.is_running():
        moment = "after it stopped"
    pipeline.kill()
    clients.post_to(None)
    if running is not None:
        running.communicate(timeout=60)
    return moment


def let_all_arrive(pipeline: Pipeline, ledger: Ledger, first_day: str) -> None:
    """Everything that was acknowledged gets the time and the functions that it needs to be stored."""
    # A stop files what Firehose still holds.
    pipeline.start()
    pipeline.stop()
    pipeline.start()
    today = datetime.now(timezone.utc).date().isoformat()
    pipeline.run_to_its_end("analytics", "--from", first_day, "--to", today)
    lake, end = pipeline.state / "s3" / "pinlake", time.monotonic() + PATIENCE
    while time.monotonic() < end and not ledger.acknowledged.keys() <= read(lake).keys():
        time.sleep(1)
    # Upkeep last, so that what is compared has been through it.
    pipeline.run_to_its_end("maintain")
    pipeline.stop()


def audit(pipeline: Pipeline) -> None:
    """`pinlake audit`, which compares by its own lights what was delivered with what is stored."""
    command = [pipeline.binary, "audit", "--state", pipeline.state]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600, check=False)
    if done.returncode != 0:
        raise Trouble(f"`pinlake audit` ended with status {done.returncode}:\n{done.stdout.decode(errors='replace')}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=Path, default=default_binary(), help="the command; default: the debug build")
    parser.add_argument("--rounds", type=int, default=14, help="how often it is killed")
    parser.add_argument("--seed", type=int, default=None, help="default: another one each time")
    parser.add_argument("--audit", action="store_true", help="ask `pinlake audit` at the end, too")
    parser.add_argument("--keep", action="store_true", help="keep the state of a run that went well")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else time.time_ns() % 1_000_000
    again = f"python tests/endurance/killed.py --seed {seed} --rounds {arguments.rounds}"
    print(f"seed {seed}")

    random, ledger, moments = Random(seed), Ledger(seed), Counter()
    folder = Path(tempfile.mkdtemp(prefix="pinlake-killed."))
    pipeline = Pipeline(arguments.binary, folder / "state", folder / "log", OPTIONS)
    started, first_day = time.monotonic(), datetime.now(timezone.utc).date().isoformat()
    clients = Clients(seed, ledger, CLIENTS)
    try:
        try:
            for number in range(arguments.rounds):
                moment = random.choices(list(MOMENTS), list(MOMENTS.values()))[0]
                moments[live_and_die(pipeline, clients, random, moment)] += 1
                if number % 20 == 19:
                    print(f"round {number + 1}, {time.monotonic() - started:.0f} s: "
                          f"{len(ledger.acknowledged):,} records acknowledged", flush=True)
        finally:
            clients.end()
        let_all_arrive(pipeline, ledger, first_day)
        if arguments.audit:
            audit(pipeline)
        verdict = compare(ledger, read(pipeline.state / "s3" / "pinlake"))
    except Trouble as trouble:
        print(f"FAILED  {trouble}")
        return leave(folder, sound=False, keep=True, again=again)
    finally:
        pipeline.kill()

    print(table([
        ("seconds", int(time.monotonic() - started)),
        *((f"killed {moment}", times) for moment, times in sorted(moments.items())),
        *((f"answers: {answer}", times) for answer, times in sorted(ledger.answers.items())),
        ("records acknowledged", len(ledger.acknowledged)),
        ("records without an answer", len(ledger.unsure)),
        ("of these stored all the same", verdict.unsure_but_stored),
        ("rows in tables", verdict.in_tables),
        ("records in quarantine", verdict.in_quarantine),
    ]))
    for wrong in verdict.wrong:
        print(f"FAILED  {wrong}")
    if not verdict.wrong:
        print(f"ok      each acknowledged record is stored once, after {arguments.rounds} kills")
    return leave(folder, sound=not verdict.wrong, keep=arguments.keep, again=again)


if __name__ == "__main__":
    sys.exit(main())
