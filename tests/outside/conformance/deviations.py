"""Where services are known to differ from AWS's documentation, who is right, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Deviation:
    """A rule that a service does not keep."""

    # A regular expression for what the case finds.
    says: str
    right: str
    why: str


# By service, who serves it, and case.
DEVIATIONS: dict[tuple[str, str, str], Deviation] = {}
