"""Moto on a free port of loopback, until standard input ends: it never outlives the program that started it.

    python tests/outside/moto_server.py

The first line of output is its URL. All state is in memory.
"""

from __future__ import annotations

import logging
import sys

from moto.server import ThreadedMotoServer


def main() -> int:
    # A line per request, and a page per error of its own, would bury everything else.
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    print(f"http://127.0.0.1:{port}", flush=True)
    sys.stdin.read()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
