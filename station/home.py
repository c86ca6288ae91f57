"""A station's home folder: journal, two keys, work logs, configuration. Made once, then only opened."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from custody.errors import JournalError
from custody.events import PrivateKey, Role, World
from custody.journal import Journal
from custody.keyfile import read_key, write_key
from station.bench import Bench
from station.config import Config, at_home
from station.errors import ConfigError, NotDone, UsageError
from station.wipe.acting import Means

_CONFIG = """\
# Kitbank station. Every key and what it means: docs/station.md
world = "{world}"
allow_loop = {loops}
"""


def create(folder: Path, world: World, *, allow_loop: bool = False) -> Config:
    """Make a new home in `folder`, which must hold no journal yet, and return its configuration.

    Raises UsageError when there is one, NotDone when the folder refuses; KeyFileError, JournalError.
    """
    config = Config(folder.absolute(), world=world, allow_loop=allow_loop)
    if allow_loop and world is not World.PRACTICE:
        raise UsageError("loop devices are for practice only; leave --allow-loop out, or add --practice")
    if config.journal.exists() or config.event_key.exists():
        raise UsageError(f"{folder} is a station's home already; a journal is never overwritten")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        config.worklogs.mkdir(exist_ok=True)
        text = _CONFIG.format(world=world.value, loops="true" if allow_loop else "false")
        (folder / "station.toml").write_text(text, "utf-8")
    except OSError as error:
        raise NotDone(f"no home can be made in {folder}: {error.strerror}") from error
    key = PrivateKey.generate()
    write_key(config.event_key, key, world)
    write_key(config.transport_key, PrivateKey.generate(), world)
    Journal.create(config.journal, role=Role.STATION, world=world, key=key).close()
    return at_home(folder)


@contextmanager
def open_journal(config: Config, *, readonly: bool = True) -> Iterator[Journal]:
    """Open the journal of a home; raises ConfigError when there is none or it is of the other world."""
    if not config.journal.exists():
        raise ConfigError(
            f"{config.home} is no station's home yet; make one with: kitbank-station init --home {config.home} "
            "(add --practice for training)"
        )
    with Journal.open(config.journal, readonly=readonly) as journal:
        if journal.world is not config.world:
            raise ConfigError(
                f"{config.home}: the configuration says world = {config.world.value!r}, but the journal belongs to "
                f"the {journal.world.value} world; a journal never changes its world"
            )
        yield journal


@contextmanager
def open_bench(config: Config, now: Callable[[], datetime], means: Means | None = None) -> Iterator[Bench]:
    """Open journal and signing key for work; raises what `open_journal` does, and KeyFileError."""
    with open_journal(config, readonly=False) as journal:
        stored = read_key(config.event_key)
        if stored.world is not journal.world:
            raise JournalError(f"{config.event_key} belongs to the {stored.world.value} world; it signs nothing here")
        yield Bench(
            journal=journal,
            key=stored.key,
            worklogs=config.worklogs,
            now=now,
            means=means or Means(os.urandom),
            protect=config.ours,
            bays=config.bays,
            allow_loop=config.allow_loop,
            may_suspend=config.may_suspend,
        )
