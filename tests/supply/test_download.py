"""The download way, against a server on loopback that is right, wrong, broken, refusing, hanging or slow."""

import socket
import time
from pathlib import Path

import pytest

from supply.download import Refused, Web, WrongChecksum, checksum_for
from tests.supply.loopback import QUICK, Site

CONTENT = bytes(range(256)) * 64


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "file"


def test_a_right_download_is_there_whole_and_alone(site: Site, place: Path) -> None:
    sha256 = site.put("/file", CONTENT)
    Web(patience=QUICK).fetch(f"{site.base}/file", sha256, place)
    assert place.read_bytes() == CONTENT
    assert list(place.parent.iterdir()) == [place]


def test_a_wrong_checksum_is_told_and_the_file_not_kept(site: Site, place: Path) -> None:
    site.put("/file", CONTENT)
    with pytest.raises(WrongChecksum, match=r"published is 0{64}"):
        Web(patience=QUICK).fetch(f"{site.base}/file", "0" * 64, place)
    assert list(place.parent.iterdir()) == []


def test_a_cut_off_download_is_tried_again_and_not_kept(site: Site, place: Path) -> None:
    sha256 = site.put("/file", CONTENT)
    site.faults["/file"] = "cut"
    with pytest.raises(Refused, match="cut off"):
        Web(patience=QUICK).fetch(f"{site.base}/file", sha256, place)
    assert site.asked == ["GET /file"] * QUICK.tries
    assert list(place.parent.iterdir()) == []


def test_a_transfer_that_breaks_once_succeeds_the_second_time(site: Site, place: Path) -> None:
    sha256 = site.put("/file", CONTENT)
    site.faults["/file"] = "cut"
    web = Web(patience=QUICK)
    whole = web._transfer

    def mend_after_the_first(url: str, draft: Path) -> str:
        try:
            return whole(url, draft)
        finally:
            site.faults.clear()

    object.__setattr__(web, "_transfer", mend_after_the_first)
    web.fetch(f"{site.base}/file", sha256, place)
    assert place.read_bytes() == CONTENT


def test_a_refused_file_is_refused_when_asked_and_when_fetched(site: Site, place: Path) -> None:
    site.faults["/file"] = "refuse"
    web = Web(patience=QUICK)
    assert "answers 403" in web.refusal(f"{site.base}/file")
    with pytest.raises(Refused, match="answers 403"):
        web.fetch(f"{site.base}/file", "0" * 64, place)


def test_a_host_that_refuses_connections_is_named_at_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    assert Web(patience=QUICK).refusal(f"http://127.0.0.1:{port}/file") == f"127.0.0.1:{port}: connection refused"


def test_a_host_that_hangs_costs_its_wait_once(site: Site) -> None:
    site.faults = {"/one": "hang", "/two": "hang"}
    web, start = Web(patience=QUICK), time.monotonic()
    answers = [web.refusal(f"{site.base}/{name}") for name in ("one", "two", "one")]
    assert set(answers) == {f"{site.base.removeprefix('http://')}: no answer in time"}
    assert site.asked == ["HEAD /one"]
    assert time.monotonic() - start < 2 * QUICK.read


def test_a_transfer_that_trickles_is_given_up(site: Site, place: Path) -> None:
    sha256 = site.put("/file", CONTENT)
    site.faults["/file"] = "trickle"
    start = time.monotonic()
    with pytest.raises(Refused, match=r"bytes a second|no answer in time"):
        Web(patience=QUICK).fetch(f"{site.base}/file", sha256, place)
    assert time.monotonic() - start < 4
    assert list(place.parent.iterdir()) == []


def test_with_a_mirror_the_official_host_becomes_its_first_folder(site: Site, place: Path) -> None:
    sha256 = site.put("/pub/dl.k8s.io/release/kubectl", CONTENT)
    web = Web(mirror=f"{site.base}/pub", patience=QUICK)
    assert web.refusal("https://dl.k8s.io/release/kubectl") == ""
    web.fetch("https://dl.k8s.io/release/kubectl", sha256, place)
    assert place.read_bytes() == CONTENT


def test_the_mirror_comes_from_the_environment() -> None:
    assert Web.of({"KALICO_MIRROR": "https://mirror/"}).address("https://a/b") == "https://mirror/a/b"
    assert Web.of({}).address("https://a/b") == "https://a/b"


def test_a_registry_that_wants_a_login_counts_as_reachable(site: Site) -> None:
    site.faults["/v2/"] = "refuse"
    assert Web(patience=QUICK).refusal(f"{site.base}/v2/", fine=(200, 403)) == ""


@pytest.mark.parametrize(
    "listing",
    ["aa  other\nBB  wanted\n", "bb *wanted\naa  other\n", "bb\n", "aa  other\nbb  ./dist/wanted\n"],
)
def test_a_checksum_is_found_in_every_form_of_listing(listing: str) -> None:
    assert checksum_for("wanted", listing) == "bb"


def test_a_listing_without_the_file_is_no_checksum() -> None:
    with pytest.raises(Refused, match="does not name wanted"):
        checksum_for("wanted", "aa  other\nbb  wanted.sig\n")
