"""Make `.venv` and put pip into it on a machine that has Python and perhaps nothing else.

Debian's python3.11 comes without `ensurepip` and often without pip. The ways tried, in order:

1. `ensurepip` (part of Debian's python3.11-venv), the ordinary way;
2. a pip that this Python can import already: it installs a copy into the new environment;
3. a pip wheel lying on the disk (Debian's python3-pip-whl, or a folder named in pip's `find-links`);
4. a pip wheel from the index that pip's own configuration or environment names;
5. Debian's package python3-pip-whl, downloaded and unpacked without installing it, which needs no root.

No address is written here: where packages come from is the machine's business. Only the standard library is used.
"""

import configparser
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from urllib.request import urlopen

WHEEL = re.compile(r"^pip-(\d+(?:\.\d+)+)-py3-none-any\.whl$")
DEBIAN_WHEELS = Path("/usr/share/python-wheels")
SECONDS = 60.0


class Nothing(Exception):
    """This way does not lead to a pip here; the text says why."""


def say(text: str) -> None:
    """Print one line at once."""
    print(f"      {text}", flush=True)


def make_environment(folder: Path) -> None:
    """Lay out a virtual environment without pip; by hand where even the `venv` module is missing."""
    if importlib.util.find_spec("venv") is not None:
        import venv

        venv.EnvBuilder(symlinks=True, clear=True, with_pip=False).create(folder)
        return
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    site = folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    site.mkdir(parents=True, exist_ok=True)
    base = Path(sys.executable).resolve()
    for name in ("python", "python3"):
        (folder / "bin" / name).symlink_to(base)
    (folder / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")


def settings() -> dict[str, str]:
    """Return pip's `index-url`, `extra-index-url` and `find-links` from its environment and files."""
    home = Path.home()
    config = os.environ.get("XDG_CONFIG_HOME", str(home / ".config"))
    files = [Path("/etc/pip.conf"), home / ".pip/pip.conf", Path(config) / "pip/pip.conf"]
    files.append(Path(os.environ.get("PIP_CONFIG_FILE", os.devnull)))
    found: dict[str, str] = {}
    for file in files:
        parser = configparser.RawConfigParser()
        parser.read(file)
        for section in ("global", "install"):
            if parser.has_section(section):
                found.update(parser.items(section))
    for key in ("index-url", "extra-index-url", "find-links"):
        value = os.environ.get("PIP_" + key.replace("-", "_").upper())
        if value:
            found[key] = value
    return found


def newest(names: dict[str, str]) -> str:
    """Return the value of the highest pip version among wheel names; raise Nothing when there is none."""
    wheels = {name: WHEEL.match(name) for name in names}
    versions = {n: tuple(int(p) for p in m.group(1).split(".")) for n, m in wheels.items() if m}
    if not versions:
        raise Nothing("no pip wheel there")
    return names[max(versions, key=lambda name: versions[name])]


def pip_module() -> list[str]:
    """Return how to run the pip that this Python has; raise Nothing."""
    if importlib.util.find_spec("pip") is None:
        raise Nothing("this Python has no pip of its own")
    return [sys.executable, "-m", "pip"]


def wheel_on_disk(_work: Path) -> Path:
    """Return a pip wheel from Debian's wheel folder or a local `find-links`; raise Nothing."""
    folders = [DEBIAN_WHEELS, *(Path(p.removeprefix("file://")) for p in settings().get("find-links", "").split())]
    found = {f.name: str(f) for folder in folders if folder.is_dir() for f in folder.glob("pip-*.whl")}
    return Path(newest(found))


def wheel_from_index(work: Path) -> Path:
    """Fetch the newest pip wheel from the first configured index that has one; raise Nothing."""
    configured = settings()
    indexes = f"{configured.get('index-url', '')} {configured.get('extra-index-url', '')}".split()
    if not indexes:
        raise Nothing("pip is not configured here, so no index is known")
    problems = []
    for index in indexes:
        base = index.rstrip("/") + "/pip/"
        try:
            with urlopen(base, timeout=SECONDS) as answer:
                page = answer.read().decode()
            addresses = [urljoin(base, a) for a in re.findall(r'href="([^"]+)"', page)]
            links = {unquote(Path(urlsplit(a).path).name): a for a in addresses}
            address, fragment = urldefrag(newest(links))
            target = work / unquote(Path(urlsplit(address).path).name)
            with urlopen(address, timeout=SECONDS) as answer:
                target.write_bytes(answer.read())
            check_digest(target, fragment)
        except (OSError, Nothing, ValueError) as problem:
            problems.append(f"{urlsplit(index).scheme} index: {problem}")
        else:
            return target
    raise Nothing("; ".join(problems))


def check_digest(file: Path, fragment: str) -> None:
    """Compare a file with the `sha256=` that the index page gave; raise Nothing when it differs or is missing."""
    import hashlib

    wanted = fragment.removeprefix("sha256=")
    if not fragment.startswith("sha256=") or hashlib.sha256(file.read_bytes()).hexdigest() != wanted:
        file.unlink()
        raise Nothing("the file and the digest that the index gives for it do not agree")


def wheel_from_debian(work: Path) -> Path:
    """Download and unpack Debian's python3-pip-whl without installing it (no root needed); raise Nothing."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise Nothing("no apt-get here")
    lists, cache = work / "lists", work / "cache"
    for folder in (lists / "partial", cache / "archives/partial"):
        folder.mkdir(parents=True)
    apt = ["apt-get", "-q", "-o", f"Dir::Cache={cache}", "-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root"]
    own = ["-o", f"Dir::State::lists={lists}"]
    for command in ([*apt, "download"], [*apt, *own, "update"], [*apt, *own, "download"]):
        argv = command if command[-1] == "update" else [*command, "python3-pip-whl"]
        subprocess.run(argv, cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        for package in work.glob("python3-pip-whl_*.deb"):
            subprocess.run(["dpkg-deb", "-x", str(package), str(work / "unpacked")], check=True)
            return Path(newest({f.name: str(f) for f in (work / "unpacked").rglob("pip-*.whl")}))
    raise Nothing("apt-get could not download python3-pip-whl")


def install_pip(python: Path, work: Path) -> None:
    """Install pip into the environment of `python` by the first way that works; raise Nothing with all reasons."""
    wheels: list[Callable[[Path], Path]] = [wheel_on_disk, wheel_from_index, wheel_from_debian]
    reasons: list[str] = []
    for attempt in ways(python, work, wheels, reasons):
        done = subprocess.run(attempt, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode == 0:
            return
        reasons.append((done.stderr.strip().splitlines() or ["it failed without a word"])[-1])
    raise Nothing("; ".join(reasons))


def ways(python: Path, work: Path, wheels: list[Callable[[Path], Path]], reasons: list[str]) -> Iterator[list[str]]:
    """Yield command lines that would put pip into the environment, adding to `reasons` why others cannot."""
    if importlib.util.find_spec("ensurepip") is not None:
        say("pip: with ensurepip")
        yield [str(python), "-m", "ensurepip", "--upgrade"]
    try:
        pip = pip_module()
        say("pip: with the pip of the machine's Python")
        yield [*pip, "--python", str(python), "install", "-q", "pip"]
    except Nothing as why:
        reasons.append(str(why))
    for find in wheels:
        try:
            wheel = find(work)
            say(f"pip: from {wheel.name} ({find.__name__.replace('_', ' ')})")
            # A wheel is a zip archive that Python can run: pip installs itself.
            yield [str(python), f"{wheel}/pip", "install", "-q", "--no-index", "--no-deps", str(wheel)]
        except Nothing as why:
            reasons.append(f"{find.__name__.replace('_', ' ')}: {why}")


def main() -> int:
    """Make the environment named on the command line; return 0, or 1 after saying what a person can do."""
    folder = Path(sys.argv[1])
    make_environment(folder)
    with tempfile.TemporaryDirectory() as work:
        try:
            install_pip(folder / "bin" / "python", Path(work))
        except Nothing as why:
            shutil.rmtree(folder)
            print(
                f"\n  !!  No way to get pip: {why}.\n"
                "  !!  Either ask an administrator for:  apt-get install python3-venv\n"
                "  !!  or name a package index in PIP_INDEX_URL, or a folder with a pip wheel in PIP_FIND_LINKS,\n"
                "  !!  and start again.\n",
                file=sys.stderr,
            )
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
