"""Official downloads: can a URL be had, and if so get it whole and with the right sha256.

A mirror is one base address in `KALICO_MIRROR`; the official host becomes its first folder, so
https://dl.k8s.io/release/... is asked for at $KALICO_MIRROR/dl.k8s.io/release/...
"""

import hashlib
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError


class Refused(Exception):
    """The file could not be had; the text says why. Another way may be tried."""


class WrongChecksum(Exception):
    """The file is not what was published. No other way is tried: somebody should look."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """Seconds to wait for a connection and for the next bytes, and the slowest transfer put up with."""

    connect: float = 4
    read: float = 10
    window: float = 30  # seconds over which the speed is taken
    bytes_per_second: float = 20_000
    tries: int = 2


@dataclass(frozen=True, kw_only=True)
class Web:
    """HTTP for one run. Remembers hosts that cannot be reached: each costs its wait once."""

    mirror: str = ""
    patience: Patience = Patience()
    _dead: dict[str, str] = field(default_factory=dict)
    _locks: dict[str, threading.Lock] = field(default_factory=dict)

    @staticmethod
    def of(env: Mapping[str, str]) -> "Web":
        return Web(mirror=env.get("KALICO_MIRROR", "").rstrip("/"))

    def address(self, url: str) -> str:
        """Where `url` is really asked for."""
        return f"{self.mirror}/{url.partition('://')[2]}" if self.mirror else url

    def refusal(self, url: str, fine: Collection[int] = (200,), mirrored: bool = True) -> str:
        """Why `url` cannot be had, or '' when it can: one HEAD request, without the body."""
        address = self.address(url) if mirrored else url
        host = urlsplit(address).netloc
        with self._locks.setdefault(host, threading.Lock()):  # one probe at a time, the others get its answer
            if host not in self._dead:
                try:
                    answer = self._request("HEAD", address)
                    answer.close()
                    good = answer.status_code in fine or answer.status_code == 405
                    return "" if good else f"{host} answers {answer.status_code} for {urlsplit(address).path}"
                except requests.RequestException as error:
                    self._dead[host] = f"{host}: {_reason(error)}"
            return self._dead[host]

    def text(self, url: str) -> str:
        """A small text file, such as a release's list of checksums."""
        try:
            answer = self._request("GET", self.address(url))
            if answer.status_code != 200:
                answer.close()
                raise Refused(f"{self.address(url)} answers {answer.status_code}")
            return answer.text
        except requests.RequestException as error:
            raise Refused(f"{self.address(url)}: {_reason(error)}") from error

    def fetch(self, url: str, sha256: str, place: Path) -> None:
        """Download `url` to `place`, which is there afterwards only when its sha256 is right.

        Raises Refused after `tries` broken transfers, WrongChecksum at once.
        """
        draft = place.with_name(f".{place.name}.part")
        try:
            for left in reversed(range(self.patience.tries)):
                try:
                    found = self._transfer(url, draft)
                    break
                except (requests.RequestException, HTTPError) as error:  # raw reads raise urllib3's
                    if not left:
                        raise Refused(f"{self.address(url)}: {_reason(error)}") from error
            if found != sha256:
                raise WrongChecksum(f"{self.address(url)} has sha256 {found}, published is {sha256}")
            draft.replace(place)
        finally:
            draft.unlink(missing_ok=True)

    def _transfer(self, url: str, draft: Path) -> str:
        digest = hashlib.sha256()
        with self._request("GET", self.address(url)) as answer, draft.open("wb") as out:
            if answer.status_code != 200:
                raise Refused(f"{self.address(url)} answers {answer.status_code}")
            since, size, before = time.monotonic(), 0, 0
            # read1 gives what has come: a full block would hide a server that sends a byte now and then
            while chunk := answer.raw.read1(1 << 16):
                digest.update(chunk)
                size += out.write(chunk)
                passed = time.monotonic() - since
                if passed > self.patience.window:
                    if size - before < passed * self.patience.bytes_per_second:
                        raise requests.Timeout(f"only {(size - before) / passed:.0f} bytes a second")
                    since, before = time.monotonic(), size
            if size < int(answer.headers.get("Content-Length", 0)):
                raise requests.ConnectionError("cut off")
        return digest.hexdigest()

    def _request(self, method: str, address: str) -> requests.Response:
        return requests.request(
            method,
            address,
            stream=True,
            allow_redirects=True,
            headers={"Accept-Encoding": "identity"},
            timeout=(self.patience.connect, self.patience.read),
        )


def checksum_for(name: str, listing: str) -> str:
    """The sha256 of file `name` in a release's checksum file (`HEX  NAME` lines, or one bare HEX)."""
    for words in map(str.split, listing.splitlines()):
        if len(words) == 1 or (len(words) == 2 and words[1].lstrip("*").split("/")[-1] == name):
            return words[0].lower()
    raise Refused(f"the release's checksum file does not name {name}")


def _reason(error: Exception) -> str:
    """The cause in a few words; requests wraps it three deep."""
    text = str(error)
    for sign, words in (
        ("NameResolution", "name not resolved"),
        ("refused", "connection refused"),
        ("timed out", "no answer in time"),
        ("IncompleteRead", "cut off"),
        ("Connection broken", "cut off"),
        ("reset", "connection reset"),
    ):
        if sign in text:
            return words
    return text or type(error).__name__
