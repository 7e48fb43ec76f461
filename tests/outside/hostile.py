"""Hostile requests to a running pipeline, byte by byte on its socket: what an HTTP library would not send.

    python tests/outside/hostile.py http://127.0.0.1:3000/ [--pid PID]

Each request has an answer that is expected, and after each the next client is served. With the process' id its memory is
held against a bound as well. Bounds of headers and of slow senders are those of the local server: on AWS, API Gateway has
its own before anything reaches `ingest`. Needs nothing but Python. Exits with 1 if anything is not as expected.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import socket
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

RECORD = "/streams/user/record"
RECORDS = "/streams/user/records"
TOPIC = "/topics/user"
ROW = b'{"ind":1}'
GOOD = b'{"Data":' + ROW + b"}"
MIB = 1 << 20
# What the process may grow by while it is bombed: some bodies of 32 MiB, the limit of what is decompressed.
MOST_GROWTH = 300 * MIB
TIMEOUT = 20


class Unexpected(Exception):
    """An answer that is not as it should be."""


class Server:
    def __init__(self, url: str) -> None:
        parts = urlparse(url)
        self.address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.host = f"{self.address[0]}:{self.address[1]}"

    def connect(self) -> socket.socket:
        connection = socket.create_connection(self.address, timeout=TIMEOUT)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def head(self, method: str, path: str, headers: list[str], *, close: bool = True) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}", *headers]
        if close:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def raw(self, request: bytes, *, end: bool = False) -> bytes:
        """Sends the bytes and reads until the server closes. With `end` nothing more will come from here."""
        with self.connect() as connection:
            try:
                connection.sendall(request)
                if end:
                    connection.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass  # It has answered already.
            return read(connection)

    def send(self, path: str, body: bytes, *headers: str, method: str = "PUT") -> tuple[int, bytes]:
        length = [] if any("transfer-encoding" in header.lower() for header in headers) else [f"Content-Length: {len(body)}"]
        return parse(self.raw(self.head(method, path, [*length, *headers]) + body))


def read(connection: socket.socket) -> bytes:
    answer = b""
    try:
        while part := connection.recv(65536):
            answer += part
    except (TimeoutError, ConnectionResetError):
        pass
    return answer


def parse(answer: bytes) -> tuple[int, bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1."):
        return 0, answer
    return int(words[1]), body


def chunked(*parts: bytes) -> bytes:
    return b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts) + b"0\r\n\r\n"


def records(count: int) -> bytes:
    return b'{"records":[' + b",".join([b'{"data":' + ROW + b"}"] * count) + b"]}"


def bomb(size: int) -> bytes:
    """Blanks, which are JSON's as far as they go."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(b" " * MIB) for _ in range(size // MIB)) + packer.flush()


Case = tuple[str, tuple[int, ...], bytes | None, tuple[int, bytes]]


def bodies(server: Server) -> Iterator[Case]:
    """What a body may hold: name, statuses that are right, what the answer must contain, the answer."""
    deep = b"[" * 100_000 + b"]" * 100_000
    data = lambda text: b'{"Data":' + text + b"}"  # noqa: E731
    row = lambda rest: data(b'{"ind":1,' + rest + b"}")  # noqa: E731
    nested = lambda levels: row(b'"x":' + b"[" * levels + b"]" * levels)  # noqa: E731
    kpl = b"\xf3\x89\x9a\xc2" + b"\x0a\x01k\x1a\x0d\x08\x00\x1a\x09" + ROW + bytes(16)

    for name, statuses, part, body in (
        ("a row at the deepest level", (200,), None, nested(31)),
        ("a row one level too deep", (422,), b"nested deeper than 32 levels", nested(32)),
        ("a hundred thousand levels", (422,), b"nested deeper", row(b'"x":' + deep)),
        ("a hundred thousand levels as the body", (400,), None, deep),
        ("a key twice", (422,), b"stands there twice", row(b'"ind":2')),
        ("an unknown key twice", (422,), b"stands there twice", row(b'"x":1,"x":2')),
        ("data twice", (400,), b"twice", b'{"Data":{"ind":1},"Data":{"ind":2}}'),
        ("data under two names", (400,), b"twice", b'{"Data":{"ind":1},"data":{"ind":2}}'),
        ("a number of a hundred thousand digits", (422,), b"ind", data(b'{"ind":' + b"9" * 100_000 + b"}")),
        ("an exponent beyond everything", (422,), b"ind", data(b'{"ind":1e999999999}')),
        ("a number beyond a double that nobody asks for", (200,), None, row(b'"x":1e999999999')),
        ("a lone surrogate that nobody asks for", (200,), None, row(b'"x":"\\ud800"')),
        ("a lone surrogate in a column", (422,), b"first_name", row(b'"first_name":"\\ud800"')),
        ("a byte order mark", (400,), None, b"\xef\xbb\xbf" + GOOD),
        ("UTF-16", (400,), None, GOOD.decode().encode("utf-16")),
        ("NUL", (400,), None, b"\0" + GOOD),
        ("NUL in a text", (400,), None, row(b'"x":"\0"')),
        ("NUL as an escape", (200,), None, row(b'"x":"\\u0000"')),
        ("bytes that are no UTF-8", (400,), b"UTF-8", row(b'"x":"\xff"')),
        ("overlong UTF-8", (400,), b"UTF-8", row(b'"x":"\xc0\xaf"')),
        ("base64 of bytes that are no UTF-8", (422,), b"UTF-8", data(b'"' + base64.b64encode(b"\xff") + b'"')),
        ("a packed record of the producer library", (422,), b"UTF-8", data(b'"' + base64.b64encode(kpl) + b'"')),
        ("a record of more than 1 MiB", (413,), None, row(b'"x":"' + b"x" * MIB + b'"')),
        ("a body of more than 6 MiB", (413,), None, b" " * (6 * MIB) + GOOD),
    ):
        yield name, statuses, part, server.send(RECORD, body)
    yield "500 records", (200,), None, server.send(RECORDS, records(500))
    yield "501 records", (413,), None, server.send(RECORDS, records(501))
    lines = "Content-Type: application/x-ndjson"
    yield "10,001 lines", (413,), None, server.send(RECORDS, (ROW + b"\n") * 10_001, lines)
    topic = b'{"records":[' + b",".join([b'{"value":' + ROW + b"}"] * 10_001) + b"]}"
    yield "10,001 records of a topic", (413,), None, server.send(TOPIC, topic, method="POST")


def encodings(server: Server) -> Iterator[Case]:
    """What a body may be wrapped in."""
    packed = gzip.compress(GOOD)
    huge = bomb(1024 * MIB)
    limit = 32 * MIB
    full = gzip.compress(b" " * (limit - len(GOOD)) + GOOD)
    for name, statuses, encoding, body in (
        ("gzip", (200,), "gzip", packed),
        ("gzip in two members", (200,), "gzip", gzip.compress(GOOD[:5]) + gzip.compress(GOOD[5:])),
        ("as many bytes as may be, decompressed", (200,), "gzip", full),
        ("one byte too many, decompressed", (413,), "gzip", gzip.compress(b" ") + full),
        ("1 GiB in 1 MiB", (413,), "gzip", huge),
        ("5 GiB in five members", (413,), "gzip", huge * 5),
        ("gzip in gzip, named once", (400,), "gzip", gzip.compress(packed)),
        ("gzip in gzip, named twice", (415,), "gzip, gzip", gzip.compress(packed)),
        ("gzip that is none", (400,), "gzip", GOOD),
        ("gzip that is cut off", (400,), "gzip", packed[:-6]),
        ("gzip with something behind it", (400,), "gzip", packed + b"x"),
        ("deflate", (415,), "deflate", zlib.compress(GOOD)),
        ("brotli", (415,), "br", b"\x0b\x02\x80" + GOOD),
        ("zstd", (415,), "zstd", b"\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00"),
        ("an encoding that there is not", (415,), "\xff", GOOD),
    ):
        yield name, statuses, None, server.send(RECORD, body, f"Content-Encoding: {encoding}")


def framing(server: Server) -> Iterator[Case]:
    """Where a body ends, and where a request does."""
    chunks = "Transfer-Encoding: chunked"
    yield "chunks without a length", (200,), None, server.send(RECORD, chunked(GOOD[:4], GOOD[4:]), chunks)
    many = chunked(*[b" " * MIB] * 8)
    yield "chunks of more than 6 MiB", (413,), None, server.send(RECORD, many, chunks)
    yield "a chunk of no size", (400,), None, server.send(RECORD, b"zz\r\n" + GOOD + b"\r\n0\r\n\r\n", chunks)
    giant = b"ffffffffffffffffff\r\n" + GOOD
    yield "a chunk longer than numbers go", (400,), None, server.send(RECORD, giant, chunks)
    # A body shorter than it says, from a client that has nothing more to say.
    short = server.head("PUT", RECORD, ["Content-Length: 1000"]) + GOOD
    yield "a body that breaks off", (0, 400), None, parse(server.raw(short, end=True))
    for length in ("-1", "1e3", "99999999999999999999999", "0x10", ""):
        request = server.head("PUT", RECORD, [f"Content-Length: {length}"]) + GOOD
        yield f"a length of `{length}`", (400,), None, parse(server.raw(request))
    request = server.head("PUT", RECORD, [f"Content-Length: {len(GOOD)}", "Content-Length: 5"]) + GOOD
    yield "two lengths", (400,), None, parse(server.raw(request))
    # What follows the shorter reading must not be taken for a request of its own.
    hidden = server.head("GET", "/health", [])
    body = b"0\r\n\r\n" + hidden
    request = server.head("PUT", RECORD, [f"Content-Length: {len(body)}", chunks]) + body
    answer = server.raw(request)
    yield "a length and chunks", (400,), None, (parse(answer)[0] if answer.count(b"HTTP/1.1 ") == 1 else -1, answer)
    # More than is announced is the next request, and this is none.
    request = server.head("PUT", RECORD, [f"Content-Length: {len(GOOD)}"], close=False) + GOOD + b"trailing rubbish\r\n\r\n"
    answer = server.raw(request, end=True)
    statuses = [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]
    yield "a body longer than it says", (200,), None, (200 if statuses in ([200, 400], [200]) else -1, answer)
    # One packet, two requests, two answers.
    request = server.head("PUT", RECORD, [f"Content-Length: {len(GOOD)}"], close=False) + GOOD
    request += server.head("GET", "/health", [])
    answer = server.raw(request)
    right = answer.count(b"HTTP/1.1 200") == 2 and answer.find(b"SequenceNumber") < answer.find(b"datasets")
    yield "two requests at once", (200,), None, (200 if right else -1, answer)


def heads(server: Server) -> Iterator[Case]:
    """What may come before a body."""
    for name, statuses, head in (
        ("a header of 1 MiB", (431,), server.head("GET", "/health", ["X: " + "x" * MIB])),
        ("a thousand headers", (431,), server.head("GET", "/health", [f"X-{n}: x" for n in range(1000)])),
        ("a path of 1 MiB", (414, 431), server.head("GET", "/" + "x" * MIB, [])),
        ("a path of 60,000 bytes", (404,), server.head("GET", "/streams/" + "x" * 60_000, [])),
        ("a name full of ways up", (404,), server.head("GET", "/streams/..%2f..%2f..%2fetc%2fpasswd", [])),
        ("a name that is no UTF-8", (404,), server.head("GET", "/topics/%ff%fe", [])),
        ("a name with NUL", (404,), server.head("GET", "/streams/%00user", [])),
        ("NUL in a header", (400,), server.head("GET", "/health", ["X: \0"])),
        ("a line feed in a header", (400,), server.head("GET", "/health", ["X: a\n b\x01"])),
        ("no HTTP", (400,), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100)),
        ("a method that there is not", (405,), server.head("BREW", "/health", [])),
        ("TRACE", (405,), server.head("TRACE", RECORD, [])),
        ("a form", (415,), server.head("PUT", RECORD, ["Content-Length: 0", "Content-Type: multipart/form-data"])),
    ):
        yield name, statuses, None, parse(server.raw(head))


def slow(server: Server) -> Iterator[Case]:
    """Senders that never get to the end, many at once: others are served meanwhile. When they are cut off is the business
    of the server's own tests."""
    slow_ones = []
    for begun in (b"PUT " + RECORD.encode(), server.head("PUT", RECORD, ["Content-Length: 1000"]) + b"{"):
        for _ in range(100):
            connection = server.connect()
            connection.sendall(begun)
            slow_ones.append(connection)
    begun = time.monotonic()
    yield "one among 200 slow ones", (200,), None, server.send(RECORD, GOOD)
    took = time.monotonic() - begun
    yield f"and soon: {took:.2f} s", (200,), None, (200 if took < 5 else -1, b"")
    for connection in slow_ones:
        connection.close()


def memory(pid: int) -> int:
    """The most that the process has ever held, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise Unexpected(f"process {pid} is not there")


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("url")
    arguments.add_argument("--pid", type=int, help="of the pipeline: its memory is looked at")
    given = arguments.parse_args()
    server = Server(given.url)
    wrong, count = [], 0
    for group in (bodies, encodings, framing, heads, slow):
        before = memory(given.pid) if given.pid else 0
        for name, statuses, part, (status, answer) in group(server):
            count += 1
            said = answer[:200].decode("latin-1")
            if status not in statuses or (part is not None and part not in answer):
                wrong.append(f"{name}: {status}, not {' or '.join(map(str, statuses))}: {said}")
            if status >= 400 and group in (bodies, encodings) and not json.loads(answer).get("message"):
                wrong.append(f"{name}: no message: {said}")
            alive, _ = parse(server.raw(server.head("GET", "/health", [])))
            if alive != 200:
                wrong.append(f"{name}: the next client got {alive}")
        grown = (memory(given.pid) if given.pid else 0) - before
        if grown > MOST_GROWTH:
            wrong.append(f"{group.__name__}: memory grew by {grown // MIB} MiB")
        if given.pid:
            print(f"{group.__name__}: memory's peak {before // MIB} MiB before, {(before + grown) // MIB} MiB after")
    for line in wrong:
        print(f"WRONG {line}")
    print(f"{count} hostile requests, {len(wrong)} wrong answers")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
