"""The profiles come along in a wheel and are read from it, even unzipped."""

import subprocess
import sys
import zipfile
from pathlib import Path

import wipe_profiles


def test_profiles_are_read_from_a_zipped_package(tmp_path: Path) -> None:
    archive = tmp_path / "profiles.zip"
    folder = Path(wipe_profiles.__file__).parent
    with zipfile.ZipFile(archive, "w") as out:
        for file in [*folder.glob("*.py"), *folder.glob("*.toml")]:
            out.write(file, f"wipe_profiles/{file.name}")
    program = "import wipe_profiles as w; print(w.__file__, *w.names(), w.load('purge').digest)"
    words = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(archive)!r}); {program}"]
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    place, *rest = done.stdout.split()
    assert place.startswith(str(archive))
    assert rest == [*wipe_profiles.names(), wipe_profiles.load("purge").digest]
