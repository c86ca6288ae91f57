"""Where simulated drives are ordered: from a dictionary or a command line to a drive over an image."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from tests.drives.ata import AtaDrive
from tests.drives.ataspec import AtaSpec
from tests.drives.clock import Clock
from tests.drives.lies import Lies
from tests.drives.sat import SatDrive
from tests.drives.scsi import SasDrive, ScsiSpec

SimulatedDrive = SatDrive | SasDrive


def order(wish: Mapping[str, Any], clock: Clock) -> SimulatedDrive:
    """Make a drive: `kind` ata or scsi, `image`, `lies`, and any field of the spec; raises `ValueError` for others."""
    kind = str(wish.get("kind", "ata"))
    if kind not in {"ata", "scsi"}:
        raise ValueError(f"no such kind of drive: {kind} (ata, scsi)")
    known = {each.name for each in fields(AtaSpec if kind == "ata" else ScsiSpec)}
    strange = set(wish) - known - {"kind", "image", "lies"}
    if strange:
        raise ValueError(f"a drive of kind {kind} has no {', '.join(sorted(strange))}")
    image = Path(wish["image"])
    values = {key: _value(key, value) for key, value in wish.items() if key in known}
    values.setdefault("sectors", image.stat().st_size // int(values.get("sector_size", 512)) if image.exists() else 0)
    if values["sectors"] <= 0:
        raise ValueError(f"{image} is missing or empty: say how many sectors the drive has")
    lies = Lies.from_words(wish.get("lies", ()))
    if kind == "ata":
        return SatDrive(AtaDrive(AtaSpec(**values), image, clock=clock, lies=lies))
    return SasDrive(ScsiSpec(**values), image, clock=clock, lies=lies)


def _value(key: str, value: Any) -> Any:
    """Turn what JSON can say into what a spec wants."""
    if key == "sanitize":
        return frozenset(value.split(",") if isinstance(value, str) else value) - {""}
    if key == "erased":
        return bytes.fromhex(value)
    if key == "wwn" and isinstance(value, str):
        return int(value, 16)
    if key == "seconds":
        usual = AtaSpec(1).seconds | ScsiSpec(1).seconds  # type: ignore[operator]
        return {**usual, **value}
    return value
