"""How large each function's package is, beside its limit.

    python tests/deployed/sizes.py BUILD

BUILD is what `sam build` made, `.aws-sam/build`. A package is the binary alone, zipped, as `sam package` uploads it. Exits
with 1 if one is larger than its limit: a function's package is downloaded and mapped before it starts.
"""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
from pathlib import Path

from shipped import FUNCTIONS, bootstrap

# In millions of bytes.
LIMITS = {"IngestFunction": 3, "StreamFunction": 10, "AnalyticsFunction": 25, "MaintainFunction": 25}


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
    build = parser.parse_args().build
    too_large = 0
    print(f"{'':18} {'binary':>10} {'zipped':>10} {'limit':>10}")
    for function in FUNCTIONS:
        binary = bootstrap(build, function)
        size, package = binary.stat().st_size / 1e6, len(zipped(binary)) / 1e6
        print(f"{function:18} {size:7.1f} MB {package:7.1f} MB {LIMITS[function]:7} MB")
        too_large += package > LIMITS[function]
    return 1 if too_large else 0


if __name__ == "__main__":
    sys.exit(main())
