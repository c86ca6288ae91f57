"""What a drive may hold after an erase of its own. Pure.

Nobody can say byte by byte what must be there: zeros, ones, a vendor's pattern, or noise after a cryptographic erase
(STATION.md section 5: openSeaChest #46; one vendor's notes on patterns). What must not be there is what files leave.
"""

from custody.evidence import ReadBack

ONE_CONTENT = frozenset({"sanitize-block", "sanitize-overwrite", "secure-erase", "format-user", "erase-sanitize"})
"""Techniques after which a drive reads alike everywhere (zeros, ones, one pattern, or noise throughout); a
cryptographic erase and a vendor's own enhanced erase may leave noise beside untouched zeros."""


def what_is_left(look: ReadBack, technique: str) -> list[tuple[str, str]]:
    """Return (code, sentence) for each thing read after a drive's own erase that an erase does not leave."""
    seen = look.content
    if look.expected != "changed" or seen is None or seen.blocks <= 0:
        return [("content-not-seen", "what the drive holds after the erase was not looked at")]
    found = []
    if seen.zero + seen.ones + seen.repeating + seen.random + seen.structured != seen.blocks:
        found.append(("content-miscounted", "the reader's counts do not add up"))
    if seen.structured:
        text = f"{seen.structured} of {seen.blocks} blocks look like files, the first at byte {seen.first_structured}"
        found.append(("leftovers", text))
    plain = seen.zero + seen.ones + seen.repeating
    if technique in ONE_CONTENT and plain and seen.random:
        text = f"{plain} blocks are erased and {seen.random} hold noise, as packed files do: it did not erase alike"
        found.append(("uneven", text))
    return found
