"""Moto on a free port of loopback, until standard input ends: it never outlives the program that started it.

    python tests/outside/moto_server.py [--one-at-a-time]

Moto looks whether an object is there, and writes it then, with room for another request in between: of several puts with
`If-None-Match: *` more than one may succeed, and a commit of a Delta table is lost. One request at a time it is a sound S3.

The first line of output is its URL. All state is in memory.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterable
from threading import Lock, Thread
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def one_at_a_time(application: Application) -> Application:
    """The application, which answers no request before the one it has."""
    lock = Lock()

    def answer(environment: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        with lock:
            return list(application(environment, start_response))

    return answer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one-at-a-time", action="store_true", help="answer no two requests at once")
    arguments = parser.parse_args()
    # A line per request, and a page per error of its own, would bury everything else.
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    application: Application = DomainDispatcherApplication(create_backend_app)
    if arguments.one_at_a_time:
        application = one_at_a_time(application)
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
    Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.port}", flush=True)
    sys.stdin.read()
    server.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
