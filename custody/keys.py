"""Ed25519 keys (RFC 8032): who can sign, and whose signature fits. Pure: files of keys are `custody.keyfile`'s."""

import hashlib
from dataclasses import dataclass
from typing import NewType, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from custody.errors import BadEvent, BadSignature

KeyId = NewType("KeyId", str)


@dataclass(frozen=True)
class PublicKey:
    """An Ed25519 public key (RFC 8032): 32 raw bytes."""

    raw: bytes

    def __post_init__(self) -> None:
        """Refuse what cannot be a key."""
        if len(self.raw) != 32:
            raise BadEvent(f"a public key has 32 bytes, this one has {len(self.raw)}")

    @classmethod
    def from_hex(cls, text: str) -> Self:
        """Read the 64 hexadecimal digits of a key; raise `BadEvent` for anything else."""
        try:
            return cls(bytes.fromhex(text))
        except (ValueError, TypeError) as error:
            raise BadEvent(f"not a public key: {str(text)[:80]!r}; 64 hexadecimal digits are needed") from error

    @property
    def hex(self) -> str:
        """Return the key as 64 hexadecimal digits."""
        return self.raw.hex()

    @property
    def keyid(self) -> KeyId:
        """Return the key's name: the SHA-256 of its raw bytes."""
        return KeyId(hashlib.sha256(self.raw).hexdigest())

    @property
    def fingerprint(self) -> str:
        """Return the name in a form that two people can compare aloud: eight groups of four."""
        short = self.keyid[:32].upper()
        return " ".join(short[i : i + 4] for i in range(0, 32, 4))

    def verify(self, signature: bytes, data: bytes) -> None:
        """Raise `BadSignature` unless this key signed exactly these bytes."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, data)
        except (InvalidSignature, ValueError) as error:
            raise BadSignature(f"the signature does not fit: altered, or not signed by {self.keyid[:12]}") from error


@dataclass(frozen=True, repr=False)
class PrivateKey:
    """An Ed25519 private key. It never prints itself."""

    raw: bytes

    def __post_init__(self) -> None:
        """Refuse what cannot be a key."""
        if len(self.raw) != 32:
            raise BadEvent(f"a private key has 32 bytes, this one has {len(self.raw)}")

    @classmethod
    def generate(cls) -> Self:
        """Make a new key from the system's randomness."""
        return cls(Ed25519PrivateKey.generate().private_bytes_raw())

    @property
    def public(self) -> PublicKey:
        """Return the public half."""
        return PublicKey(Ed25519PrivateKey.from_private_bytes(self.raw).public_key().public_bytes_raw())

    def sign(self, data: bytes) -> bytes:
        """Return the 64-byte signature over `data`."""
        return Ed25519PrivateKey.from_private_bytes(self.raw).sign(data)

    def __repr__(self) -> str:
        """Show which key it is and nothing of it."""
        return f"PrivateKey(of {self.public.keyid[:12]})"
