"""A web server on loopback that behaves as each test says."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from supply.download import Patience

Program = Callable[[str, str], Path]  # the fixture `program`
QUICK = Patience(connect=0.5, read=0.5, window=0.3, bytes_per_second=1000, tries=2)


@dataclass
class Site:
    """`files` by path; `faults` by path: refuse, cut, hang, trickle."""

    base: str
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def put(self, path: str, content: bytes) -> str:
        """Serve `content`; gives its sha256."""
        self.files[path] = content
        return hashlib.sha256(content).hexdigest()


@contextmanager
def serving() -> Iterator[Site]:
    """A server until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            here.asked.append(f"{self.command} {self.path}")
            fault, content = here.faults.get(self.path, ""), here.files.get(self.path)
            if fault == "hang":
                stop.wait(5)
                return
            if fault == "refuse" or content is None:
                self.send_error(403 if fault else 404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "HEAD":
                return
            if fault == "trickle":
                for byte in content:
                    if stop.wait(0.02):
                        return
                    self.wfile.write(bytes([byte]))
            self.wfile.write(content[: len(content) // 2] if fault == "cut" else content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    stop = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that gave up are the point here
    here = Site(base=f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield here
    stop.set()
    server.shutdown()
    thread.join()
    server.server_close()


def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    """Wait for something another thread or process does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)
