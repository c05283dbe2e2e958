"""peer-delete.sh: the peer goes with its record; gone already is fine, anything else is not."""

from pathlib import Path

import pytest

from tests.scripts.conftest import Bench

LIST = "podman ps --all --filter label=kalico=lab --format {{.Names}}"


@pytest.fixture
def peer(bench: Bench, run_folder: Path) -> Bench:
    bench.environment |= {"NETWORK": "lan", "PEER": "lab-peer-lan"}
    (run_folder / "peers").mkdir(parents=True)
    (run_folder / "peers/lan").write_text("podman lab-peer-lan\n")
    return bench


def test_the_peer_goes_and_its_record_with_it(peer: Bench, run_folder: Path) -> None:
    peer.on(LIST, "printf 'lab-peer-wan\\nlab-peer-lan\\n'")
    peer.on("podman rm *", "echo lab-peer-lan")
    done = peer.run("peer-delete")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert peer.calls == [LIST, "podman rm --force --volumes lab-peer-lan"]
    assert not run_folder.exists()


def test_a_helper_that_a_killed_run_left_beside_it_goes_before_it(peer: Bench) -> None:
    peer.on(LIST, "printf 'lab-peer-lan-aid\\nlab-peer-lan\\nlab-peer-lan.aid\\n'")
    peer.on("podman rm *")
    assert peer.run("peer-delete").returncode == 0
    names = ("lab-peer-lan.aid", "lab-peer-lan")
    assert peer.calls == [LIST, *(f"podman rm --force --volumes {name}" for name in names)]


@pytest.mark.parametrize("others", ["", "lab-peer-lan-2\n", "my-lab-peer-lan\n"])
def test_gone_already_is_fine_and_no_other_goes_for_it(peer: Bench, run_folder: Path, others: str) -> None:
    peer.on(LIST, f"printf '{others}'")
    done = peer.run("peer-delete")
    assert (done.returncode, done.stderr) == (0, "")
    assert peer.calls == [LIST]
    assert not run_folder.exists()


def test_what_the_lab_has_beside_it_stays(peer: Bench, run_folder: Path) -> None:
    (run_folder / "peers/wan").write_text("podman lab-peer-wan\n")
    (run_folder / "engine").write_text("podman\n")
    peer.on(LIST)
    assert peer.run("peer-delete").returncode == 0
    left = sorted(str(path.relative_to(run_folder)) for path in run_folder.rglob("*"))
    assert left == ["engine", "peers", "peers/wan"]


@pytest.mark.parametrize("failing", ["podman ps *", "podman rm *"])
def test_a_peer_that_does_not_go_is_an_error_and_stays_the_labs(peer: Bench, run_folder: Path, failing: str) -> None:
    peer.on(failing, "echo 'no engine' >&2; exit 3")
    peer.on(LIST, "echo lab-peer-lan")
    done = peer.run("peer-delete")
    assert (done.returncode, done.stderr) == (3, "no engine\n")
    assert (run_folder / "peers/lan").exists()


def test_a_server_goes_with_a_record_of_its_own_and_the_peer_stays(peer: Bench, run_folder: Path) -> None:
    (run_folder / "servers").mkdir()
    (run_folder / "servers/lan").write_text("podman lab-dhcp-lan\n")
    peer.on(LIST, "printf 'lab-peer-lan\\nlab-dhcp-lan\\n'")
    peer.on("podman rm *")
    assert peer.run("peer-delete", ROLE="server", PEER="lab-dhcp-lan").returncode == 0
    assert peer.calls == [LIST, "podman rm --force --volumes lab-dhcp-lan"]
    left = sorted(str(path.relative_to(run_folder)) for path in run_folder.rglob("*"))
    assert left == ["peers", "peers/lan"]
