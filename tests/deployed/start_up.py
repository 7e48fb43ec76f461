"""How long each function takes from its start to its first call for an event, and how much memory it has then.

    python tests/deployed/start_up.py BUILD [--runs N]

BUILD is what `sam build` made for this machine's processor. The runtime API is served here, on loopback: the time ends
when the function asks it for the first event. That is what a cold start costs beside what Lambda itself needs;
definitions and reports are those compiled in, and no AWS service is asked anything. Prints the median of the runs;
nothing is judged, since a machine's mood is not the program's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from pathlib import Path

from runtime_api import running
from shipped import FUNCTIONS, bootstrap, variables


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--runs", type=int, default=15)
    given = parser.parse_args()
    print(f"median of {given.runs} starts on {os.cpu_count()} cores")
    print(f"{'':18} {'start':>9} {'memory':>9}")
    for function in FUNCTIONS:
        binary, own = bootstrap(given.build, function), variables(function, "pinlake")
        starts, peaks = [], []
        for _ in range(given.runs):
            with running(binary, own) as started:
                starts.append(started.first_call())
                peaks.append(started.peak_bytes())
        print(f"{function:18} {statistics.median(starts):6.1f} ms {statistics.median(peaks) / 2**20:5.1f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
