"""What a machine says about itself, cleaned: placeholders become "", which everywhere means "unknown".

Firmware ships with texts such as "To Be Filled By O.E.M." where a serial number belongs. Taken at their word
they would make two laptops one. Which texts occur was read off several hundred public dumps of real machines.
"""

import re

_ANYWHERE = re.compile(
    r"to be (filled|set)|o\.e\.m\.|default string|not (specified|available|applicable|present|provided|supported)"
    r"|(system|ystem|stem) (serial|manufacturer|product|version|name)|base ?board serial|chassis (serial|manufactu)"
    r"|asset[- ]?tag|no asset|serial ?(number|no|#)|empty|unknown|undefined|invalid|filled by|type\d ?- ?"
    r"|prod0{4,}|oem0{4,}|no smbios|manufacturer00|product name",
    re.IGNORECASE,
)
_WHOLE = re.compile(
    r"(n/?a|none|null|nil|oem|eval|sn|dell|\$|xx+|(mb|sys)-?1234567890|bad ?index|no dimm|\[?empty\]?"
    r"|(?:0x)?(?P<one>.)(?P=one)*|0?1?23456789?0*[a-f]*|123456890|0123456789abcdef|(?:[ .\-_*?#\\/,:]|\ufffd)*)",
    re.IGNORECASE,
)


def said(text: str | bytes | None) -> str:
    """Return a text from firmware or a tool, on one line without odd bytes; "" for a placeholder."""
    plain = clean(text)
    return "" if _ANYWHERE.search(plain) or _WHOLE.fullmatch(plain) else plain


def clean(text: str | bytes | None) -> str:
    """Return a text that can be stored and shown: UTF-8, printable, single blanks; placeholders stay."""
    if text is None:
        return ""
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    plain = raw.decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in plain).split())
