"""dhcp-daemon.sh and dhcp-daemon-delete.sh: the dhcp plugin's daemon in a node, by systemd, and its end."""

import configparser
import subprocess

import pytest

from tests.scripts.conftest import Bench

UNIT = "/etc/systemd/system/kalico-dhcp.service"
HELPER = "/usr/local/bin/kalico-dhcp-leases"
TEXT = "#!/bin/bash\necho '$OWN'  \n\n"


@pytest.fixture
def node(bench: Bench) -> Bench:
    bench.environment |= {"LEASES": TEXT, "SECONDS_AT_MOST": "5"}
    return bench


def start(bench: Bench, **values: str) -> subprocess.CompletedProcess[str]:
    bench.on(f"podman exec --interactive * install *{UNIT}", 'cat >"$BENCH/unit-$3"')
    bench.on(f"podman exec --interactive * install *{HELPER}", 'cat >"$BENCH/helper-$3"')
    bench.on("podman exec --interactive * bash -c *mark dhcp", 'cat >"$BENCH/mark-$3"')
    bench.on("podman exec --interactive * env * /opt/cni/bin/dhcp", 'cat >"$BENCH/asked-$3"')
    bench.on("podman exec * systemctl *")
    bench.on("podman exec * journalctl *", "echo 'bind: address in use'")
    return bench.run("dhcp-daemon", NODE="lab-worker", **values)


def steps(bench: Bench) -> list[str]:
    return [call.split(" systemctl ")[1] for call in bench.calls if "lab-worker systemctl" in call]


def test_the_node_has_the_daemon_started_with_it_and_answering_the_plugin(node: Bench) -> None:
    done = start(node, BECAUSE="it was gone")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert node.left("helper-lab-worker") == TEXT
    assert node.left("mark-lab-worker") == f"it was gone\n{UNIT} {HELPER} /run/cni/dhcp.sock\n"
    assert '"type": "dhcp"' in node.left("asked-lab-worker")
    assert steps(node) == [
        "daemon-reload",
        "--quiet enable kalico-dhcp",
        "stop kalico-dhcp",
        "--no-block start kalico-dhcp",
    ]


def test_the_daemon_comes_back_however_it_ends_past_its_stale_socket(node: Bench) -> None:
    start(node)
    unit = configparser.ConfigParser()
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(node.left("unit-lab-worker"))
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert unit["Service"]["Restart"] == "always"
    assert unit["Service"]["ExecStartPre"] == "/bin/rm -f /run/cni/dhcp.sock"
    assert unit["Service"]["ExecStopPost"] == "/bin/rm -f /run/cni/dhcp.sock"  # whoever looks sees that it is gone
    assert unit["Service"]["ExecStart"] == "/opt/cni/bin/dhcp daemon"
    assert unit["Service"]["ExecStartPost"] == f"-{HELPER}"
    assert unit["Install"]["WantedBy"] == "multi-user.target"


def test_it_is_waited_for(node: Bench) -> None:
    node.on("podman exec --interactive * env * /opt/cni/bin/dhcp", "echo no socket; exit 1", "exit 1", "cat >/dev/null")
    assert start(node).returncode == 0
    assert len([call for call in node.calls if call.endswith("/opt/cni/bin/dhcp")]) == 3


def test_one_that_does_not_answer_is_named_with_what_its_journal_says_and_has_no_mark(node: Bench) -> None:
    node.on("podman exec --interactive * env * /opt/cni/bin/dhcp", 'echo \'{"msg": "no socket"}\'; exit 1')
    done = start(node, SECONDS_AT_MOST="0")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        'the dhcp plugin\'s daemon does not answer on lab-worker: {"msg": "no socket"}',
        "bind: address in use",
    ]
    assert not (node.folder / "mark-lab-worker").exists()


def end(bench: Bench, runs: str = "echo true") -> subprocess.CompletedProcess[str]:
    bench.on("podman inspect *", runs)
    bench.on("podman exec *")
    return bench.run("dhcp-daemon-delete", NODE="lab-worker")


@pytest.mark.parametrize("runs", ["echo false", "echo 'no such container' >&2; exit 125"], ids=["stopped", "gone"])
def test_a_node_that_does_not_run_has_none_to_end(bench: Bench, runs: str) -> None:
    done = end(bench, runs)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not any(" exec " in call for call in bench.calls)


def test_it_ends_and_its_unit_and_its_marks_go(bench: Bench) -> None:
    done = end(bench)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    [call] = [call for call in bench.calls if " exec " in call]
    assert call.startswith("podman exec lab-worker bash -c")
    assert "systemctl --quiet disable --now kalico-dhcp" in call
    assert "/run/kalico/dhcp /run/kalico/.dhcp\n" in call


def test_one_that_does_not_end_is_an_error(bench: Bench) -> None:
    bench.on("podman exec *", "echo 'no bus' >&2; exit 3")
    done = end(bench)
    assert (done.returncode, done.stderr) == (3, "no bus\n")
