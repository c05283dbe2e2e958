"""DHCP in the program as a whole: a daemon and servers where leases are asked for, and only there."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from commands.leftovers import MADE
from components.engines import by_digest
from components.scripts import script
from tests.components.conftest import STDOUT, Left, RunLab
from tests.components.test_program import (
    NAD_KIND,
    STACK,
    WORKER,
    WORKER_RUNS,
    labs_environment,
    made_from,
    reasons,
    saying,
)
from tests.lab_config import lab, network
from tests.recorder import Run, is_unknown

DAEMON = "Command leases-daemon-kalico-worker"
SERVER = "Command leases-lan"
REPORT = "Command readiness-report"
NAD = "NetworkAttachmentDefinition attachments-lan"
JOIN = "Command joins-lan-kalico-worker"
PODS = "Pod pods-samplepod"
CONTAINER = "kalico-dhcp-lan"
SAID = STDOUT | {
    "networks-lan": "",
    "joins-lan-kalico-worker": "kalico-worker eth2 9a:00:00:00:00:02",
    "leases-daemon-kalico-worker": "kalico-worker",
    "leases-lan": "eth0 9a:00:00:00:00:08",
}
ANSWERS = saying(SAID)
LAN = {"name": "lan", "subnet": "10.40.0.0/24", "gateway": "10.40.0.1"}


@pytest.fixture(scope="module")
def run_leased(run_lab: RunLab) -> Callable[..., Run]:
    def run(left: Left | None = None, preview: bool = False, image: str = "", **ipam: Any) -> Run:
        networks = [network(), LAN | {"ipam": {"type": "dhcp", "rangeEnd": "10.40.0.99"} | ipam}]
        networks[1]["ipam"] = {key: value for key, value in networks[1]["ipam"].items() if value is not None}
        images = {"dhcpServerImage": image} if image else {}
        done = run_lab(answers=ANSWERS, preview=preview, left=left, networks=networks, **images)
        assert done.error is None, done.error
        return done

    return run


def test_a_lab_without_leases_has_nothing_of_them(program: Run) -> None:
    assert not [label for label in program.labels if "lease" in label.lower()]


def test_a_network_with_leases_has_a_server_beside_the_cluster_and_a_daemon_in_its_workers(
    run_leased: Callable[..., Run], program: Run
) -> None:
    done = run_leased()
    assert {label for label in done.labels if "lease" in label.lower()} == {"Leases leases", DAEMON, SERVER}
    assert (done["Leases leases"].parent, done["Leases leases"].deleted_with) == (STACK, "")
    assert done[SERVER].depends_on == {"Command networks-lan"}
    assert (done[SERVER].parent, done[SERVER].deleted_with) == ("Leases leases", "")
    assert (done[DAEMON].parent, done[DAEMON].deleted_with) == ("Leases leases", WORKER)
    assert {WORKER_RUNS, "Command cni-plugins-kalico-worker"} >= done[DAEMON].depends_on >= {WORKER_RUNS}


def test_all_that_make_up_could_take_for_a_stray_has_the_name_that_its_record_stands_for(run_lab: RunLab) -> None:
    """Else `make up` would remove what it has just made (see commands/leftovers.py)."""
    answers = saying({**SAID, "peers-lan": "eth0 9a:00:00:00:00:09"})
    leased = LAN | {"peer": True, "ipam": {"type": "dhcp", "rangeEnd": "10.40.0.99"}}
    done = run_lab(answers=answers, networks=[network(), leased])
    assert done.error is None
    named = {
        f"Command {layer}-{each.inputs['environment']['NETWORK' if thing else 'NODE']}": each.label
        for layer, remover, thing, _ in MADE.values()
        for each in done
        if each.inputs.get("delete") == script(remover)
        if remover != "peer-delete" or (each.inputs["environment"]["ROLE"] == "server") == (layer == "leases")
    }
    assert named == {name: name for name in named}
    assert set(named) == {
        f"Command {name}"
        for name in ("workers-kalico-worker", "networks-ext-net", "networks-lan", "peers-lan", "leases-lan")
    }


def test_a_pod_asks_for_a_lease_when_both_are_there(run_leased: Callable[..., Run]) -> None:
    done = run_leased()
    assert done[NAD].depends_on == {NAD_KIND, JOIN, DAEMON, SERVER}
    assert done[NAD].replace_with == {JOIN}
    assert "lan" not in str(done["NetworkAttachmentDefinition attachments-ext-net"].depends_on)


def test_the_scripts_are_told_what_they_need(run_leased: Callable[..., Run], cache: Path) -> None:
    done = run_leased()
    server, daemon = done[SERVER].inputs, done[DAEMON].inputs
    assert (server["create"], server["delete"]) == (script("peer-create"), script("peer-delete"))
    assert server["environment"] == labs_environment(cache) | {
        "NETWORK": "lan",
        "PEER": CONTAINER,
        "IMAGE": "quay.io/poseidon/dnsmasq:v0.5.0-47-g28ff327",
        "ADDRESS": "10.40.0.254/24",
        "ROLE": "server",
        "TOOLS": by_digest(lab().node_image),
    }
    assert server["stdin"].startswith("dnsmasq\n--")
    assert server["triggers"] == ["id-of-networks-lan", made_from("peer-create", server)]
    assert (daemon["create"], daemon["delete"]) == (script("dhcp-daemon"), script("dhcp-daemon-delete"))
    assert daemon["environment"] == labs_environment(cache) | {
        "NODE": "kalico-worker",
        "LEASES": script("kalico-dhcp-leases"),
        "SECONDS_AT_MOST": "60",
    }
    assert daemon["triggers"] == ["id-of-cni-plugins-kalico-worker", made_from("dhcp-daemon", daemon)]


def test_the_outputs_tell_the_servers_address_and_mac(run_leased: Callable[..., Run]) -> None:
    told = {each["name"]: each.get("dhcp_server") for each in run_leased().outputs["networks"]}
    assert told == {"ext-net": None, "lan": {"address": "10.40.0.254", "mac": "9a:00:00:00:00:08"}}
    assert is_unknown(run_leased(preview=True).outputs["networks"])


def test_the_versions_are_asked_of_the_server_when_it_runs_and_of_every_other_one(
    run_leased: Callable[..., Run], program: Run, cache: Path
) -> None:
    report = run_leased()[REPORT]
    assert report.inputs["environment"] == program[REPORT].inputs["environment"] | {"SERVER": CONTAINER}
    assert "id-of-leases-lan" in report.inputs["triggers"]
    assert SERVER in report.depends_on
    assert "SERVER" not in program[REPORT].inputs["environment"]
    assert "SERVER" not in run_leased(server=False, rangeEnd=None)[REPORT].inputs["environment"]


def test_where_the_network_has_a_server_of_its_own_the_lab_has_the_daemon_alone(
    run_leased: Callable[..., Run],
) -> None:
    done = run_leased(server=False, rangeEnd=None)
    assert {label for label in done.labels if "lease" in label.lower()} == {"Leases leases", DAEMON, SERVER}
    nothing = done[SERVER].inputs
    assert (nothing.get("create"), nothing.get("delete")) == (None, None)
    # Where there was one it is replaced, and gone before a pod asks for a lease.
    assert done[SERVER].delete_before_replace
    assert nothing["triggers"] != run_leased()[SERVER].inputs["triggers"]
    assert done[NAD].depends_on == {NAD_KIND, JOIN, DAEMON, SERVER}
    assert "kalico/leases" not in done[NAD].inputs["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("changes", "others"),
    [
        ({"rangeEnd": "10.40.0.98"}, {SERVER, NAD, "Command self-test-checks"}),
        ({"leaseTime": "5m"}, {SERVER, NAD}),
        ({"image": "localhost/dnsmasq:1"}, {SERVER}),
    ],
    ids=["range", "lease time", "image"],
)
def test_other_leases_make_the_server_and_the_nad_anew(
    run_leased: Callable[..., Run], changes: dict[str, Any], others: set[str]
) -> None:
    before = {each.label: each.inputs for each in run_leased()}
    after = {each.label: each.inputs for each in run_leased(**changes)}
    assert {label for label in before | after if before.get(label) != after.get(label)} == others


def with_leases(left: Left, **marks: str) -> Left:
    worker = (left.nodes["kalico-worker"] or {}) | {"join.lan": "\t", "dhcp": "\t"}
    nodes = left.nodes | {"kalico-worker": worker | marks, CONTAINER: {"server.lan": "\t"}}
    records = left.records | {"network.lan": "\n\n10.40.0.0/24\n"}
    return replace(left, nodes=nodes, records=records, networks=(*left.networks, "lan"), nads=None)


def without(left: Left, node: str, thing: str) -> Left:
    marks = {name: mark for name, mark in (left.nodes[node] or {}).items() if name != thing}
    return replace(left, nodes=left.nodes | {node: marks})


DRIFTS: dict[str, tuple[Callable[[Left], Left], dict[str, str]]] = {
    "nothing": (with_leases, {}),
    "the server was stopped": (
        lambda left: replace(with_leases(left), nodes=with_leases(left).nodes | {CONTAINER: None}),
        {SERVER: f"server {CONTAINER} does not run"},
    ),
    "the server was started again": (
        lambda left: without(with_leases(left), CONTAINER, "server.lan"),
        {SERVER: f"server {CONTAINER} was started without server.lan"},
    ),
    "the daemon was stopped": (
        lambda left: with_leases(left, dhcp="/run/cni/dhcp.sock is gone\t"),
        {DAEMON: "node kalico-worker: /run/cni/dhcp.sock is gone"},
    ),
}


@pytest.mark.parametrize("name", DRIFTS)
def test_what_is_not_as_it_was_left_is_made_again_and_no_pod_is(
    run_leased: Callable[..., Run], left: Left, name: str
) -> None:
    happened, expected = DRIFTS[name]
    assert reasons(run_leased(left=happened(left))) == expected


@pytest.mark.parametrize(("parent", "told"), [({}, True), ({"parent": "eth7"}, False)], ids=["island", "on a link"])
def test_leases_that_nobody_gives_on_an_island_are_pointed_out(
    run_lab: RunLab, caplog: pytest.LogCaptureFixture, parent: dict[str, str], told: bool
) -> None:
    leased = {"name": "lan", "subnet": "10.40.0.0/24", "ipam": {"type": "dhcp", "server": False}}
    done = run_lab(answers=ANSWERS, networks=[network(), leased | parent])
    assert done.error is None, done.error
    assert ("network lan (`server: false`): nobody answers DHCP on it" in caplog.text) is told


def test_the_self_test_waits_for_a_server_that_no_pod_waits_for(run_leased: Callable[..., Run]) -> None:
    assert {SERVER, DAEMON} <= run_leased()["Command self-test-checks"].depends_on
