"""The peers in the program as a whole: made beside the cluster where they are asked for, and only there."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.scripts import script
from tests.components.conftest import STDOUT, Left, RunLab
from tests.components.test_program import (
    JOIN,
    NAD,
    NETWORK,
    POD,
    RUNNING,
    STACK,
    labs_environment,
    made_from,
    reasons,
    saying,
)
from tests.lab_config import network
from tests.recorder import Run, is_unknown

PEER = "Command peers-ext-net"
SELF_TEST = "Command self-test-checks"
CONTAINER = "kalico-peer-ext-net"
ANSWERS = saying(
    STDOUT
    | {
        "peers-ext-net": "eth0 9a:00:00:00:00:09",
        "networks-lan": "",
        "joins-lan-kalico-worker": "kalico-worker eth2 9a:00:00:00:00:02",
    }
)
LAN = {"name": "lan", "subnet": "10.40.0.0/24"}


@pytest.fixture(scope="module")
def run_peer(run_lab: RunLab) -> Callable[..., Run]:
    def run(*, preview: bool = False, left: Left | None = None, engine: str = "podman", **changes: Any) -> Run:
        networks = [network(**({"gateway": "peer"} | changes)), LAN]
        done = run_lab(answers=ANSWERS, preview=preview, left=left, engine=engine, networks=networks)
        assert done.error is None, done.error
        return done

    return run


def test_a_lab_without_peers_has_nothing_of_them(program: Run) -> None:
    assert not [label for label in program.labels if "peer" in label.lower()]
    assert "peer" not in program.outputs["networks"][0]


def test_a_network_that_asks_for_a_peer_has_one_after_it_and_beside_the_cluster(run_peer: Callable[..., Run]) -> None:
    done = run_peer()
    assert {label for label in done.labels if "peer" in label.lower()} == {"Peers peers", PEER}
    assert (done["Peers peers"].parent, done["Peers peers"].deleted_with) == (STACK, "")
    assert done[PEER].depends_on == {NETWORK}
    assert (done[PEER].parent, done[PEER].deleted_with) == ("Peers peers", "")
    assert done[PEER].delete_before_replace
    for label in (RUNNING, JOIN, NAD, POD):
        assert PEER not in done[label].depends_on


def test_of_a_network_of_both_families_it_has_both_and_so_do_the_nad_and_the_outputs(
    run_peer: Callable[..., Run],
) -> None:
    done = run_peer(subnet6="fd23::/64", gateway6="peer")
    assert done[PEER].inputs["environment"]["ADDRESS"] == "10.23.0.1/16 fd23::1/64"
    [_, routes] = json.loads(done[NAD].inputs["spec"]["config"])["plugins"]
    assert routes["gateway"] == ["10.23.0.1", "fd23::1"]
    told = done.outputs["networks"][0]
    assert told["subnet6"] == "fd23::/64"
    assert told["nodes"][0]["range"] == "10.23.0.100 to 10.23.0.240 and fd23::100 to fd23::ffff"
    assert told["peer"] == {"address": "10.23.0.1", "address6": "fd23::1", "mac": "9a:00:00:00:00:09"}


def test_its_scripts_are_told_the_address_and_follow_the_network(run_peer: Callable[..., Run], cache: Path) -> None:
    inputs = run_peer()[PEER].inputs
    assert (inputs["create"], inputs["delete"]) == (script("peer-create"), script("peer-delete"))
    assert inputs["environment"] == labs_environment(cache) | {
        "NETWORK": "ext-net",
        "PEER": CONTAINER,
        "ROLE": "peer",
        "IMAGE": "kindest/node@sha256:f226345927d7e348497136874b6d207e0b32cc52154ad8323129352923a3142f",
        "ADDRESS": "10.23.0.1/16",
        "UPLINK": "",
    }
    assert inputs["triggers"] == ["id-of-networks-ext-net", made_from("peer-create", inputs)]


@pytest.mark.parametrize(("engine", "uplink"), [("podman", "podman"), ("docker", "bridge")])
def test_a_peer_that_forwards_is_told_the_engines_own_network(
    run_peer: Callable[..., Run], engine: str, uplink: str
) -> None:
    assert run_peer(engine=engine, peer={"forward": True})[PEER].inputs["environment"]["UPLINK"] == uplink


def test_the_outputs_tell_the_peers_address_and_mac(run_peer: Callable[..., Run]) -> None:
    told = {each["name"]: each.get("peer") for each in run_peer().outputs["networks"]}
    assert told == {"ext-net": {"address": "10.23.0.1", "mac": "9a:00:00:00:00:09"}, "lan": None}
    assert is_unknown(run_peer(preview=True).outputs["networks"])


@pytest.mark.parametrize(
    ("changes", "others"),
    [
        ({"peer": {"forward": True}}, {PEER}),
        ({"gateway": "10.23.0.1", "peer": True}, {PEER, SELF_TEST}),
        ({"peer": {"address": "10.23.0.9"}}, {PEER, NAD, SELF_TEST}),
    ],
    ids=["forward", "beside the gateway", "address of the gateway"],
)
def test_another_peer_is_made_anew_alone_but_for_the_gateway_that_the_nad_names(
    run_peer: Callable[..., Run], changes: dict[str, Any], others: set[str]
) -> None:
    before = {each.label: each.inputs for each in run_peer()}
    after = {each.label: each.inputs for each in run_peer(**changes)}
    assert {label for label in before | after if before.get(label) != after.get(label)} == others


def with_peer(left: Left, **marks: str) -> Left:
    seen = left.nodes | {CONTAINER: {"peer.ext-net": "\t"} | marks}
    worker = (left.nodes["kalico-worker"] or {}) | {"join.lan": "\t"}
    records = left.records | {"network.lan": "\n\n10.40.0.0/24\n"}
    networks = (*left.networks, "lan")
    return replace(left, nodes=seen | {"kalico-worker": worker}, records=records, networks=networks, nads=None)


DRIFTS: dict[str, tuple[Callable[[Left], Left], dict[str, str]]] = {
    "nothing": (with_peer, {}),
    "it is gone": (
        lambda left: replace(
            with_peer(left), nodes={name: seen for name, seen in with_peer(left).nodes.items() if name != CONTAINER}
        ),
        {PEER: f"peer {CONTAINER} does not run"},
    ),
    "it was stopped": (
        lambda left: replace(with_peer(left), nodes=with_peer(left).nodes | {CONTAINER: None}),
        {PEER: f"peer {CONTAINER} does not run"},
    ),
    "it was started again": (
        lambda left: replace(with_peer(left), nodes=with_peer(left).nodes | {CONTAINER: {}}),
        {PEER: f"peer {CONTAINER} was started without peer.ext-net"},
    ),
    "its address is gone": (
        lambda left: with_peer(left, **{"peer.ext-net": "eth0 has not 10.23.0.1/16\t"}),
        {PEER: f"peer {CONTAINER}: eth0 has not 10.23.0.1/16"},
    ),
}


@pytest.mark.parametrize("name", DRIFTS)
def test_a_peer_that_is_not_as_it_was_left_is_made_again_and_nothing_else_is(
    run_peer: Callable[..., Run], left: Left, name: str
) -> None:
    happened, expected = DRIFTS[name]
    assert reasons(run_peer(left=happened(left))) == expected


@pytest.mark.parametrize(
    ("gateway", "pointed_out"),
    [("10.23.0.1", ["network ext-net: its gateway 10.23.0.1 is nothing"]), ("peer", [])],
)
def test_a_default_route_that_leads_nowhere_is_pointed_out_once(
    run_peer: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, gateway: str, pointed_out: list[str]
) -> None:
    said: list[str] = []
    monkeypatch.setattr("pulumi.log.info", lambda text, resource: said.append(text))
    run_peer(gateway=gateway, peer=True)
    assert [text.split(" unless")[0] for text in said] == pointed_out
