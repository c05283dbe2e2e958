"""The CNI config in a NAD, or on a node."""

import json
from ipaddress import IPv4Network
from typing import Any

import pytest

from components.attachments import MASTER, confs, nad_config, ranges, two_default_routes
from components.settings.plugins import MacvlanMode
from components.settings.routes import DefaultRoute
from tests.lab_config import lab, network

SEEDS = {
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
"""With the key that host-local reads, where the seed has `rangeStop` and a broken address, and with a name."""

KEEP = (IPv4Network("10.24.0.0/16"), IPv4Network("10.96.0.0/16"))


def config(master: str = "eth1", **changes: Any) -> dict[str, Any]:
    """The NAD's config of a network with these changes."""
    [changed] = lab(networks=[network(**changes)], pods=[]).networks
    found: dict[str, Any] = json.loads(nad_config(changed, master, keep=KEEP))
    return found


def macvlan(found: dict[str, Any]) -> dict[str, Any]:
    """The plugin that makes the interface, in a list of them."""
    plugin: dict[str, Any] = found["plugins"][0]
    assert plugin["type"] == "macvlan"
    return plugin


def test_the_literal_nad_is_the_seeds() -> None:
    assert config(defaultRoute="literal") == SEEDS


@pytest.mark.parametrize("listed", [{"ipam": {"routes": [{"dst": "0.0.0.0/0"}]}}, {"routes": [{"dst": "0.0.0.0/0"}]}])
def test_a_default_route_that_is_listed_is_not_added_to_the_literal_nad(listed: dict[str, Any]) -> None:
    assert config(defaultRoute="literal", **listed) == SEEDS


def test_the_literal_nads_other_routes_follow_the_default_one() -> None:
    beyond = {"dst": "10.9.0.0/16", "gw": "10.23.0.2"}
    assert config(defaultRoute="literal", routes=[beyond])["ipam"]["routes"] == [{"dst": "0.0.0.0/0"}, beyond]


def test_without_a_default_route_the_seeds_nad_has_none() -> None:
    assert config(defaultRoute="none") == SEEDS | {"ipam": SEEDS["ipam"] | {"routes": []}}  # type: ignore[operator]


@pytest.mark.parametrize(
    ("way", "more"), [("source", {}), ("net1", {"keep": ["10.24.0.0/16", "10.96.0.0/16"]})], ids=["source", "net1"]
)
def test_another_default_route_is_the_business_of_the_plugin_that_follows(way: str, more: dict[str, Any]) -> None:
    none = config(defaultRoute="none")
    head = {key: none.pop(key) for key in ("cniVersion", "name")}
    routes = {"type": "kalico-routes", "defaultRoute": way, "gateway": "10.23.0.1"} | more
    assert config(defaultRoute=way) == head | {"plugins": [none, routes]}


def test_by_default_it_goes_by_the_source() -> None:
    assert config() == config(defaultRoute="source")


def test_a_network_without_gateway_has_nothing_to_see_to() -> None:
    assert config(without="gateway") == config(without="gateway", defaultRoute="none")


@pytest.mark.parametrize("mode", list(MacvlanMode))
def test_master_and_mode_are_the_networks(mode: MacvlanMode) -> None:
    plugin = macvlan(config("eth7", mode=mode.value))
    assert (plugin["master"], plugin["mode"]) == ("eth7", mode.value)


def test_the_networks_routes_follow_those_of_its_ipam() -> None:
    first, second = [{"dst": "10.8.0.0/16"}], [{"dst": "10.9.0.0/16", "gw": "10.23.0.2"}]
    found = config(ipam={"routes": first}, routes=second, defaultRoute="none")
    assert found["ipam"]["routes"] == [*first, *second]
    assert "routes" not in found


def test_an_mtu_is_in_the_config_where_the_network_has_one() -> None:
    assert macvlan(config(mtu=1400))["mtu"] == 1400
    assert "mtu" not in macvlan(config())


@pytest.mark.parametrize("way", list(DefaultRoute))
def test_workers_configs_are_the_networks_but_for_their_part_of_the_range(way: DefaultRoute) -> None:
    """Lists all, since Multus finds lists alone in a `.conflist`."""
    [both] = lab(workers=2, networks=[network(defaultRoute=way.value)]).networks
    whole = json.loads(nad_config(both, MASTER, keep=KEEP, listed=True))
    first, second = (json.loads(config) for config in confs(both, KEEP))
    plugin = macvlan(whole)
    for found, part in ((first, {"rangeEnd": "10.23.0.169"}), (second, {"rangeStart": "10.23.0.170"})):
        assert {key: found[key] for key in ("cniVersion", "name")} == {
            key: whole[key] for key in ("cniVersion", "name")
        }
        assert macvlan(found) == plugin | {"ipam": plugin["ipam"] | part}
        assert found["plugins"][1:] == whole["plugins"][1:]
    assert plugin["master"] == "@MASTER@"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_config_is_one_line(workers: int) -> None:
    """It goes to the script that writes it in a line behind its node's name."""
    [many] = lab(workers=workers, networks=[network(routes=[{"dst": "10.9.0.0/16", "gw": "10.23.0.2"}])]).networks
    assert "\n" not in "".join(nad_config(many, MASTER, part) for part in many.ranges)


def test_a_nad_tells_which_worker_hands_out_what() -> None:
    [both] = lab(workers=2).networks
    assert ranges(both) == "kalico-worker: 10.23.0.100 to 10.23.0.169, kalico-worker2: 10.23.0.170 to 10.23.0.240"


STATIC = {"name": "lan", "subnet": "10.40.0.0/16", "gateway": "10.40.0.1", "defaultRoute": "none"} | {
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
    whole = nad_config(lan, MASTER, listed=True)
    assert confs(lan) == [whole, whole]
    assert confs(ext) == [nad_config(ext, MASTER, part, listed=True) for part in ext.ranges]


def test_what_is_said_of_two_default_routes_names_the_network_and_the_ways_out() -> None:
    said = two_default_routes(lab().networks[0])
    assert said.startswith("network ext-net (`defaultRoute: literal`): ")
    assert "`source` and `net1`" in said
