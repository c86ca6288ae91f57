"""The strict loader: what is wrong is named with its file, place and the allowed values."""

import hashlib
import tomllib
from pathlib import Path

import pytest

import wipe_profiles
from wipe_profiles import BEFORE, CLAIMS, METHODS, PATTERNS, PROOFS, TRANSPORTS, ProfileError, load, names, parse

GOOD = """
title = "Test"
wants = "purge"
accepts = "clear"
basis = "none"
[ata]
methods = ["sanitize-crypto", "overwrite-random"]
before = ["unhide"]
prove = ["canaries", "read-all"]
"""
PACKAGE = Path(wipe_profiles.__file__).parent


def changed(old: str, new: str) -> bytes:
    assert old in GOOD
    return GOOD.replace(old, new).encode()


def test_the_five_profiles_are_there_and_right() -> None:
    assert names() == ["clear", "destroy", "overwrite3", "purge", "verify"]
    for name in names():
        profile = load(name)
        assert profile.name == name
        assert profile.title
        assert profile.digest == hashlib.sha256((PACKAGE / f"{name}.toml").read_bytes()).hexdigest()


def test_no_profile_claims_conformity_to_a_text_that_was_not_read() -> None:
    for name in names():
        basis = load(name).basis
        if any(word in basis for word in ("NIST", "IEEE", "HMG")):
            assert "secondary sources" in basis
            assert "not read" in basis
        assert "conform" not in basis.casefold()
        assert "complian" not in basis.casefold()


def test_every_profile_is_explained_in_comments() -> None:
    for name in names():
        assert (PACKAGE / f"{name}.toml").read_text("utf-8").startswith("# ")


def test_purge_never_formats_or_erases_through_a_usb_bridge() -> None:
    assert load("purge").recipes["usb"].methods == ("overwrite-random",)


def test_practice_drives_have_a_recipe_only_where_an_overwrite_can_reach_the_claim() -> None:
    assert {name for name in names() if load(name).recipe_for("file")} == {"clear", "overwrite3", "verify"}


def test_a_medium_without_a_recipe_of_its_own_takes_that_for_any_block_device() -> None:
    profile = load("overwrite3")
    assert profile.recipe_for("nvme") == profile.recipes["block"]
    assert profile.recipe_for("ata") == profile.recipes["ata"]
    assert load("destroy").recipe_for("file") is None


def test_verify_writes_nothing() -> None:
    profile = load("verify")
    assert profile.wants == "none"
    assert all(recipe.methods == () for recipe in profile.recipes.values())


def test_a_good_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(GOOD, "utf-8")
    profile = load(file)
    assert (profile.name, profile.wants, profile.accepts) == ("mine", "purge", "clear")
    assert profile.recipes["ata"].before == ("unhide",)
    assert load(str(file)) == profile
    assert profile.digest == hashlib.sha256(file.read_bytes()).hexdigest()


def test_one_more_blank_is_another_digest() -> None:
    assert parse(GOOD.encode(), "a", "a").digest != parse(GOOD.encode() + b" ", "a", "a").digest


OVERWRITES = tuple(PATTERNS)


@pytest.mark.parametrize(
    ("data", "table", "key", "value", "allowed"),
    [
        (changed('title = "Test"', 'tilte = "Test"'), "", "tilte", "Test", ("title", "wants", "accepts", "basis")),
        (changed("[ata]", "[sata]"), "", "sata", None, TRANSPORTS),
        (changed('title = "Test"\n', ""), "", "title", None, ()),
        (changed('"Test"', '" "'), "", "title", " ", ()),
        (changed('"Test"', "3"), "", "title", 3, ()),
        (changed('wants = "purge"', 'wants = "Purge"'), "", "wants", "Purge", CLAIMS),
        (changed('accepts = "clear"', 'accepts = "some"'), "", "accepts", "some", CLAIMS),
        (changed('accepts = "clear"', 'accepts = "destroy"'), "", "accepts", "destroy", CLAIMS[:3]),
        (changed("before =", "behind ="), "ata", "behind", ["unhide"], ("methods", "before", "after", "prove")),
        (changed("before =", "after ="), "ata", "after", "unhide", OVERWRITES),
        (changed('before = ["unhide"]', 'after = ["overwrite3", "overwrite-zero"]'), "ata", "after", None, OVERWRITES),
        (changed('"sanitize-crypto"', '"format"'), "ata", "methods", "format", METHODS),
        (changed('["unhide"]', '["hide"]'), "ata", "before", "hide", BEFORE),
        (changed('"read-all"', '"read"'), "ata", "prove", "read", PROOFS),
        (changed('["canaries", "read-all"]', '"read-all"'), "ata", "prove", "read-all", PROOFS),
        (changed('["canaries", "read-all"]', "[]"), "ata", "prove", [], PROOFS),
        (changed('["canaries", "read-all"]', '["read-all", "read-all"]'), "ata", "prove", "read-all", PROOFS),
        (changed('["canaries", "read-all"]', "[3]"), "ata", "prove", 3, PROOFS),
        (changed('prove = ["canaries", "read-all"]', ""), "ata", "prove", None, PROOFS),
        (changed('methods = ["sanitize-crypto", "overwrite-random"]', "methods = []"), "ata", "methods", [], METHODS),
        (changed('methods = ["sanitize-crypto", "overwrite-random"]\n', ""), "ata", "methods", None, METHODS),
        (GOOD[: GOOD.index("[ata]")].encode(), "", "", None, TRANSPORTS),
        ((GOOD[: GOOD.index("[ata]")] + "ata = 3").encode(), "", "ata", 3, TRANSPORTS),
        (b"title = ", "", "", None, ()),
        (b"\xff", "", "", None, ()),
    ],
)
def test_what_is_wrong_is_named(data: bytes, table: str, key: str, value: object, allowed: tuple[str, ...]) -> None:
    with pytest.raises(ProfileError) as wrong:
        parse(data, "mine", "mine.toml")
    error = wrong.value
    assert (error.file, error.table, error.key) == ("mine.toml", table, key)
    assert error.allowed == allowed
    if value is not None:
        assert error.value == value
    text = str(error)
    assert text.startswith("mine.toml: ")
    assert (f"[{table}]" in text) or not table
    assert all(word in text for word in (key, *allowed))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ProfileError, match=r"'prge'.*clear, destroy, overwrite3, purge, verify"):
        load("prge")


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ProfileError, match=r"nowhere\.toml: cannot be read"):
        load("nowhere.toml")


def test_a_name_never_reaches_outside_the_package() -> None:
    for name in ("..", "__init__", ".", ""):
        with pytest.raises(ProfileError):
            load(name)


def test_the_package_imports_nothing_but_the_standard_library_and_its_files_are_data() -> None:
    source = (PACKAGE / "__init__.py").read_text("utf-8")
    assert not any(word in source for word in ("custody", "import station"))
    for file in PACKAGE.glob("*.toml"):
        assert tomllib.loads(file.read_text("utf-8"))["basis"]
