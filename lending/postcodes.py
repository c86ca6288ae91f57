"""The shape of a British postcode. Whether it exists is another question: `lending.places`."""

import re

SHAPE = re.compile(r"([A-Z]{1,2}[0-9][A-Z0-9]?)([0-9][A-Z]{2})")
"""Outward and inward part, in capitals without spaces. Source: BS 7666, as in the ONSPD User Guide."""


def split(typed: str) -> tuple[str, str] | None:
    """Return both parts of a postcode however it was typed, None for what is no postcode."""
    found = SHAPE.fullmatch("".join(typed.upper().split()))
    return (found.group(1), found.group(2)) if found else None
