"""Serving the screens with gunicorn: one worker, because visits live in its memory, and a few threads."""

from collections.abc import Callable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from custody.events import PrivateKey
from kiosk.config import Config, Home
from kiosk.views import create_app


class _Server(BaseApplication):  # type: ignore[misc]
    """Gunicorn with our settings and no configuration file."""

    def __init__(self, make: Callable[[], Flask], options: dict[str, Any]) -> None:
        self._make, self._options = make, options
        super().__init__()

    def load_config(self) -> None:
        """Hand our settings over."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Make the application inside the worker, and start what runs behind the screens."""
        app = self._make()
        app.extensions["kiosk"].background.start()
        return app


def serve(home: Home, config: Config, event: PrivateKey, transport: PrivateKey, port: int) -> None:
    """Serve on loopback until stopped by a signal."""
    options = {
        "bind": f"127.0.0.1:{port}", "workers": 1, "threads": 4, "worker_class": "gthread",
        "proc_name": "kitbank-kiosk", "loglevel": "warning", "graceful_timeout": 10, "control_socket_disable": True,
    }  # fmt: skip
    _Server(lambda: create_app(home, config, event_key=event, transport_key=transport), options).run()
