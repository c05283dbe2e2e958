"""The CNI config in a NAD, or on a node."""

import json

import pytest

from components.attachments import MASTER, confs, nad_config, ranges
from components.settings.networks import MacvlanMode
from tests.lab_config import lab, network


def test_the_default_nad_is_the_seeds() -> None:
    """With the key that host-local reads, where the seed has `rangeStop` and a broken address, and with a name."""
    assert json.loads(nad_config(lab().networks[0], "eth1")) == {
        "cniVersion": "0.3.1",
        "name": "ext-net",
        "type": "macvlan",
        "master": "eth1",
        "mode": "bridge",
        "ipam": {
            "type": "host-local",
            "subnet": "10.23.0.0/16",
            "rangeStart": "10.23.0.100",
            "rangeEnd": "10.23.0.240",
            "routes": [{"dst": "0.0.0.0/0"}],
            "gateway": "10.23.0.1",
        },
    }


@pytest.mark.parametrize("mode", list(MacvlanMode))
def test_master_and_mode_are_the_networks(mode: MacvlanMode) -> None:
    config = json.loads(nad_config(lab(networks=[network(mode=mode.value)], pods=[]).networks[0], "eth7"))
    assert (config["master"], config["mode"]) == ("eth7", mode.value)


def test_the_networks_routes_follow_those_of_its_ipam() -> None:
    routes = [{"dst": "10.9.0.0/16", "gw": "10.23.0.2"}]
    config = json.loads(nad_config(lab(networks=[network(routes=routes)]).networks[0], "eth1"))
    assert config["ipam"]["routes"] == [{"dst": "0.0.0.0/0"}, *routes]
    assert "routes" not in config


def test_an_mtu_is_in_the_config_where_the_network_has_one() -> None:
    [small] = lab(networks=[network(mtu=1400)]).networks
    assert json.loads(nad_config(small, "eth1"))["mtu"] == 1400
    assert "mtu" not in json.loads(nad_config(lab().networks[0], "eth1"))


def test_workers_configs_are_the_networks_but_for_their_part_of_the_range() -> None:
    [both] = lab(workers=2).networks
    whole = json.loads(nad_config(both, MASTER))
    first, second = (json.loads(nad_config(both, MASTER, part)) for part in both.ranges)
    assert first == whole | {"ipam": whole["ipam"] | {"rangeEnd": "10.23.0.169"}}
    assert second == whole | {"ipam": whole["ipam"] | {"rangeStart": "10.23.0.170"}}
    assert whole["master"] == "@MASTER@"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_config_is_one_line(workers: int) -> None:
    """It goes to the script that writes it in a line behind its node's name."""
    [many] = lab(workers=workers, networks=[network(routes=[{"dst": "10.9.0.0/16", "gw": "10.23.0.2"}])]).networks
    assert "\n" not in "".join(nad_config(many, MASTER, part) for part in many.ranges)


def test_a_nad_tells_which_worker_hands_out_what() -> None:
    [both] = lab(workers=2).networks
    assert ranges(both) == "kalico-worker: 10.23.0.100 to 10.23.0.169, kalico-worker2: 10.23.0.170 to 10.23.0.240"


STATIC = {"name": "lan", "subnet": "10.40.0.0/16", "gateway": "10.40.0.1"} | {
    "ipam": {"type": "static", "routes": [{"dst": "10.9.0.0/16"}]}
}


def test_the_nad_of_a_static_network_takes_each_pods_addresses_and_has_none_itself() -> None:
    [lan] = lab(networks=[STATIC], pods=[]).networks
    assert json.loads(nad_config(lan, "eth1")) == {
        "cniVersion": "0.3.1",
        "name": "lan",
        "type": "macvlan",
        "master": "eth1",
        "mode": "bridge",
        "capabilities": {"ips": True},
        "ipam": {"type": "static", "routes": [{"dst": "10.9.0.0/16", "gw": "10.40.0.1"}]},
    }


def test_each_worker_has_a_config_of_its_own_with_a_range_or_without() -> None:
    """Each has another interface on the network."""
    lan, ext = lab(workers=2, networks=[STATIC, network()], pods=[]).networks
    whole = nad_config(lan, MASTER)
    assert confs(lan) == [f"kalico-worker {whole}", f"kalico-worker2 {whole}"]
    parts = [nad_config(ext, MASTER, part) for part in ext.ranges]
    assert confs(ext) == [f"kalico-worker {parts[0]}", f"kalico-worker2 {parts[1]}"]
