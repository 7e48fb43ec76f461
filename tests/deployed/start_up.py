"""How long each function takes from its start to its first call for an event, and how much memory it has then.

    python tests/deployed/start_up.py BUILD [--runs N]

BUILD is what `sam build` made for this machine's processor. The runtime API is served here, on loopback: the time ends when
the function asks it for the first event. That is what a cold start costs beside what Lambda itself needs; definitions and
reports are those compiled in, and no AWS service is asked anything. Prints the median of the runs; nothing is judged, since
a machine's mood is not the program's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from shipped import FUNCTIONS, REGION, bootstrap, variables


class RuntimeApi(HTTPServer):
    """Answers nobody, and notes when somebody asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.asked_at = 0.0
        self.asked = threading.Event()


class Asked(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, RuntimeApi)
        self.server.asked_at = time.perf_counter()
        self.server.asked.set()
        # Lambda would keep it waiting, too.
        time.sleep(0.2)

    def log_message(self, format: str, *args: object) -> None:
        pass


def start(binary: Path, own: dict[str, str]) -> tuple[float, int]:
    """Starts a function once: milliseconds to its first call, and its largest memory by then in KiB."""
    api = RuntimeApi()
    server = threading.Thread(target=api.handle_request)
    server.start()
    env = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}",
        "AWS_LAMBDA_FUNCTION_NAME": "function",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nobody",
    } | own
    began = time.perf_counter()
    function = subprocess.Popen([binary], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        if not api.asked.wait(timeout=30):
            function.kill()
            raise SystemExit(f"{binary} never asked for an event: {function.communicate()[1].decode()[-2000:]}")
        status = Path(f"/proc/{function.pid}/status").read_text(encoding="ascii")
    finally:
        function.kill()
        function.wait()
        server.join()
        api.server_close()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return (api.asked_at - began) * 1000, int(peak.split()[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--runs", type=int, default=15)
    given = parser.parse_args()
    print(f"median of {given.runs} starts on {os.cpu_count()} cores")
    print(f"{'':18} {'start':>9} {'memory':>9}")
    for function in FUNCTIONS:
        binary, own = bootstrap(given.build, function), variables(function, "pinlake")
        runs = [start(binary, own) for _ in range(given.runs)]
        milliseconds = statistics.median(run[0] for run in runs)
        mebibytes = statistics.median(run[1] for run in runs) / 1024
        print(f"{function:18} {milliseconds:6.1f} ms {mebibytes:5.1f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
