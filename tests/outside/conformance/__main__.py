"""Asks services that speak AWS's protocols what AWS's documentation says that they answer.

    python tests/outside/conformance --pinlake PROGRAM --kinesalite PACKAGES [--rounds N] [--slow] [--table FILE]
    python tests/outside/conformance --endpoint s3 URL [--keys ID SECRET] [--expect NAME]

The first form starts ours, moto and kinesalite on loopback and asks them all; PACKAGES is a folder with
`node_modules`. The second asks any one endpoint; with `--expect` by what is expected of one of the three. `--slow
--rounds 100` is the long run.

A case is one rule of the documentation. Where a service breaks it, `deviations.py` says so, who is right and why; such
a difference is expected, and it fails the suite when it is gone. Every other difference fails it as well.

Exits with 1 if something was found that was not expected, or the other way round.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

# The folder above has what is shared with the other programs there.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import services  # noqa: E402
from deviations import DEVIATIONS, Deviation  # noqa: E402
from firehose_cases import FIREHOSE, Desk as FirehoseDesk  # noqa: E402
from kinesis_cases import KINESIS, Desk as KinesisDesk  # noqa: E402
from s3_cases import S3, Desk as S3Desk  # noqa: E402
from services import OURS, Keys  # noqa: E402
from suite import Case, Outcome, Target, run  # noqa: E402

# Each file of cases adds its own to its suite.
for file in sorted(Path(__file__).parent.glob("*_cases.py")):
    importlib.import_module(file.stem)

SUITES = {
    suite.service: (suite, desk) for suite, desk in ((S3, S3Desk), (KINESIS, KinesisDesk), (FIREHOSE, FirehoseDesk))
}
# Moto and kinesalite take any.
ANY = Keys("testing", "testing")


@contextmanager
def started(arguments: argparse.Namespace) -> Iterator[list[Target]]:
    """Ours and the others, running."""
    with ExitStack() as stack:
        state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pinlake-conformance.")))
        moto = stack.enter_context(services.moto(Path(sys.executable)))
        kinesalite = stack.enter_context(services.kinesalite(arguments.kinesalite))
        ours = stack.enter_context(services.pinlake(arguments.pinlake, state / "ours", "--raw-interval", "1"))
        named = [
            ("s3", "ours", ours.s3, OURS),
            ("s3", "moto", moto, ANY),
            ("kinesis", "ours", ours.kinesis, OURS),
            ("kinesis", "kinesalite", kinesalite, ANY),
            ("firehose", "ours", ours.firehose, OURS),
            ("firehose", "moto", moto, ANY),
        ]
        rounds = arguments.rounds
        yield [Target(*place, rounds, ours.s3 if place[:2] == ("firehose", "ours") else moto) for place in named]


def judge(outcome: Outcome, deviation: Deviation | None) -> tuple[bool, str]:
    """Whether this was expected, and what is said about it."""
    case, broken = outcome.case, outcome.broken
    if broken is None and (deviation is None or deviation.sometimes):
        return True, f"ok        {case.name}: {case.rule}"
    if broken is None:
        return False, failed(case, "is expected to differ and does not: take it out of deviations.py")
    if deviation is None:
        return False, failed(case, broken)
    if not re.search(deviation.says, broken):
        return False, failed(case, f"differs in another way than expected, which is `{deviation.says}`: {broken}")
    return (
        True,
        f"differs   {case.name}: {case.rule}\n          {broken}\n          {deviation.right}: {deviation.why}",
    )


def failed(case: Case, why: str) -> str:
    return f"FAILED    {case.name}: {case.rule}\n          {why}\n          {case.page}"


def cell(outcome: Outcome, deviation: Deviation | None) -> str:
    """What a table says of a case and a service."""
    if outcome.broken is None:
        return "sometimes not" if deviation else "yes"
    right = f"; {deviation.right}: {deviation.why}" if deviation else ""
    return f"**no**: {outcome.broken}{right}".replace("|", "\\|").replace("\n", " ")


def table(rows: dict[tuple[str, str], dict[str, str]], names: list[str]) -> str:
    """Cases by services, as a page shows them."""
    lines = [f"| service | case | rule | {' | '.join(names)} |", f"|---|---|---|{'---|' * len(names)}"]
    for (service, case), found in rows.items():
        lines.append(f"| {service} | {case} | {found['rule']} | {' | '.join(found.get(name, '') for name in names)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="conformance", description=__doc__.splitlines()[0])
    parser.add_argument("--pinlake", type=Path, metavar="PROGRAM", help="the command, to start ours")
    parser.add_argument(
        "--kinesalite", type=Path, metavar="PACKAGES", help="folder with node_modules, to start kinesalite"
    )
    parser.add_argument("--endpoint", nargs=2, metavar=("SERVICE", "URL"), help=f"one endpoint: {', '.join(SUITES)}")
    parser.add_argument("--keys", nargs=2, metavar=("ID", "SECRET"), default=("testing", "testing"))
    parser.add_argument("--expect", default="", metavar="NAME", help="whose deviations are expected of it")
    parser.add_argument("--rounds", type=int, default=10, help="of each race (default %(default)s)")
    parser.add_argument("--slow", action="store_true", help="also the cases that take minutes")
    parser.add_argument("--only", type=re.compile, default=re.compile(""), metavar="REGEX", help="cases by name")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write cases and services as a table")
    arguments = parser.parse_args()
    services.leave_alone()

    with ExitStack() as stack:
        if arguments.endpoint:
            service, url = arguments.endpoint
            if service not in SUITES:
                parser.error(f"there is no service `{service}`, but {', '.join(SUITES)}")
            targets = [
                Target(service, arguments.expect or "it", url.rstrip("/"), Keys(*arguments.keys), arguments.rounds)
            ]
        elif arguments.pinlake and arguments.kinesalite:
            targets = stack.enter_context(started(arguments))
        else:
            parser.error("give --pinlake and --kinesalite, or --endpoint")
        return ask(targets, arguments)


def ask(targets: list[Target], arguments: argparse.Namespace) -> int:
    counts: Counter[str] = Counter()
    rows: dict[tuple[str, str], dict[str, str]] = {}

    def asked(target: Target) -> list[Outcome]:
        suite, desk = SUITES[target.service]

        def chosen(case: Case) -> bool:
            return bool(arguments.only.search(case.name)) and (arguments.slow or not case.slow)

        return list(run(suite, lambda number: desk(target, number), chosen))

    # Two at once, for each often waits.
    with ThreadPoolExecutor(2) as pool:
        for target, outcomes in zip(targets, pool.map(asked, targets), strict=True):
            print(f"── {target.service}: {target.name}", flush=True)
            for outcome in outcomes:
                deviation = DEVIATIONS.get((target.service, target.name, outcome.case.name))
                is_expected, text = judge(outcome, deviation)
                counts["failed" if not is_expected else "differences" if outcome.broken else "kept"] += 1
                print(text, flush=True)
                row = rows.setdefault((target.service, outcome.case.name), {"rule": outcome.case.rule})
                row[target.name] = cell(outcome, deviation)
    if arguments.table:
        names = sorted({target.name for target in targets}, reverse=True)
        arguments.table.write_text(table(rows, names), encoding="utf-8")
    kept, different, wrong = counts["kept"], counts["differences"], counts["failed"]
    print(f"conformance: {kept} rules kept, {different} expected differences, {wrong} failed")
    return 1 if wrong or not kept else 0


if __name__ == "__main__":
    sys.exit(main())
