"""How often something may be asked per minute, counted in this process only: a brake, not an account."""

import threading
from collections import OrderedDict
from datetime import datetime


class Rate:
    """Counts per key and minute. Each serving process has its own, so the limit is per process."""

    def __init__(self, limit: int, most_keys: int = 10_000) -> None:
        """Allow `limit` per key and minute; remember at most `most_keys` keys."""
        self._limit, self._most = limit, most_keys
        self._counts: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, key: str, now: datetime) -> int:
        """Count one; return 0 when it may go on, or how many seconds to wait."""
        seconds = int(now.timestamp())
        minute = seconds // 60
        with self._lock:
            at, count = self._counts.pop(key, (minute, 0))
            count = count + 1 if at == minute else 1
            self._counts[key] = (minute, count)
            while len(self._counts) > self._most:
                self._counts.popitem(last=False)
        return 0 if count <= self._limit else 60 - seconds % 60
