"""What names one storage medium. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NewType, Self

from custody.errors import BadEvent

MediumId = NewType("MediumId", str)

LONGEST_TEXT = 200
"""Characters. No drive tells a longer serial, model or WWN."""

LARGEST_NUMBER = 2**63 - 1
"""What every database can hold."""


@dataclass(frozen=True)
class MediumIdentity:
    """What one storage medium is, as read from the medium itself.

    Namespaces of one NVMe drive share a serial and a SCSI disk's udev serial is its WWN, so only all the
    fields together name a medium. `size` is in bytes.
    """

    transport: str
    model: str
    serial: str
    wwn: str
    namespace: str
    size: int

    @property
    def id(self) -> MediumId:
        """Return the medium's name: a digest over every field, each with its length."""
        fields = (self.transport, self.model, self.serial, self.wwn, self.namespace, str(self.size))
        packed = b"".join(len(f.encode()).to_bytes(4, "big") + f.encode() for f in fields)
        return MediumId("m-" + hashlib.sha256(packed).hexdigest()[:32])

    @property
    def trusted(self) -> bool:
        """Tell whether anything in it names one single medium; without that it is never certified.

        Through a USB adapter the serial may be the adapter's own, and two drives in one dock would then be one
        (STATION.md section 5, nwipe #444): such a medium can be wiped, and is certified once it is connected directly.
        """
        return bool(self.names) and self.size > 0 and self.transport != "usb"

    @property
    def names(self) -> frozenset[str]:
        """Return what this medium is also known by: one drive has another `id` behind another adapter."""
        named = (("wwn", self.wwn), ("disk", self.serial))
        return frozenset(f"{kind}:{''.join(text.casefold().split())}" for kind, text in named if text.strip())

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON data."""
        return {
            "transport": self.transport,
            "model": self.model,
            "serial": self.serial,
            "wwn": self.wwn,
            "namespace": self.namespace,
            "size": self.size,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; raise `BadEvent` when a field is missing or of another type."""
        try:
            texts = [data[k] for k in ("transport", "model", "serial", "wwn", "namespace")]
            size = data["size"]
        except (KeyError, TypeError) as error:
            raise BadEvent(f"a medium's identity lacks {error}") from error
        if not all(isinstance(t, str) for t in texts) or not isinstance(size, int) or isinstance(size, bool):
            raise BadEvent("a medium's identity is five texts and a size in bytes")
        if not 0 <= size <= LARGEST_NUMBER:
            raise BadEvent(f"no medium has {size} bytes")
        if any(not is_storable(text) or len(text) > LONGEST_TEXT for text in texts):
            raise BadEvent(f"a medium's identity holds what is no text of at most {LONGEST_TEXT} characters")
        transport, model, serial, wwn, namespace = texts
        return cls(transport, model, serial, wwn, namespace, size)


def is_storable(text: str) -> bool:
    """Tell whether a database can hold the text: no NUL (PostgreSQL refuses it), no half of a surrogate pair."""
    try:
        return b"\x00" not in text.encode()  # UTF-8 refuses exactly the halves of surrogate pairs
    except UnicodeEncodeError:
        return False
