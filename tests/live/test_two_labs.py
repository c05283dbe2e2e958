"""A second lab beside the first, from the same checkout and at the same time: neither is in the other's way."""

import ipaddress
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from commands.leftovers import run_folder, snapshot
from commands.own_lab import found_engine, own_config, own_stack
from commands.stack import Stack
from tests.live.conftest import CLUSTER, SUBNET, Lab, eventually, nothing_added_to, steps

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]

SECOND = f"{CLUSTER}-b"
"""The first's name goes on in it: what looks for names by their beginning would take the one lab for the other."""
OWN = {"ext-net": "e2e-net-b", "10.23.": "10.45."}
OVERLAPPING = OWN | {"10.23.": "10.33."}


def config(names: Mapping[str, str]) -> dict[str, Any]:
    """One worker, one network with a peer, one pod on it."""
    found = own_config(SECOND, names)
    found["networks"][0]["peer"] = True
    return found | {"engine": found_engine(), "podSubnet": "10.46.0.0/16", "quickReadiness": True}


def stack_beside(lab: Lab, folder: Path, names: Mapping[str, str]) -> Stack:
    return own_stack(f"{lab.stack.name}-b", folder, config(names), quiet=True)


@pytest.fixture(scope="module")
def uid(lab: Lab) -> str:
    """Of the first's pod, before there is a second."""
    return str(lab.pod()["metadata"]["uid"])


@pytest.fixture(scope="module")
def second(lab: Lab, uid: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The second lab, up; `before` is the machine with the first alone. It goes in the end, whatever comes."""
    stack = stack_beside(lab, tmp_path_factory.mktemp("second"), OWN)
    kubeconfig = run_folder(os.environ, SECOND) / "kubeconfig"
    second = Lab(stack=stack, engine=lab.engine, kubeconfig=kubeconfig, before=snapshot(os.environ))
    try:
        assert stack.up() == 0
        yield second
    finally:
        stack.end()


def answers_on_net1(lab: Lab, address: str) -> bool:
    """Whether anybody answers the pod's ARP for the address, whatever its routes are."""
    said = lab.kubectl("exec", "samplepod", "--", "sh", "-c", f"arping -f -w 3 -I net1 {address} || true")
    answered = f"reply from {address} [" in said
    assert answered or "Received 0 " in said, said
    return answered


def test_a_second_on_the_firsts_subnet_is_refused_before_anything_is_made(lab: Lab, tmp_path: Path) -> None:
    stack = stack_beside(lab, tmp_path, OVERLAPPING)
    before = snapshot(os.environ)
    try:
        for words in (["preview"], ["up", "--yes", "--skip-preview"]):
            refused = stack.pulumi(*words, quiet=True)
            assert refused.returncode
            said = refused.stdout + refused.stderr
            assert "1 fault in the config, nothing was touched:" in said
            assert f"- networks[0].subnet: {SUBNET} overlaps the engine's network 'e2e-net' {SUBNET};" in said
        eventually(lambda: nothing_added_to(before), seconds=20)
    finally:
        assert stack.end() == 0


def test_a_second_by_other_names_and_subnets_comes_up_and_proves_itself(second: Lab) -> None:
    outputs = second.stack.outputs()
    assert second.net1() == outputs["net1_address"]
    span = config(OWN)["networks"][0]["ipam"]
    first, last = (ipaddress.IPv4Address(span[end]) for end in ("rangeStart", "rangeEnd"))
    assert first <= ipaddress.IPv4Address(second.net1()) <= last
    told = outputs["self_test"]
    assert told["failed"] == 0, told
    assert told["passed"]


def test_the_first_is_as_it_was(lab: Lab, uid: str, second: Lab) -> None:
    assert steps(lab.stack, "preview") == set()
    assert lab.pod()["metadata"]["uid"] == uid
    assert lab.stack.check() == 0


def test_each_pod_reaches_its_own_neighbour_and_nobody_of_the_other_lab(lab: Lab, second: Lab) -> None:
    peers = [each.stack.outputs()["networks"][0]["peer"]["address"] for each in (lab, second)]
    for one, own, other, others in ((lab, peers[0], second, peers[1]), (second, peers[1], lab, peers[0])):
        assert answers_on_net1(one, own)
        assert not answers_on_net1(one, others)
        assert not answers_on_net1(one, other.net1())


def test_the_second_goes_without_a_trace_and_the_first_stays(lab: Lab, uid: str, second: Lab) -> None:
    assert second.stack.end() == 0
    eventually(lambda: nothing_added_to(second.before), seconds=20)
    assert steps(lab.stack, "preview") == set()
    assert lab.pod()["metadata"]["uid"] == uid
    assert lab.net1() == lab.stack.outputs()["net1_address"]
