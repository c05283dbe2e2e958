"""What is seen of a lab that was made, and the reasons for which its things are made again."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.annotations import CONTENT, NODE_ADDRESS, asked_for, digest, given
from components.drift import (
    NADS,
    PODS,
    Drift,
    Look,
    find_drift,
    nad_wrong,
    networks_of,
    objects,
    pod_wrong,
)
from components.drift import NODES as NODE_OBJECTS
from components.engines import ENGINES, EngineError
from components.node_look import SCRIPT, Mark, NodeLook, State, look_at_node, marks
from components.records import Record, records
from components.workspace import Workspace

NOW = "2025-11-25T04:00:00Z"
BEFORE = "2025-11-24T04:00:00Z it was gone"
NODES = ("lab-control-plane", "lab-worker")


def drift_of(
    nodes: Mapping[str, NodeLook] | None = None,
    networks: tuple[str, ...] = ("ext-net",),
    links: tuple[str, ...] = ("eth0",),
    records: Mapping[str, Record] | None = None,
    pods: Mapping[str, Mapping[str, Any]] | None = None,
    nads: Mapping[str, Mapping[str, Any]] | None = None,
    node_objects: Mapping[str, Mapping[str, Any]] | None = None,
) -> Drift:
    """What follows from such a look; nothing is wrong and nobody answers for the cluster unless it is said."""
    seen = Look(
        nodes=dict.fromkeys(NODES, NodeLook(state=State.RUNS)) | dict(nodes or {}),
        networks=frozenset(networks),
        links=frozenset(links),
        records={f"node.{node}": Record(because="") for node in NODES} | dict(records or {}),
        pods=pods,
        nads=nads,
        node_objects=node_objects,
    )
    return Drift(look=seen, now=NOW)


def found(annotations: Mapping[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    return {"metadata": {"name": "one", "namespace": "default", "annotations": annotations}, **changes}


def pod(networks: str = "", interfaces: int = 0, because: str = "", **changes: Any) -> dict[str, Any]:
    """A pod that asks for these networks and has so many interfaces besides the cluster's own."""
    status = [{"name": "k8s-pod-network", "default": True}]
    status += [{"name": "default/ext-net", "interface": f"net{i + 1}"} for i in range(interfaces)]
    annotations = {
        "k8s.v1.cni.cncf.io/networks": networks,
        "k8s.v1.cni.cncf.io/network-status": json.dumps(status),
        "kalico/because": because,
    }
    return found(annotations, status={"phase": "Running"}) | changes


def nad(config: str = "{}", because: str = "", **changes: Any) -> dict[str, Any]:
    annotations = {"kalico/content": digest(config), "kalico/because": because}
    return found(annotations, spec={"config": config}) | changes


# The reason for each thing


def test_a_lab_that_nobody_looked_at_is_made_for_the_first_reason() -> None:
    unseen = Drift()
    assert [
        unseen.cluster(NODES),
        unseen.network("ext-net"),
        unseen.in_nodes("plugins", NODES),
        unseen.nad("ext-net"),
        unseen.pod("default", "samplepod", NODES),
        unseen.annotations(NODES),
    ] == [""] * 6
    assert unseen.live_pods == {}


def test_a_cluster_is_made_again_when_a_node_is_gone_and_not_when_one_stopped() -> None:
    gone = drift_of(nodes={"lab-worker": NodeLook(state=State.GONE)}, records={"cluster": Record(because=BEFORE)})
    assert gone.cluster(NODES) == f"{NOW} there is no node lab-worker"
    stopped = drift_of(nodes={"lab-worker": NodeLook(state=State.STOPPED)}, records={"cluster": Record(because=BEFORE)})
    assert stopped.cluster(NODES) == BEFORE
    assert drift_of().cluster(NODES) == ""


def test_a_worker_that_was_never_made_is_none_that_is_gone() -> None:
    more = (*NODES, "lab-worker2")
    marks = {thing: Mark(because=BEFORE) for thing in ("plugins", "join.ext-net")}
    seen: dict[str, NodeLook] = dict.fromkeys(NODES, NodeLook(state=State.RUNS, marks=marks))
    new = drift_of(
        nodes=seen | {"lab-worker2": NodeLook(state=State.GONE)},
        node_objects=dict.fromkeys(NODES, annotated()),
        records={"cluster": Record(because=BEFORE)},
    )
    assert new.cluster(more) == BEFORE
    assert new.in_nodes("plugins", more) == BEFORE
    assert new.in_nodes("join.ext-net", more[-1:]) == ""
    assert new.annotations(more) == BEFORE
    assert new.annotations(more[-1:]) == ""


@pytest.mark.parametrize(
    ("seen", "because"),
    [
        (NodeLook(state=State.GONE), f"{NOW} peer lab-peer-lan does not run"),
        (NodeLook(state=State.STOPPED), f"{NOW} peer lab-peer-lan does not run"),
        (NodeLook(state=State.RUNS), f"{NOW} peer lab-peer-lan was started without peer.lan"),
        (
            NodeLook(state=State.RUNS, marks={"peer.lan": Mark(because=BEFORE, wrong="eth0 has not 10.40.0.9/16")}),
            f"{NOW} peer lab-peer-lan: eth0 has not 10.40.0.9/16",
        ),
        (NodeLook(state=State.RUNS, marks={"peer.lan": Mark(because=BEFORE)}), BEFORE),
    ],
    ids=["gone", "stopped", "restarted", "changed", "well"],
)
def test_a_peer_is_made_again_when_it_does_not_answer_by_its_address(seen: NodeLook, because: str) -> None:
    looked = drift_of(nodes={"lab-peer-lan": seen})
    assert looked.in_nodes("peer.lan", ["lab-peer-lan"], kind="peer") == because
    assert looked.cluster(NODES) == ""


@pytest.mark.parametrize(
    ("seen", "because"),
    [
        ({}, BEFORE),
        ({"networks": ("ext-net-2",)}, f"{NOW} the engine has no such network"),
        ({"links": ("eth0",)}, f"{NOW} its parent eth7 is gone"),
        ({"networks": (), "links": ()}, f"{NOW} the engine has no such network"),
    ],
    ids=["well", "no network", "no parent", "neither"],
)
def test_a_network_is_made_again_when_it_or_its_parent_is_gone(seen: dict[str, Any], because: str) -> None:
    kept = {"network.ext-net": Record(because=BEFORE, parent="eth7")}
    assert drift_of(**{"links": ("eth7",), "records": kept} | seen).network("ext-net") == because


def test_a_network_on_the_engines_own_link_or_without_a_record_needs_no_parent() -> None:
    own = {"network.ext-net": Record(because=BEFORE)}
    assert drift_of(links=(), records=own).network("ext-net") == BEFORE
    assert drift_of(links=()).network("ext-net") == ""


WELL = NodeLook(state=State.RUNS, marks={"plugins": Mark(because=BEFORE)})


@pytest.mark.parametrize(
    ("worker", "because"),
    [
        (WELL, BEFORE),
        (None, f"{NOW} node lab-worker does not run"),
        (NodeLook(state=State.GONE), f"{NOW} node lab-worker does not run"),
        (NodeLook(state=State.STOPPED, marks=WELL.marks), f"{NOW} node lab-worker does not run"),
        (NodeLook(state=State.RUNS), f"{NOW} node lab-worker was started without plugins"),
        (
            NodeLook(state=State.RUNS, marks={"plugins": Mark(because=BEFORE, wrong="macvlan is gone")}),
            f"{NOW} node lab-worker: macvlan is gone",
        ),
        (
            NodeLook(state=State.RUNS, marks={"plugins": Mark(because="")}),
            f"{NOW} some of the nodes have another plugins",
        ),
    ],
    ids=["well", "unseen", "gone", "stopped", "started", "wrong", "another"],
)
def test_what_is_in_several_nodes_is_made_again_when_one_of_them_lacks_it(
    worker: NodeLook | None, because: str
) -> None:
    seen = drift_of().look
    assert seen
    nodes = {"lab-control-plane": WELL} | ({"lab-worker": worker} if worker else {})
    look = Look(**{**vars(seen), "nodes": nodes})
    assert Drift(look=look, now=NOW).in_nodes("plugins", NODES) == because


def test_only_the_nodes_that_have_a_thing_are_asked_for_it() -> None:
    joined = NodeLook(state=State.RUNS, marks={"join.ext-net": Mark(because=BEFORE)})
    assert drift_of(nodes={"lab-worker": joined}).in_nodes("join.ext-net", ["lab-worker"]) == BEFORE
    assert drift_of().in_nodes("join.ext-net", []) == ""


Ask = Callable[[Mapping[str, Mapping[str, Any]] | None], str | None]


def ask_nad(seen: Mapping[str, Mapping[str, Any]] | None) -> str | None:
    return drift_of(nads=seen).nad("one")


def ask_pod(seen: Mapping[str, Mapping[str, Any]] | None) -> str | None:
    return drift_of(pods=seen).pod("default", "one", NODES)


@pytest.mark.parametrize(
    ("ask", "well", "wrong", "why"),
    [
        (ask_nad, nad(because=BEFORE), nad(spec={"config": "[]"}), "it was edited"),
        (ask_pod, pod(because=BEFORE), pod(status={"phase": "Failed"}), "it has failed"),
    ],
    ids=["nad", "pod"],
)
def test_an_object_is_made_again_when_it_is_wrong_or_gone_and_not_when_nobody_answers(
    ask: Ask, well: dict[str, Any], wrong: dict[str, Any], why: str
) -> None:
    assert ask({"default/one": well}) == BEFORE
    assert ask({"default/one": wrong}) == f"{NOW} {why}"
    assert ask({"other/one": well, "default/two": well}) == f"{NOW} there is none"
    assert ask({}) == f"{NOW} there is none"
    assert ask(None) is None


def test_an_object_without_a_reason_was_made_for_the_first() -> None:
    assert drift_of(pods={"default/one": found()}).pod("default", "one", NODES) == ""


ADDRESS = '{"ipv4":"10.23.10.10/16"}'


def annotated(value: str | None = ADDRESS, because: str = BEFORE) -> dict[str, Any]:
    """A node that was annotated with ADDRESS and has `value` now."""
    ours = {CONTENT: digest(ADDRESS), "kalico/because": because}
    return {"metadata": {"name": "one", "annotations": ours | ({NODE_ADDRESS: value} if value else {})}}


@pytest.mark.parametrize(
    ("workers", "because"),
    [
        ([annotated()] * 2, BEFORE),
        ([annotated(because="")] * 2, ""),
        ([annotated(), annotated(None)], f"{NOW} node lab-worker2 has no k8s.ovn.org/node-primary-ifaddr"),
        ([annotated('{"ipv4":"10.23.10.9/16"}'), annotated()], f"{NOW} node lab-worker has another {NODE_ADDRESS}"),
        ([annotated(), annotated(because="")], f"{NOW} some of the nodes were annotated later"),
        ([annotated()], f"{NOW} node lab-worker2 is none of the cluster"),
        (None, f"{NOW} the cluster does not tell its nodes"),
    ],
    ids=["well", "the first", "removed", "edited", "one of two", "no node", "no answer"],
)
def test_nodes_are_annotated_again_when_one_does_not_tell_what_it_was_given(
    workers: list[dict[str, Any]] | None, because: str
) -> None:
    names = ("lab-worker", "lab-worker2")
    objects = None if workers is None else dict(zip(names, workers, strict=False))
    assert drift_of(node_objects=objects).annotations(names) == because


def test_a_pod_of_another_namespace_is_another_pod() -> None:
    seen = drift_of(pods={"team/one": pod(because=BEFORE), "default/one": pod()})
    assert seen.pod("team", "one", NODES) == BEFORE
    assert seen.live_pods["team/one"] == pod(because=BEFORE)
    assert "team/two" not in seen.live_pods
    assert drift_of(pods=None).live_pods == {}


# What is wrong with an object


def test_a_nad_is_compared_with_the_config_that_it_was_made_with() -> None:
    assert nad_wrong(nad('{"type": "macvlan"}')) == ""
    assert nad_wrong(nad(spec={"config": "[]"})) == "it was edited"
    assert nad_wrong(nad(spec={})) == "it was edited"
    assert nad_wrong(found(None, spec={"config": ""})) == "it was edited"


def test_a_nad_without_a_config_is_well_where_it_was_made_so() -> None:
    assert nad_wrong(found({"kalico/content": digest("")}, spec={})) == ""
    assert nad_wrong(found({"kalico/content": digest("")})) == ""
    assert nad_wrong(found({"kalico/content": digest("")}, spec={"config": "{}"})) == "it was edited"


@pytest.mark.parametrize(
    ("seen", "wrong"),
    [
        (pod(), ""),
        (pod("ext-net", 1), ""),
        (pod("ext-net,lan", 2), ""),
        (pod("ext-net", 2), ""),
        (pod("ext-net", 0), "it lacks 1 of 1 interfaces"),
        (pod("ext-net,lan", 1), "it lacks 1 of 2 interfaces"),
        (pod('[{"name": "ext-net"}, {"name": "lan"}]', 0), "it lacks 2 of 2 interfaces"),
        (found({"k8s.v1.cni.cncf.io/networks": "ext-net"}, status={}), "it lacks 1 of 1 interfaces"),
        (pod("ext-net", 1, status={"phase": "Pending"}), ""),
        (pod("ext-net", 1, status={"phase": "Failed"}), "it has failed"),
        (pod("ext-net", 0, status={"phase": "Succeeded"}), "it has succeeded"),
        (pod("ext-net", 1, metadata={"deletionTimestamp": NOW}), "it is being deleted"),
        (pod("ext-net", 1, spec={"nodeName": "lab-worker"}), ""),
        (pod("ext-net", 1, spec={"nodeName": "lab-worker2"}), "its node lab-worker2 goes"),
        (found(None), ""),
    ],
)
def test_a_pod_is_wrong_when_it_or_its_node_goes_or_it_lacks_an_interface(seen: dict[str, Any], wrong: str) -> None:
    assert pod_wrong(seen, NODES) == wrong


EDITED = "its k8s.v1.cni.cncf.io/networks was edited"


def test_a_pod_whose_lease_is_lost_on_its_node_is_made_anew() -> None:
    def leased(ip: str, node: str) -> dict[str, Any]:
        status = [{"name": "default/lan", "interface": "net1", "ips": [ip]}]
        annotations = {
            "k8s.v1.cni.cncf.io/networks": "lan",
            "k8s.v1.cni.cncf.io/network-status": json.dumps(status),
        }
        return found(annotations, spec={"nodeName": node})

    told = "net1 of container c1 has 10.40.0.9/24, and is leased 10.40.0.77/24 now"
    nodes = {"lab-worker": NodeLook(state=State.RUNS, marks={"dhcp": Mark(because="", wrong=told)})}
    pods = {
        "default/one": leased("10.40.0.9", "lab-worker"),
        "default/two": leased("10.40.0.77", "lab-worker"),
        "default/away": leased("10.40.0.9", "lab-control-plane"),
    }
    drift = drift_of(nodes=nodes, pods=pods)
    assert drift.pod("default", "one", NODES) == f"{NOW} its lease of 10.40.0.9 is lost"
    assert [drift.pod("default", name, NODES) for name in ("two", "away")] == ["", ""]


@pytest.mark.parametrize(
    ("networks", "wrong"),
    [
        ("ext-net", ""),
        ("lan", EDITED),
        ("", EDITED),
        (None, EDITED),
        ("[x", EDITED),
        ('["a"]', EDITED),
        ('[{"name": "ext-net", "mac": "02:00:00:00:00:01"}]', EDITED),
    ],
)
def test_a_pod_is_wrong_when_it_asks_for_other_networks_than_it_was_made_with(networks: str | None, wrong: str) -> None:
    seen = pod("ext-net", 1)
    annotations = seen["metadata"]["annotations"] | {"kalico/asked": digest("ext-net")}
    annotations["k8s.v1.cni.cncf.io/networks"] = networks
    seen["metadata"]["annotations"] = {key: value for key, value in annotations.items() if value is not None}
    assert pod_wrong(seen, NODES) == wrong


@pytest.mark.parametrize(
    "status", ["", "[", "null", "{}", "7", '["a"]', '[{"name": "lan"}]', '[{"name": 7, "interface": "net1"}]', "[null]"]
)
def test_a_pod_whose_interfaces_nobody_can_read_has_none(status: str) -> None:
    metadata = pod("ext-net")["metadata"]
    metadata["annotations"]["k8s.v1.cni.cncf.io/network-status"] = status
    assert given(metadata) == []
    assert pod_wrong({"metadata": metadata}, NODES) == "it lacks 1 of 1 interfaces"


@pytest.mark.parametrize(
    ("annotation", "networks"),
    [
        ("", []),
        ("[x", []),
        ('["a", {"name": 7}, {"name": "lan"}]', ["lan"]),
        ("ext-net", ["ext-net"]),
        ("ext-net,lan", ["ext-net", "lan"]),
        (' [{"name": "ext-net", "mac": "02:00:00:00:00:01"}, {"name": "lan"}]', ["ext-net", "lan"]),
    ],
)
def test_the_networks_of_a_pod_are_read_in_either_form(annotation: str, networks: list[str]) -> None:
    assert asked_for({"annotations": {"k8s.v1.cni.cncf.io/networks": annotation}}) == networks


def test_a_digest_is_the_contents_own() -> None:
    assert digest("{}") == digest("{}") != digest("{ }")
    assert len(digest("")) == 12


# How it is seen


def test_a_line_of_a_node_is_a_thing_what_is_wrong_and_why_it_was_made() -> None:
    text = f"join.ext-net\teth1 has an address\t{BEFORE}\nplugins\t\t\nnode\t\t{BEFORE}\n"
    assert marks(text) == {
        "join.ext-net": Mark(because=BEFORE, wrong="eth1 has an address"),
        "plugins": Mark(because=""),
        "node": Mark(because=BEFORE),
    }
    assert marks("") == {}


def test_the_records_are_read_by_name_with_a_networks_parent(tmp_path: Path) -> None:
    folder = tmp_path / "because"
    folder.mkdir()
    (folder / "cluster").write_text(f"{BEFORE}\n")
    (folder / "network.ext-net").write_text("\neth7\n")
    (folder / "network.island").write_text(f"{BEFORE}\n\n")
    assert records(tmp_path) == {
        "cluster": Record(because=BEFORE),
        "network.ext-net": Record(because="", parent="eth7"),
        "network.island": Record(because=BEFORE),
    }


def test_a_lab_without_records_has_none(tmp_path: Path) -> None:
    assert records(tmp_path) == {}


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts a tool of that name and code on PATH; there is no other."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))

    def put(name: str, body: str) -> None:
        (folder / name).write_text(f'#!/bin/bash\necho "${{0##*/}} $*" >>"$ASKED"\n{body}\n')
        (folder / name).chmod(0o755)

    return put


Tools = Callable[[str, str], None]


def asked(tmp_path: Path) -> list[str]:
    return (tmp_path / "asked").read_text().splitlines()


def test_a_node_that_runs_is_asked_by_a_script_on_stdin(tmp_path: Path, tools: Tools) -> None:
    tools("podman", f"echo \"$(</dev/stdin)\" >'{tmp_path}/given'; printf 'plugins\\t\\t{BEFORE}\\n'")
    seen = look_at_node(ENGINES["podman"], "lab-worker")
    assert seen == NodeLook(state=State.RUNS, marks={"plugins": Mark(because=BEFORE)})
    assert asked(tmp_path) == ["podman exec --interactive lab-worker sh -s"]
    assert (tmp_path / "given").read_text() == SCRIPT.read_text()


@pytest.mark.parametrize(
    ("engine", "said", "state"),
    [
        ("docker", "Error response from daemon: No such container: lab-worker", State.GONE),
        (
            "podman",
            'Error: no container with name or ID "lab-worker" found: no such container',
            State.GONE,
        ),
        ("docker", "Error response from daemon: container 0a1b2c3d4e5f is not running", State.STOPPED),
        ("docker", "Error response from daemon: container 0a1b is paused, unpause the container", State.STOPPED),
        (
            "podman",
            "Error: can only create exec sessions on running containers: container state improper",
            State.STOPPED,
        ),
    ],
)
def test_what_an_engine_says_of_a_node_that_is_not_there_is_understood(
    tools: Tools, engine: str, said: str, state: State
) -> None:
    tools(engine, f"echo '{said}' >&2; exit 1")
    assert look_at_node(ENGINES[engine], "lab-worker") == NodeLook(state=state)


def test_a_node_is_not_taken_for_gone_when_the_engine_fails(tools: Tools) -> None:
    tools("docker", "printf 'Cannot connect to the Docker daemon\\nIs it running?\\n' >&2; exit 1")
    with pytest.raises(EngineError) as caught:
        look_at_node(ENGINES["docker"], "lab-worker")
    assert str(caught.value) == "docker does not tell how node lab-worker is: Is it running?"


@pytest.mark.usefixtures("tools")
def test_an_engine_that_is_not_there_is_said_to_be_so() -> None:
    with pytest.raises(EngineError, match=r"podman does not tell how node lab-worker is: .*No such file"):
        look_at_node(ENGINES["podman"], "lab-worker")
    with pytest.raises(EngineError, match=r"podman does not tell its networks: .*No such file"):
        networks_of(ENGINES["podman"], "lab")


def test_an_engine_that_says_nothing_is_not_waited_for_without_end(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.engines.TIMEOUT", 0.1)
    tools("podman", "read -rt 5 <> <(:)")
    with pytest.raises(EngineError, match=r"podman does not tell its networks: .* timed out after 0.1 seconds"):
        networks_of(ENGINES["podman"], "lab")


def test_the_networks_are_those_with_the_labs_label(tmp_path: Path, tools: Tools) -> None:
    tools("podman", "printf 'ext-net\\nlan\\n'")
    assert networks_of(ENGINES["podman"], "lab") == {"ext-net", "lan"}
    assert asked(tmp_path) == ["podman network ls --filter label=kalico=lab --format {{.Name}}"]


def test_networks_are_not_taken_for_gone_when_the_engine_fails(tools: Tools) -> None:
    tools("podman", "echo 'Error: broken' >&2; exit 125")
    with pytest.raises(EngineError, match="podman does not tell its networks: Error: broken"):
        networks_of(ENGINES["podman"], "lab")


def test_the_objects_of_a_list_are_known_by_namespace_and_name(tmp_path: Path, tools: Tools) -> None:
    items = [found({"a": "b"}), {"metadata": {"name": "one", "namespace": "team"}}]
    tools("kubectl", f"echo '{json.dumps({'items': items})}'")
    assert objects(Path("/run/kubeconfig"), PODS) == {"default/one": items[0], "team/one": items[1]}
    assert asked(tmp_path) == ["kubectl --kubeconfig /run/kubeconfig --request-timeout 5s get --raw /api/v1/pods"]


def test_what_lies_in_no_namespace_is_known_by_its_name(tools: Tools) -> None:
    tools("kubectl", f"echo '{json.dumps({'items': [annotated()]})}'")
    assert objects(Path("/run/kubeconfig"), NODE_OBJECTS) == {"one": annotated()}


def test_a_kind_that_the_cluster_has_not_yet_has_no_objects(tools: Tools) -> None:
    tools(
        "kubectl",
        "echo 'Error from server (NotFound): the server could not find the requested resource' >&2; exit 1",
    )
    assert objects(Path("/run/kubeconfig"), NADS) == {}


def test_a_cluster_that_does_not_answer_is_not_taken_for_empty(tools: Tools) -> None:
    tools("kubectl", "echo 'The connection to the server was refused' >&2; exit 1")
    assert objects(Path("/run/kubeconfig"), PODS) is None


# The whole look


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(engine=ENGINES["podman"], cluster_name="lab", cache=tmp_path)


@pytest.mark.usefixtures("tools")
def test_a_lab_that_was_never_made_costs_no_question(workspace: Workspace) -> None:
    drift = find_drift(workspace, NODES)
    assert drift.seen is None
    assert datetime.fromisoformat(drift.now).tzinfo is UTC


def test_what_a_state_tells_of_a_machine_without_a_lab_is_made_again() -> None:
    """As after a reinstalled machine: the reason is another than the one in the state, whatever that is."""
    gone = Drift(now="2026-01-01T00:00:00Z")
    assert gone.cluster(NODES) == gone.network("ext-net") == "2026-01-01T00:00:00Z the machine has no lab"
    # What is in the cluster follows it.
    assert [gone.in_nodes("plugins", NODES), gone.nad("ext-net"), gone.pod("default", "samplepod", NODES)] == [""] * 3


def test_a_lab_that_was_made_is_looked_at_whole(
    tmp_path: Path, tools: Tools, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.machine.links", lambda: frozenset({"eth7"}))
    (workspace.run / "because").mkdir(parents=True)
    (workspace.run / "engine").write_text("podman\n")
    (workspace.run / "because/cluster").write_text(f"{BEFORE}\n")
    tools(
        "podman",
        r"""case "$*" in
          "exec --interactive lab-worker "*) printf 'node\t\t\n' ;;
          exec*) echo 'no such container' >&2; exit 125 ;;
          *) echo ext-net ;;
        esac""",
    )
    tools("kubectl", f"""[[ $* = *pods ]] && echo '{json.dumps({"items": [pod()]})}'""")
    seen = find_drift(workspace, NODES).seen
    assert seen == Look(
        nodes={
            "lab-control-plane": NodeLook(state=State.GONE),
            "lab-worker": NodeLook(state=State.RUNS, marks={"node": Mark(because="")}),
        },
        networks=frozenset({"ext-net"}),
        links=frozenset({"eth7"}),
        records={"cluster": Record(because=BEFORE)},
        pods={"default/one": pod()},
        nads=None,
    )
    assert len(asked(tmp_path)) == len(NODES) + 3


def test_the_clusters_nodes_are_asked_for_where_the_lab_annotates_them(
    tmp_path: Path, tools: Tools, workspace: Workspace
) -> None:
    workspace.run.mkdir(parents=True)
    (workspace.run / "engine").write_text("podman\n")
    tools("podman", "")
    tools("kubectl", f"[[ $* = *{NODE_OBJECTS} ]] && echo '{json.dumps({'items': [annotated()]})}'")
    seen = find_drift(workspace, NODES, annotated=True).seen
    assert seen
    assert seen.node_objects == {"one": annotated()}
    assert len(asked(tmp_path)) == len(NODES) + 4


@pytest.mark.usefixtures("tools")
def test_an_engine_that_fails_ends_the_program_with_its_reason(workspace: Workspace) -> None:
    workspace.run.mkdir(parents=True)
    (workspace.run / "engine").write_text("podman\n")
    with pytest.raises(pulumi.RunError, match=r"^podman does not tell how node lab-control-plane is: "):
        _ = find_drift(workspace, NODES).seen


def test_each_reason_has_the_time_of_the_look(tools: Tools, workspace: Workspace) -> None:
    workspace.run.mkdir(parents=True)
    (workspace.run / "engine").write_text("podman\n")
    (workspace.run / "because").mkdir()
    (workspace.run / "because/node.lab-control-plane").touch()
    tools("podman", '[[ $1 = network ]] || { echo "no such container" >&2; exit 125; }')
    tools("kubectl", "exit 1")
    seen = find_drift(workspace, NODES)
    assert seen.now
    assert seen.cluster(NODES) == f"{seen.now} there is no node lab-control-plane"
