"""The CNI config in a NAD."""

import json

import pytest

from components.attachments import nad_config
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
