"""How large each function's package is, beside its limit, and what it asks of the machine that it runs on.

    python tests/deployed/sizes.py BUILD [FUNCTION …]

BUILD is what `sam build` made, `.aws-sam/build`; without names all functions are looked at. A package is the binary
alone, zipped, as `sam package` uploads it. Exits with 1 if one is larger than its limit, since a package is downloaded
and mapped before the function starts, or if one wants a newer C library than there is on Lambda.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
import zipfile
from pathlib import Path

from shipped import FUNCTIONS, bootstrap

# In millions of bytes.
LIMITS = {"IngestFunction": 3, "StreamFunction": 10, "AnalyticsFunction": 25, "MaintainFunction": 25}

# The minor version of glibc 2 on provided.al2023.
GLIBC = 34

# As e_machine of an ELF file says it, and as template.yaml does.
PROCESSORS = {62: "x86_64", 183: "arm64"}


def zipped(binary: Path) -> bytes:
    """The package of a binary."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, binary.read_bytes())
    return package.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("functions", nargs="*", metavar="FUNCTION", default=FUNCTIONS)
    given = parser.parse_args()
    wrong = 0
    print(f"{'':18} {'processor':>10} {'glibc':>6} {'binary':>10} {'zipped':>10} {'limit':>8}")
    for function in given.functions:
        binary = bootstrap(given.build, function)
        content = binary.read_bytes()
        processor = PROCESSORS.get(int.from_bytes(content[18:20], "little"), "?")
        glibc = max((int(minor) for minor in re.findall(rb"\0GLIBC_2\.(\d+)", content)), default=0)
        size, package = len(content) / 1e6, len(zipped(binary)) / 1e6
        print(
            f"{function:18} {processor:>10} {f'2.{glibc}':>6}"
            f" {size:7.2f} MB {package:7.2f} MB {LIMITS[function]:5} MB"
        )
        wrong += package > LIMITS[function] or glibc > GLIBC
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
