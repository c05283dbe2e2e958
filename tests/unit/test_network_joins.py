"""What the joins print, read: each worker's interface on a network, and what the stack tells of it."""

import pytest

from components.network_joins import facts, interfaces, master, own_addresses
from tests.lab_config import lab, network

ONE = "kalico-worker eth2 9a:00:00:00:00:01"
TWO = f"{ONE}\nkalico-worker2 eth1 9a:00:00:00:00:02\n"


def test_each_worker_has_an_interface_of_its_own() -> None:
    assert interfaces(ONE) == {"kalico-worker": "eth2"}
    assert interfaces(TWO) == {"kalico-worker": "eth2", "kalico-worker2": "eth1"}


def test_the_master_is_the_interface_of_the_one_worker() -> None:
    assert master(ONE) == "eth2"


@pytest.mark.parametrize("joined", ["", TWO], ids=["none", "two"])
def test_there_is_no_one_master_of_no_worker_or_of_several(joined: str) -> None:
    with pytest.raises(ValueError, match="values to unpack"):
        master(joined)


def test_a_network_is_told_with_its_workers_interfaces_and_ranges() -> None:
    [both] = lab(workers=2, networks=[network()], pods=[]).networks
    assert facts(both, TWO) == {
        "name": "ext-net",
        "subnet": "10.23.0.0/16",
        "nodes": [
            {"name": "kalico-worker", "interface": "eth2", "range": "10.23.0.100 to 10.23.0.169"},
            {"name": "kalico-worker2", "interface": "eth1", "range": "10.23.0.170 to 10.23.0.240"},
        ],
    }


def test_one_worker_hands_out_the_whole_range() -> None:
    [told] = facts(lab().networks[0], ONE)["nodes"]
    assert told == {"name": "kalico-worker", "interface": "eth2", "range": "10.23.0.100 to 10.23.0.240"}


def test_a_worker_joins_with_its_own_address_where_config_gives_it_one() -> None:
    addresses = ["10.23.10.10", "10.23.10.11"]
    [both] = lab(workers=2, networks=[network(nodeAddresses=addresses)], pods=[]).networks
    assert own_addresses(both) == {"kalico-worker": "10.23.10.10/16", "kalico-worker2": "10.23.10.11/16"}
    told = facts(both, "kalico-worker eth2 9a:01 10.23.10.10/16\nkalico-worker2 eth1 9a:02 10.23.10.11/16\n")["nodes"]
    assert [(node["interface"], node["address"]) for node in told] == [
        ("eth2", "10.23.10.10/16"),
        ("eth1", "10.23.10.11/16"),
    ]
    [none] = lab(workers=2, networks=[network()], pods=[]).networks
    assert own_addresses(none) == {"kalico-worker": "", "kalico-worker2": ""}
