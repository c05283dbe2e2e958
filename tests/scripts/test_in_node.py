"""in-node.sh: what several scripts do in a node, where they do not show it themselves."""

import os
import subprocess

import pytest

from components.scripts import BASH, script
from tests.scripts.conftest import Bench, inside

NODE = "lab-worker"
LINK = """
ip link add name eth0 type veth peer name far
ip link set far up
ip address add 10.89.0.5/24 dev eth0
ip -6 address add fd89::5/64 dev eth0 nodad
ip link set eth0 up
ip link add name eth1 type veth peer name far1
ip link set far1 up
ip address add 10.77.0.5/16 dev eth1
ip -6 address add fd77::5/64 dev eth1 nodad
ip link set eth1 up
ip route add default via 10.89.0.1
ip route add 10.34.0.0/26 dev eth0 proto static
"""


@pytest.mark.parametrize(
    ("subnets", "said"),
    [
        ("10.24.0.0/16 10.96.0.0/16", ""),
        ("10.24.0.0/16 10.89.0.0/16", "10.89.0.0/16 10.89.0.0/24\n"),
        ("10.89.0.0/24", "10.89.0.0/24 10.89.0.0/24\n"),
        ("10.89.0.128/25 10.89.0.0/16", "10.89.0.128/25 10.89.0.0/24\n"),
        ("10.34.0.0/16", ""),  # a route to other nodes' pods
        ("10.23.0.0/16 fd89::/48", "fd89::/48 fd89::/64\n"),
        ("fd23::/64", ""),
        ("10.77.0.0/16 fd77::/64", ""),  # of the interface that joins, as a router there may have told
        ("", ""),
    ],
)
def test_a_subnet_that_another_link_of_the_node_lies_in_or_around_is_found(
    nodes: Bench, subnets: str, said: str
) -> None:
    inside(nodes, NODE, LINK)
    done = subprocess.run(
        [*BASH, f"{script('in-node')}\nother_link {NODE} eth1 {subnets}"],
        env={"PATH": f"{nodes.folder / 'bin'}:{os.environ['PATH']}", "BENCH": str(nodes.folder), "ENGINE": "podman"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, said), done.stderr
