"""One HTML file with which anybody checks a certificate, offline: no network, no installation, nothing sent anywhere.

The page is built from `page/check.html`, `check.css` and `check.js`; its content security policy allows exactly these
two by their digests and nothing else, so it cannot load or send anything. It checks a PDF's own signature, the
statement of the station that printed it, the signed record, and the evidence, with the browser's cryptography.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files

_FOLDER = "page"


def page(keys: Mapping[str, str], record: bytes = b"") -> bytes:
    """Return the page. `keys` (name -> 64 hexadecimal digits) are trusted by it, `record` is shown and checked at once.

    A page is only as good as the place it came from: whoever hands it out vouches for the keys in it, and it says so.
    """
    html, css, script = (_read(f"check.{kind}") for kind in ("html", "css", "js"))
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(css)}'; base-uri 'none'; "
        "form-action 'none'"
    )
    data = json.dumps({"keys": dict(keys), "record": base64.b64encode(record).decode()})
    parts = {"@POLICY@": policy, "@CSS@": css, "@SCRIPT@": script, "@DATA@": data.replace("<", "\\u003c")}
    for name, text in parts.items():
        html = html.replace(name, text)
    return html.encode()


def _read(name: str) -> str:
    return files("custody").joinpath(_FOLDER, name).read_text("utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
