"""What the screen knows: the bench's tiles, how old they are, the way to leave an order and hear its answer. No Flask.

A state that is too old says nothing about now: then no tile is shown as it was, least of all a green one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from station.bays_state import BenchState, Tile, beats, boot_id, now_beat, read_state
from station.errors import StationError
from station.orders import Answer, Order, Orders

ANSWERED_WITHIN = 10.0  # seconds
SHOWN_WITHIN = 3.0  # seconds; the bench publishes every second
CANNOT_WRITE = (
    "The bench runs and cannot write what its bays are like: is its disk full? Wipes go on by themselves; what became "
    "of them is not known here. Call a supervisor to make room."
)
NOT_YET = "The bench is not running yet. Start it: kitbank-station bench"
STOPPED = "The bench has stopped. Wipes that it started go on by themselves. Call a supervisor."


@dataclass(frozen=True)
class Window:
    """Where the bench publishes (`state`) and takes orders (`orders`); clocks in seconds."""

    state: Path
    orders: Path
    monotonic: Callable[[], float] = now_beat
    sleep: Callable[[float], None] = time.sleep

    @classmethod
    def into(cls, folder: Path) -> "Window":
        """Return the window into a bench's screen folder, laid out as `station.config` says."""
        return cls(folder / "bays.json", folder / "orders" / "orders.sqlite")

    def look(self) -> tuple[BenchState | None, str]:
        """Return the bench's state and "", or None and a sentence for the person in front of the screen."""
        try:
            state = read_state(self.state)
        except OSError:
            return None, CANNOT_WRITE if beats(self.state) else NOT_YET
        except ValueError:
            return None, "The bench and this screen are of different versions. Call a supervisor."
        if not state.fresh(self.monotonic(), boot_id()):
            return None, CANNOT_WRITE if beats(self.state) else STOPPED
        if not state.by_a_running_bench():
            return None, STOPPED
        return state, ""

    def tile(self, name: str) -> Tile | None:
        """Return the tile of a bay, or of a drive aside by its id, as it is now."""
        state, _ = self.look()
        tiles = (*state.tiles, *state.aside) if state else ()
        return next((one for one in tiles if name in (key(one), one.bay)), None)

    def order(self, order: Order) -> Answer:
        """Leave an order and wait for what becomes of it; never raises: what went wrong is the answer's sentence."""
        try:
            orders = Orders(self.orders)
        except StationError as error:
            return Answer(False, str(error))
        try:
            name = orders.leave(order)
            end = self.monotonic() + ANSWERED_WITHIN
            while self.monotonic() < end:
                answer = orders.answer_to(name)
                if answer is not None:
                    self._shown_since(self.monotonic())
                    return answer
                self.sleep(0.05)
        except StationError as error:
            return Answer(False, str(error))
        finally:
            orders.close()
        return Answer(False, "The bench does not answer. Nothing was done, and it is not done later either.")

    def _shown_since(self, moment: float) -> None:
        """Wait until the bench has published what became of an order, so that the next page shows it."""
        while self.monotonic() < moment + SHOWN_WITHIN:
            state, _ = self.look()
            if state is None or state.beat > moment:
                return
            self.sleep(0.05)


def key(tile: Tile) -> str:
    """Return what a tile's page is called: its bay, or the drive's id where it is in no bay."""
    return tile.bay if tile.place or tile.medium is None else tile.medium.id
