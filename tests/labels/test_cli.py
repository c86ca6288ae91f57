"""`kitbank-labels` as a person types it."""

import json
from pathlib import Path

import pytest

from labels import codes
from labels.cli import main

CODE = codes.complete("7K3QX9MDA4")


def test_new_codes_are_good_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "3", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert [codes.check(code) for code in made] == made
    assert len(made) == 3


def test_check_says_which_character_is_wrong_and_offers_the_right_code(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = CODE[:5] + "Z" + CODE[6:]
    assert main(["check", wrong]) == 2
    assert f"Character 6 (the 2nd of group 2) is wrong: Z should probably be {CODE[5]}" in capsys.readouterr().err
    assert main(["check", wrong, "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["position"], told["wrong"], told["suggestion"]) == (False, 6, "Z", CODE)
    assert main(["check", f"https://h.org/d/{CODE.lower()}"]) == 0
    assert capsys.readouterr().out.strip() == codes.pretty(CODE)


def test_render_writes_labels_and_tells_what_it_could_not_print(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "one.zpl"
    assert main(["render", CODE, "--title", "حاسوب", "--host", "h.org", "--to", f"file:{out}"]) == 0
    assert codes.pretty(CODE) in out.read_text()
    assert "cannot be printed with the fonts here" in capsys.readouterr().err


def test_sheet_prints_new_codes_and_lists_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITBANK_HOST_ADDRESS", "h.org")
    assert main(["sheet", "2", "--start", "20", "--to", f"file:{tmp_path / 'two.pdf'}"]) == 0
    assert len([codes.check(line) for line in capsys.readouterr().out.split()]) == 2
    assert (tmp_path / "two.pdf").read_bytes().startswith(b"%PDF")


def test_what_goes_wrong_has_its_exit_code_and_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["render", CODE, "--host", "h.org", "--as", "pdf:letter"]) == 2
    assert "There is no label format" in capsys.readouterr().err
    assert main(["render", CODE, "--host", "h.org", "--to", f"file:{tmp_path / 'no' / 'x'}"]) == 4
    assert "could not be written" in capsys.readouterr().err
    with pytest.raises(SystemExit) as usage:
        main(["sheet", "0", "--host", "h.org"])
    assert usage.value.code == 2
