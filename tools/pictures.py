"""Take the README's pictures from the real screens: `python -m tools.pictures`, after `make test` set things up.

Runs the line up to the refused second lending and looks at it with Debian's Chromium, as a person at the desk would.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tools.line import STEPS, attempt
from tools.scene import Scene

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
LAST_STEP = "second lending refused"
QUIET = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip


def sign_in(page: Page, scene: Scene, role: str) -> None:
    """Sign in on the page for it."""
    email, password = scene.accounts[role]
    page.goto(f"{scene.address}/sign-in")
    page.fill("[name=email]", email)
    page.fill("[name=password]", password)
    page.press("[name=password]", "Enter")
    page.wait_for_url(f"{scene.address}/")


def take(page: Page, name: str) -> None:
    """Save what the page shows, down to its end."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    with Image.open(path) as picture:  # flat colours: a palette is a third of the size and looks the same
        small = picture.convert("RGB").quantize(128, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    print(f"docs/images/{name}.png", flush=True)


def look_around(page: Page, scene: Scene) -> None:
    """Go through the screens that the README shows."""
    page.goto(scene.kiosk_address)
    take(page, "kiosk")
    sign_in(page, scene, "desk")
    take(page, "home")
    page.goto(f"{scene.address}/devices/{scene.code}")
    take(page, "device")
    page.goto(f"{scene.address}/loans/{scene.loans[-1]}")
    reserve = page.locator("form[action$='/reserve']")
    reserve.locator("[name=code]").fill(scene.code)
    reserve.locator("button").first.click()
    take(page, "refused")


def main() -> int:
    """Run the line so far and take the pictures; return 0 when all came out."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("There is no chromium here; as root: apt-get install chromium", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="kitbank-") as folder:
        scene = Scene(Path(folder))
        try:
            for step in STEPS[: [step.name for step in STEPS].index(LAST_STEP) + 1]:
                done = attempt(scene, step)
                print(f"{step.name}: {'ok' if done['ok'] else done['detail']}", flush=True)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
                look_around(browser.new_page(viewport={"width": 1100, "height": 800}), scene)
                browser.close()
        finally:
            scene.programs.stop_all()
    return 0


if __name__ == "__main__":
    sys.exit(main())
