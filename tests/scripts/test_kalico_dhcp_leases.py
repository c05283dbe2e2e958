"""kalico-dhcp-leases.sh: a daemon that has forgotten its leases takes up those of the interfaces that are there."""

import base64
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.attachments import nad_config
from components.scripts import BASH, script
from tests.lab_config import lab

LAN = {"name": "lan", "subnet": "10.40.0.0/24", "gateway": "10.40.0.1", "ipam": {"type": "dhcp"}}
PLACES = ("/var/lib/cni/multus/results", "/opt/cni/bin/dhcp", "/run/cni/dhcp.sock", "/run/kalico/.dhcp")


class Node:
    """The places of a node in a folder, and a plugin that notes what it is asked and leases `addresses`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results, self.plugin, self.socket, self.wrong = (folder / place[1:] for place in PLACES)
        for path in (self.results, self.plugin.parent, self.socket.parent):
            path.mkdir(parents=True)
        self.answers('{"cniVersion": "0.3.1", "ips": [{"version": "4", "address": "10.40.0.9/24"}]}')

    def answers(self, answer: str, status: int = 0) -> None:
        words = '"$CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME $CNI_NETNS $CNI_PATH $(cat)"'
        self.plugin.write_text(f"#!/bin/bash\necho {words} >>'{self.folder}/asked'\necho '{answer}'\nexit {status}\n")
        self.plugin.chmod(0o755)

    def keeps(self, config: dict[str, Any], name: str = "c1", netns: str | None = None, **more: Any) -> None:
        """An interface as libcni keeps it."""
        (self.folder / f"netns-{name}").touch()
        text = {
            "kind": "cniCacheV1",
            "containerId": name,
            "config": base64.b64encode(json.dumps(config).encode()).decode(),
            "ifName": "net1",
            "networkName": config["name"],
            "netns": netns or str(self.folder / f"netns-{name}"),
            "result": {"cniVersion": "0.3.1", "ips": [{"version": "4", "address": "10.40.0.9/24"}]},
        }
        (self.results / f"{config['name']}-{name}-net1").write_text(json.dumps(text | more))

    def run(self, status: int = 0, daemon: int | None = None) -> str:
        text = script("kalico-dhcp-leases")
        for place in PLACES:
            text = text.replace(place, str(self.folder / place[1:]))
        env = os.environ | {"MAINPID": str(daemon or os.getpid())}
        done = subprocess.run([*BASH, text], env=env, capture_output=True, text=True, timeout=10, check=False)
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr

    @property
    def asked(self) -> list[str]:
        path = self.folder / "asked"
        return sorted(path.read_text().splitlines()) if path.exists() else []


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    made = Node(tmp_path)
    monkeypatch.chdir(made.socket.parent)  # a socket's path has to be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(made.socket.name)
        yield made


def config(**changes: Any) -> dict[str, Any]:
    [lan] = lab(networks=[LAN | changes], pods=[]).networks
    found: dict[str, Any] = json.loads(nad_config(lan, "eth1"))
    return found


@pytest.mark.parametrize("way", ["source", "none"], ids=["list", "one plugin"])
def test_the_lease_is_asked_for_as_multus_has_asked_before(node: Node, way: str) -> None:
    whole = config(defaultRoute=way)
    assert ("plugins" in whole) == (way == "source")
    node.keeps(whole)
    assert node.run() == ""
    [asked] = node.asked
    assert asked.startswith(f"ADD c1 net1 {node.folder}/netns-c1 {node.plugin.parent} {{")
    given = json.loads(asked[asked.index("{") :])
    plugin = whole.get("plugins", [whole])[0]
    assert given == {"cniVersion": "0.3.1", "name": "lan", "type": "macvlan", "ipam": plugin["ipam"]}


def test_every_interface_is_asked_for(node: Node) -> None:
    for name in ("c1", "c2", "c3"):
        node.keeps(config(), name)
    assert node.run() == ""
    assert [line.split()[1] for line in node.asked] == ["c1", "c2", "c3"]


def test_another_plugins_interfaces_and_those_that_are_gone_are_left_alone(node: Node) -> None:
    other = json.loads(nad_config(lab().networks[0], "eth1"))
    node.keeps(other, "c1")
    node.keeps(config(), "c2", netns="/none")
    assert node.run() == ""
    assert node.asked == []


def test_a_node_without_any_is_fine(node: Node) -> None:
    assert node.run() == ""


def test_a_daemon_that_ends_before_it_listens_is_not_waited_for(node: Node) -> None:
    """systemd starts it again when this has ended, and not before."""
    node.socket.unlink()
    node.keeps(config())
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert "No such process" in node.run(status=1, daemon=gone.pid)
    assert node.asked == []


def test_a_file_that_cannot_be_read_is_in_nobodys_way(node: Node) -> None:
    (node.results / "a-torn-file").write_text("{")
    node.keeps(config())
    node.run()
    assert len(node.asked) == 1


def test_an_interface_whose_address_the_server_has_given_away_is_named(node: Node) -> None:
    node.answers('{"ips": [{"address": "10.40.0.77/24"}]}')
    node.keeps(config())
    line = "net1 of container c1 has 10.40.0.9/24, and is leased 10.40.0.77/24 now: delete its pod\n"
    assert node.run() == line
    assert node.wrong.read_text() == f"{node.folder}/netns-c1 {line}"


def test_what_was_wrong_is_forgotten_when_all_leases_are_had(node: Node) -> None:
    node.keeps(config())
    node.wrong.parent.mkdir()
    node.wrong.write_text("of an earlier daemon\n")
    assert node.run() == ""
    assert not node.wrong.exists()


def test_a_lease_that_is_not_had_is_told(node: Node) -> None:
    node.answers('{\n\t"msg": "no more tries"\n}', status=1)
    node.keeps(config())
    line = 'net1 of container c1 has 10.40.0.9/24, and no lease: { "msg": "no more tries" }\n'
    assert node.run() == line
    assert node.wrong.read_text() == f"{node.folder}/netns-c1 {line}"
