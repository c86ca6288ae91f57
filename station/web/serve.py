"""Serving the screen with gunicorn on loopback: one worker; many threads, because orders are waited for.

Whoever sends slowly is cut off, so that a few of them cannot keep the screen from its browser. (When nothing is
answered all the same, the browser itself takes its tiles away.)
"""

import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import TConn, ThreadWorker

from station.web.app import create_app
from station.web.window import Window

THREADS = 64
LONGEST = 20.0  # seconds for one request, from its first byte to its answer; an order is waited for up to 13


class Worker(ThreadWorker):  # type: ignore[misc]
    """Gunicorn's own, with an end to each request."""

    def handle(self, conn: TConn) -> Any:
        """Handle one request; whoever has not sent it within `LONGEST` is cut off."""
        clock = threading.Timer(LONGEST, _cut, (conn.sock,))
        clock.daemon = True
        clock.start()
        try:
            return super().handle(conn)
        finally:
            clock.cancel()


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


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
        "bind": f"127.0.0.1:{port}", "workers": 1, "threads": THREADS, "worker_class": Worker,
        "proc_name": "kitbank-screen", "loglevel": "warning", "graceful_timeout": 5, "control_socket_disable": True,
    }  # fmt: skip
    _Server(Window.into(folder), options).run()
