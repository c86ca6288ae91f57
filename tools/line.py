"""What `make run` does: the whole line with the real programs on practice drives, then the service stays open.

`python -m tools.line [--once] [--home DIR]`. Every step is a console script or a form sent over HTTP; nothing of
Kitbank is imported. A step that fails is said loudly, what rests on it is marked "not run", and the rest goes on.
`summary.json` in the home holds one object per step: step, ok, detail, seconds, and the reasons where there are any.
"""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools import steps_bench as bench
from tools import steps_desk as desk
from tools.scene import Scene


@dataclass(frozen=True)
class Step:
    """One step: its name, what it does, and the steps it cannot do without."""

    name: str
    do: Callable[[Scene], str]
    needs: tuple[str, ...] = ()


STEPS = (
    Step("server created", bench.server_created),
    Step("sign-ins made", bench.sign_ins_made, ("server created",)),
    Step("server running", bench.server_running, ("server created",)),
    Step("station enrolled", bench.station_enrolled, ("server running", "sign-ins made")),
    Step("kiosk running", bench.kiosk_running, ("server running", "sign-ins made")),
    Step("practice drives made", bench.drives_made, ("station enrolled",)),
    Step("files found before", bench.files_found_before, ("practice drives made",)),
    Step("label made", bench.label_made),
    Step("registered", bench.registered, ("station enrolled", "label made")),
    Step("inventoried", bench.inventoried, ("registered", "practice drives made")),
    Step("planned", bench.planned, ("practice drives made",)),
    Step("wrong confirmation refused", bench.wrong_confirmation_refused, ("practice drives made",)),
    Step("wiped and proved", bench.wiped, ("inventoried", "planned")),
    Step("nothing found after", bench.nothing_found, ("wiped and proved", "files found before")),
    Step("record checked", bench.record_checked, ("wiped and proved",)),
    Step("tested", bench.tested, ("registered",)),
    Step("label printed", bench.label_printed, ("label made",)),
    Step("synced", bench.synced, ("wiped and proved", "tested")),
    Step("referred", desk.referred, ("server running", "sign-ins made")),
    Step("approved", desk.approved, ("referred",)),
    Step("reserved", desk.reserved, ("approved", "synced")),
    Step("handed over", desk.handed_over, ("reserved",)),
    Step("household used it", bench.household_used_it, ("handed over",)),
    Step("server stopped", desk.server_stopped, ("handed over", "kiosk running")),
    Step("returned at the kiosk, server down", desk.returned_at_kiosk, ("server stopped",)),
    Step("kiosk converged, server back", desk.converged, ("returned at the kiosk, server down",)),
    Step("received at the desk", desk.received, ("kiosk converged, server back",)),
    Step("second household referred", desk.referred, ("received at the desk",)),
    Step("second loan approved", desk.approved, ("second household referred",)),
    Step("second lending refused", desk.second_lending_refused, ("second loan approved",)),
    Step("bench knows why", bench.news_fetched, ("second loan approved",)),
    Step("inventoried again", bench.inventoried, ("bench knows why",)),
    Step("tested again", bench.tested, ("bench knows why",)),
    Step("looked at, not wiped: synced", bench.news_fetched, ("inventoried again", "tested again")),
    Step("second lending refused until wiped", desk.refused_until_wiped, ("looked at, not wiped: synced",)),
    Step("wiped and proved again", bench.wiped, ("inventoried again",)),
    Step("nothing found again", bench.nothing_found, ("wiped and proved again", "household used it")),
    Step("synced again", bench.synced, ("wiped and proved again", "tested again")),
    Step("lent again: reserved", desk.reserved, ("second lending refused until wiped", "synced again")),
    Step("lent again: handed over", desk.handed_over, ("lent again: reserved",)),
    Step("history verified", desk.history_holds, ("lent again: handed over",)),
    Step("caches rebuilt", desk.caches_rebuilt, ("history verified",)),
    Step("history verified again", desk.history_holds, ("caches rebuilt",)),
)


def run_line(scene: Scene) -> list[dict[str, Any]]:
    """Run every step in order and return what became of each."""
    done: list[dict[str, Any]] = []
    for number, step in enumerate(STEPS, 1):
        print(f"[{number:2}/{len(STEPS)}] {step.name} ... ", end="", flush=True)
        held = {each["step"] for each in done if each["ok"]}
        missing = [name for name in step.needs if name not in held]
        if missing:
            one = {"step": step.name, "ok": False, "detail": f"not run: it needs {', '.join(missing)}", "seconds": 0.0}
        else:
            one = attempt(scene, step)
        done.append(one)
        mark = "ok" if one["ok"] else "NOT RUN" if missing else "FAILED"
        print(f"{mark} ({one['seconds']:.1f} s)\n        {one['detail']}", flush=True)
        text = json.dumps(done, indent=1, ensure_ascii=False) + "\n"
        (scene.home / "summary.json").write_text(text, encoding="utf-8")
    return done


def attempt(scene: Scene, step: Step) -> dict[str, Any]:
    """Do one step; whatever goes wrong in it is its result, with the whole story in the log."""
    began, scene.reasons = time.monotonic(), []
    try:
        detail, ok = step.do(scene), True
    except Exception as problem:  # noqa: BLE001 - a step may fail in any way; the line goes on and says so
        detail, ok = f"{type(problem).__name__}: {problem}", False
        with (scene.programs.logs / "failures.log").open("a", encoding="utf-8") as log:
            log.write(f"{step.name}\n{traceback.format_exc()}\n")
    one: dict[str, Any] = {"step": step.name, "ok": ok, "detail": detail, "seconds": round(time.monotonic() - began, 2)}
    return one | ({"reasons": scene.reasons} if scene.reasons else {})


def stay_open(scene: Scene) -> None:
    """Say where everything is and who may sign in, and wait until somebody presses Ctrl-C."""
    print(f"\nThe lending service:  {scene.address}\nThe return kiosk:     {scene.kiosk_address}\n")
    print("Practice sign-ins (they work on this machine only):")
    for role, (email, password) in scene.accounts.items():
        print(f"  {role:16} {email:36} {password}")
    print(f"\nThe device of this run: {scene.address}/devices/{scene.code}")
    print(f"Everything is in {scene.home}. Ctrl-C ends it.", flush=True)
    while True:
        signal.pause()


def end_on_signal(number: int, _frame: object) -> None:
    """Treat a request to end like Ctrl-C."""
    raise KeyboardInterrupt(number)


def home_folder(wanted: Path | None) -> Path:
    """Return the folder to work in: the wanted one, which must be new or empty, or a fresh temporary one."""
    if wanted is None:
        return Path(tempfile.mkdtemp(prefix="kitbank-"))
    if wanted.exists() and any(wanted.iterdir()):
        sys.exit(f"{wanted} is not empty, and nothing is ever overwritten; name a new folder in HOME_DIR")
    return wanted.absolute()


def main(words: list[str] | None = None) -> int:
    """Run the line; return 0 only if every step held, also when Ctrl-C ends the open service afterwards."""
    parser = argparse.ArgumentParser(prog="tools.line", description="The whole line on practice drives.")
    parser.add_argument("--once", action="store_true", help="do not stay open; exit 0 only if every step held")
    parser.add_argument("--home", type=Path, help="folder to leave everything in; new or empty")
    options = parser.parse_args(words)
    signal.signal(signal.SIGTERM, end_on_signal)
    scene, began = Scene(home_folder(options.home)), time.monotonic()
    print(f"Kitbank on practice drives, in {scene.home}; no real drive is touched.\n", flush=True)
    held = False
    try:
        held = report(run_line(scene), time.monotonic() - began)
        if not options.once:
            stay_open(scene)
    except KeyboardInterrupt:
        print("\nStopping.", flush=True)
    finally:
        scene.programs.stop_all()
        if options.home is None and options.once:
            shutil.rmtree(scene.home)
    return 0 if held else 1


def report(done: list[dict[str, Any]], seconds: float) -> bool:
    """Print what did not hold, loudly; return whether everything did."""
    bad = [each for each in done if not each["ok"]]
    skipped = [each["step"] for each in bad if each["detail"].startswith("not run: ")]
    for each in bad:
        if each["step"] not in skipped:
            print(f"\n  !!  {each['step']}: {each['detail']}")
    if skipped:
        print(f"\n  !!  not run because of that: {', '.join(skipped)}")
    notes = Path(__file__).resolve().parent.parent / ".kitbank" / "left-out.txt"
    for line in notes.read_text(encoding="utf-8").splitlines() if notes.is_file() else ():
        print(f"\n  !!  set-up: {line}")
    print(f"\n{len(done) - len(bad)} of {len(done)} steps held, {seconds:.0f} s.", flush=True)
    return not bad


if __name__ == "__main__":
    sys.exit(main())
