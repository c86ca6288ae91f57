"""Serving the screen with gunicorn on loopback: one worker, a few threads, because orders are waited for."""

from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from station.web.app import create_app
from station.web.window import Window


class _Server(BaseApplication):  # type: ignore[misc]
    """Gunicorn with our settings and no configuration file."""

    def __init__(self, window: Window, options: dict[str, Any]) -> None:
        self._window, self._options = window, options
        super().__init__()

    def load_config(self) -> None:
        """Hand our settings over."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Make the application inside the worker."""
        return create_app(self._window)


def serve(folder: Path, port: int) -> None:
    """Serve the screen over a bench's screen folder until a signal stops it."""
    options = {
        "bind": f"127.0.0.1:{port}", "workers": 1, "threads": 4, "worker_class": "gthread",
        "proc_name": "kitbank-screen", "loglevel": "warning", "graceful_timeout": 5, "control_socket_disable": True,
    }  # fmt: skip
    _Server(Window.into(folder), options).run()
