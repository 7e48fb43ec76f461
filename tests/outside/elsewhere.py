"""The whole pipeline, on its own S3 and Kinesis and on other people's: moto's S3 and kinesalite's Kinesis.

    python tests/outside/elsewhere.py --pinlake PROGRAM --moto PYTHON --kinesalite PACKAGES
                                      [--on ours|others] [--rows N]

The predecessor's clients and `pinlake send` send rows, bad ones among them, while the pipeline is killed and stopped
in between. Then analytics and maintain run, and `read_tables.py`, `maintained.py` and `reports.py` read the lake by
way of S3. They must find in tables and quarantine what was acknowledged, all of it once, before and after the upkeep.

On the others, several pipelines read the same streams into the same lake at last, each of them all shards, as Lambda's
late and repeated deliveries would have it: still all is there once.

PYTHON is that of the environment with moto in it, PACKAGES a folder with `node_modules`. Exits with 1 if a step fails.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import services
from cleaning import DATASETS
from lakes import Lake
from maintained import tables
from predecessor_clients import database
from services import BUCKET, HERE, Pinlake

# How long rows may take to arrive, in seconds.
PATIENCE = 90
# Pipelines at the same streams and lake.
SEVERAL = 4


class Failed(Exception):
    """A step that did not do what it should; it has said why."""


@dataclass(frozen=True)
class Stage:
    """Where a pipeline runs."""

    name: str
    # Arguments of `pinlake up`.
    options: tuple[str, ...]
    # S3 and Kinesis, if they are not the pipeline's own.
    s3: str | None = None
    kinesis: str | None = None


@dataclass
class Run:
    """A pipeline on a stage, and what was sent to it."""

    pipeline: Pinlake
    stage: Stage
    sent: Path

    @property
    def lake(self) -> Lake:
        return Lake(f"s3://{BUCKET}", self.stage.s3 or self.pipeline.s3)

    def step(self, what: str, *command: str | Path, shown: bool = True) -> None:
        """Runs a program, and shows the last line of what it says."""
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
        lines = done.stdout.strip().splitlines()
        if done.returncode != 0:
            print("\n".join(lines[-60:]))
            print(f"what `pinlake up` said:\n{self.pipeline.said()}")
            raise Failed(f"{self.stage.name}: {what} ended with status {done.returncode}")
        last = lines[-1:] if shown else []
        print(f"{self.stage.name}: {what}", *(f"    {line}" for line in last), sep="\n", flush=True)

    def python(self, what: str, program: str, *arguments: str | Path) -> None:
        self.step(what, sys.executable, HERE / program, *arguments)

    def clients(self, name: str, rows: int, seed: int) -> None:
        base = f"{self.pipeline.api}/dev"
        options = "--rows", str(rows), "--seed", str(seed), "--sent", self.sent, "--client", name
        self.python(f"the predecessor's {name} client", "predecessor_clients.py", base, *options)

    def send(self, via: str, rows: int, seed: int) -> None:
        """Rows of each dataset by `pinlake send`, and some that cannot be cleaned."""
        for dataset, lines in rows_to_send(rows, seed).items():
            file = self.sent / f"{dataset}.{via}.{seed}"
            file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            arguments = "--to", self.pipeline.api, "--dataset", dataset, "--via", via, file
            self.step(f"pinlake send of {dataset} via {via}", self.pipeline.program, "send", *arguments)
            with (self.sent / f"{dataset}.jsonl").open("a", encoding="utf-8") as sent:
                sent.write(file.read_text(encoding="utf-8"))

    def function(self, name: str, *arguments: str) -> None:
        at = "--at", f"{self.pipeline.api}/"
        self.step(f"pinlake run {name}", self.pipeline.program, "run", name, *arguments, *at, shown=False)

    def audit(self) -> None:
        """Lets Pinlake itself compare what it was sent with what is stored, by way of S3 and Kinesis."""
        place = "--lake", self.lake.root, "--s3-endpoint", self.lake.s3
        streams = "--kinesis-endpoint", self.stage.kinesis or self.pipeline.kinesis
        self.step("pinlake audit", self.pipeline.program, "audit", *place, *streams, "--settled-before", "now")

    def read(self, program: str, what: str, *arguments: str | Path) -> None:
        """Lets one of the readers look at the lake."""
        place = self.lake.root, *arguments, "--s3", self.lake.s3
        self.python(f"{program} {what}", program, *place)


def rows_to_send(rows: int, seed: int) -> dict[str, list[str]]:
    """Lines of each dataset; every tenth is one that its definition rejects."""
    lines: dict[str, list[str]] = {dataset: [] for dataset in DATASETS}
    for number, triple in enumerate(database(seed, rows)):
        for dataset, row in zip(("pin", "geo", "user"), triple, strict=True):
            lines[dataset].append(json.dumps(row, default=str, ensure_ascii=number % 2 == 0))
            if number % 10 == 3:
                key = "index" if dataset == "pin" else "ind"
                lines[dataset].append(json.dumps({**row, key: f"no number, {seed}"}, default=str))
    return lines


def whole(run: Run, rows: int) -> None:
    """Everything, with the pipeline killed and stopped in between."""
    day = datetime.now(UTC).date().isoformat()
    run.clients("streaming", rows, seed=1)
    # What was acknowledged is in the stream at least.
    run.pipeline.kill()
    run.pipeline.start()
    run.clients("batch", rows, seed=2)
    run.send("streams", rows, seed=3)
    run.pipeline.kill()
    run.pipeline.start()
    run.send("topics", rows, seed=4)
    run.clients("streaming", rows, seed=5)
    # A stop files what Firehose still holds.
    run.pipeline.stop()
    run.pipeline.start()
    until = datetime.now(UTC).date().isoformat()
    run.function("analytics", "--from", day, "--to", until)
    run.read("read_tables.py", "after analytics", run.sent, "--wait", str(PATIENCE))
    # Again, now that the stream has brought all of its rows.
    run.function("analytics", "--from", day, "--to", until)
    run.read("reports.py", "after analytics", newest(run.lake), "--sent", run.sent)
    run.function("maintain")
    run.read("maintained.py", "after maintain")
    run.read("read_tables.py", "after maintain", run.sent)
    vacuum(run.lake)
    run.pipeline.kill()
    run.pipeline.start()
    run.read("read_tables.py", "after vacuum and another kill", run.sent)
    # The versions that somebody else's vacuum added are in the way of nobody.
    run.send("streams", rows, seed=6)
    run.read("read_tables.py", "after rows on top of it", run.sent, "--wait", str(PATIENCE))
    run.audit()


def vacuum(lake: Lake) -> None:
    """Deletes all files that the newest versions do not need, by Python's `deltalake`."""
    deleted = 0
    for place in tables(lake):
        table = lake.table(*place)
        deleted += len(table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False))
    if not deleted:
        raise Failed(f"there was nothing to vacuum in {lake}")
    print(f"vacuumed by deltalake: {deleted} files", flush=True)


def newest(lake: Lake) -> str:
    """The day of the newest report."""
    days = [name.removeprefix("run_date=") for name in lake.names("results") if name.startswith("run_date=")]
    if not days:
        raise Failed(f"there is no report in {lake}")
    return max(days)


def several(program: Path, stage: Stage, state: Path, rows: int) -> None:
    """Several pipelines at the same streams and lake, each with a state of its own."""
    with ExitStack() as stack:
        options = ("--no-validation", "--raw-interval", "1", "--window", "100", *stage.options)
        pipelines = [
            stack.enter_context(services.pinlake(program, state / f"several-{number}", *options))
            for number in range(SEVERAL)
        ]
        sent = state / "several-sent"
        sent.mkdir()
        for number, pipeline in enumerate(pipelines):
            run = Run(pipeline, stage, sent)
            run.clients("streaming", rows, seed=20 + number)
        run.read("read_tables.py", f"behind {SEVERAL} pipelines", sent, "--wait", str(PATIENCE))
        # Late deliveries come now, if there are any.
        for pipeline in pipelines[1:]:
            pipeline.kill()
            pipeline.start()
        run.read("read_tables.py", "after their restart", sent)
        run.audit()


@contextmanager
def stages(arguments: argparse.Namespace, state: Path) -> Iterator[Iterator[Stage]]:
    """Where to run, one after the other."""
    with ExitStack() as stack:

        def others(name: str, streams: str) -> Stage:
            s3 = stack.enter_context(services.sound_moto(arguments.moto))
            kinesis = stack.enter_context(services.kinesalite(arguments.kinesalite, state / streams))
            return Stage(name, ("--s3-endpoint", s3, "--kinesis-endpoint", kinesis), s3, kinesis)

        def each() -> Iterator[Stage]:
            if arguments.on in (None, "ours"):
                yield Stage("on ours", ())
            if arguments.on in (None, "others"):
                yield others("on moto and kinesalite", "streams")
                yield others(f"{SEVERAL} at once on moto and kinesalite", "streams-of-several")

        yield each()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pinlake", type=Path, required=True, metavar="PROGRAM", help="the command")
    parser.add_argument("--moto", type=Path, required=True, metavar="PYTHON", help="a Python with moto, to start it")
    parser.add_argument("--kinesalite", type=Path, required=True, metavar="PACKAGES", help="folder with node_modules")
    parser.add_argument("--on", choices=["ours", "others"], help="one of the two only")
    parser.add_argument("--rows", type=int, default=40, help="rounds of each client (default %(default)s)")
    arguments = parser.parse_args()
    services.leave_alone()

    with tempfile.TemporaryDirectory(prefix="pinlake-elsewhere.") as folder:
        state = Path(folder)
        with stages(arguments, state) as chosen:
            for number, stage in enumerate(chosen):
                try:
                    if "at once" in stage.name:
                        several(arguments.pinlake, stage, state, arguments.rows)
                        continue
                    sent = state / f"sent-{number}"
                    sent.mkdir()
                    options = ("--no-validation", "--raw-interval", "1", *stage.options)
                    with services.pinlake(arguments.pinlake, state / f"state-{number}", *options) as pipeline:
                        whole(Run(pipeline, stage, sent), arguments.rows)
                except (Failed, services.DidNotStart, subprocess.TimeoutExpired) as error:
                    print(f"FAILED  {error}", file=sys.stderr)
                    return 1
    print("elsewhere: every step passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
