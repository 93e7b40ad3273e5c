import socket
import threading
import time

import pytest
import torch
import uvicorn

from farspan.engine.scheduler import Limits
from farspan.server.app import create_app
from farspan.server.settings import Settings
from tests.tiny import make_model


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    """Tiny models lose time by sharing work among threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Live:
    """A server of a tiny model on a port of its own. Stop it, and start another on its cache."""

    def __init__(self, **settings):
        options = {"limits": Limits(step_seconds=0.02, tokens=4096)} | settings
        app = create_app(make_model(), Settings(**options))
        config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=2)
        self.app, self._server = app, uvicorn.Server(config)
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        run, sockets = self._server.run, {"sockets": [self._socket]}
        self._thread = threading.Thread(target=run, kwargs=sockets, daemon=True)
        self._thread.start()
        wait_for(lambda: self._server.started)

    @property
    def service(self):
        return self.app.state.service

    def stop(self):
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()
        self._socket.close()


def wait_for(condition, seconds=20):
    """Until it is true; fails after so long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


@pytest.fixture(scope="package")
def cache(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("cache")
    patch.setenv("FARSPAN_CACHE", str(folder))
    yield folder
    patch.undo()


@pytest.fixture(scope="package")
def live(cache):
    server = Live()
    yield server
    server.stop()
