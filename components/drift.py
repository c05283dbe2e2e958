"""What happened to the lab behind Pulumi's back: asked of the engine and the cluster, once, before anything is planned.

Pulumi compares a program with its own state, and neither knows that somebody ran `kind delete cluster`. So whatever
the lab makes keeps the reason for which it was made, '' at first: in `/run/kalico` of a node (gone with its restart),
in the lab's folder of live files, or in an annotation. Where a thing is not as it was left, its reason becomes
another, which is a changed input like any other: the preview shows it, and `up` makes the thing again.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pulumi

from components import machine
from components.annotations import (
    ASKED,
    BECAUSE,
    CONTENT,
    NAMESPACE,
    NETWORKS,
    NODE_ADDRESS,
    annotations_of,
    asked_for,
    digest,
    given,
)
from components.engines import LAB_LABEL, Engine, EngineError, last_line, put
from components.node_look import NodeLook, State, look_at_node
from components.records import Record, records
from components.workspace import Workspace

PODS = "/api/v1/pods"
NODES = "/api/v1/nodes"
NADS = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions"


@dataclass(frozen=True, kw_only=True)
class Look:
    """All that was seen."""

    nodes: Mapping[str, NodeLook]
    networks: frozenset[str]
    """Those of the lab that the engine has."""
    links: frozenset[str]
    records: Mapping[str, Record]
    pods: Mapping[str, Mapping[str, Any]] | None
    """By NAMESPACE/NAME; None where the cluster does not answer."""
    nads: Mapping[str, Mapping[str, Any]] | None
    node_objects: Mapping[str, Mapping[str, Any]] | None = None
    """By name; asked for where the lab annotates them."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """The reason for which each thing is made, given what was seen; without a look, the first."""

    look: Look | None = None
    now: str = ""
    coming: Callable[[], Look] | None = None
    """In the place of `look`: gives it once all is seen."""

    @cached_property
    def seen(self) -> Look | None:
        return self.coming() if self.coming else self.look

    def cluster(self, nodes: Sequence[str]) -> str:
        if self.seen is None:
            return self._first()
        gone = [node for node in nodes if self.seen.nodes[node].state is State.GONE and not self._is_new(node)]
        return self._because(f"there is no node {gone[0]}" if gone else "", self.seen.records.get("cluster"))

    def worker(self, node: str) -> str:
        """Without a record it has not joined, or its removal has begun. If it is gone, `cluster` has a new reason."""
        if self.seen is None:
            return ""
        record = self.seen.records.get(f"node.{node}")
        return self._because("" if record else f"node {node} has not joined", record)

    def network(self, name: str) -> str:
        if self.seen is None:
            return self._first()
        record = self.seen.records.get(f"network.{name}")
        wrong = ""
        if name not in self.seen.networks:
            wrong = "the engine has no such network"
        elif record and record.parent and record.parent not in self.seen.links:
            wrong = f"its parent {record.parent} is gone"
        return self._because(wrong, record)

    def in_nodes(self, thing: str, nodes: Sequence[str], kind: str = "node") -> str:
        """Of a `thing` that is made in all of `nodes` together. `kind`: what these containers are, such as `peer`."""
        if self.seen is None:
            return ""
        marks = []
        for node in nodes:
            if kind == "node" and self._is_new(node):
                continue
            seen = self.seen.nodes.get(node)
            if seen is None or seen.state is not State.RUNS:
                return self._because(f"{kind} {node} does not run", None)
            mark = seen.marks.get(thing)
            if mark is None:
                return self._because(f"{kind} {node} was started without {thing}", None)
            if mark.wrong:
                return self._because(f"{kind} {node}: {mark.wrong}", None)
            marks.append(mark)
        if len({mark.because for mark in marks}) > 1:
            return self._because(f"some of the nodes have another {thing}", None)
        return marks[0].because if marks else ""

    def annotations(self, nodes: Sequence[str]) -> str:
        """Of the annotations of several nodes, which are made at once."""
        if self.seen is None:
            return ""
        if self.seen.node_objects is None:
            return self._because("the cluster does not tell its nodes", None)
        made = []
        for node in nodes:
            if self._is_new(node):
                continue
            found = self.seen.node_objects.get(node)
            wrong = annotation_wrong(found) if found else "is none of the cluster"
            if found is None or wrong:
                return self._because(f"node {node} {wrong}", None)
            made.append(annotations_of(found["metadata"]).get(BECAUSE, ""))
        if len(set(made)) > 1:
            return self._because("some of the nodes were annotated later", None)
        return made[0] if made else ""

    def nad(self, name: str) -> str | None:
        """None where nobody answers; it then stays as it is."""
        if self.seen is None:
            return ""
        return None if self.seen.nads is None else self._object(self.seen.nads.get(f"{NAMESPACE}/{name}"), nad_wrong)

    def pod(self, namespace: str, name: str, nodes: Sequence[str]) -> str | None:
        """None where nobody answers; it then stays as it is. `nodes`: that the lab is to have."""
        if self.seen is None:
            return ""
        wrong = partial(pod_wrong, nodes=nodes, told=self._told_of_leases())
        return None if self.seen.pods is None else self._object(self.seen.pods.get(f"{namespace}/{name}"), wrong)

    @property
    def live_pods(self) -> Mapping[str, Mapping[str, Any]]:
        """The pods as they were seen, by NAMESPACE/NAME."""
        return (self.seen and self.seen.pods) or {}

    def _told_of_leases(self) -> dict[str, str]:
        """By node, what its DHCP daemon says of leases that it could not take up again."""
        nodes = self.seen.nodes if self.seen else {}
        return {node: look.marks["dhcp"].wrong for node, look in nodes.items() if "dhcp" in look.marks}

    def _is_new(self, node: str) -> bool:
        """Whether a node is yet to be made: nobody has removed it."""
        seen = self.seen.nodes.get(node) if self.seen else None
        return bool(self.seen and seen and seen.state is State.GONE and f"node.{node}" not in self.seen.records)

    def _first(self) -> str:
        """Of what stands by itself. A state that knows of it although the machine does not is then out of date."""
        return self._because("the machine has no lab" if self.now else "", None)

    def self_test(self) -> str:
        """The record is there when the last one passed."""
        if self.seen is None:
            return ""
        record = self.seen.records.get("self-test")
        return self._because("" if record else "the last one did not pass", record)

    def _object(self, found: Mapping[str, Any] | None, wrong: Callable[[Mapping[str, Any]], str]) -> str:
        if found is None:
            return self._because("there is none", None)
        return self._because(wrong(found), Record(because=annotations_of(found["metadata"]).get(BECAUSE, "")))

    def _because(self, wrong: str, recorded: Record | None) -> str:
        if wrong:
            return f"{self.now} {wrong}"
        return recorded.because if recorded else ""


def nad_wrong(nad: Mapping[str, Any]) -> str:
    """What is not as the lab made it; '' where all is."""
    made = annotations_of(nad["metadata"]).get(CONTENT, "")
    return "" if made == digest(nad.get("spec", {}).get("config", "")) else "it was edited"


def annotation_wrong(node: Mapping[str, Any]) -> str:
    """What is not as the lab annotated a node; '' where all is."""
    annotations = annotations_of(node["metadata"])
    if NODE_ADDRESS not in annotations:
        return f"has no {NODE_ADDRESS}"
    edited = annotations.get(CONTENT) != digest(annotations[NODE_ADDRESS])
    return f"has another {NODE_ADDRESS}" if edited else ""


def pod_wrong(pod: Mapping[str, Any], nodes: Sequence[str], told: Mapping[str, str] | None = None) -> str:
    """What is not as the lab made it; '' where all is. `told`: by node, of lost leases (see kalico-dhcp-leases.sh)."""
    node = pod.get("spec", {}).get("nodeName")
    if node and node not in nodes:
        return f"its node {node} goes"
    phase = pod.get("status", {}).get("phase", "")
    if "deletionTimestamp" in pod["metadata"]:
        return "it is being deleted"
    if phase in ("Failed", "Succeeded"):
        return f"it has {phase.lower()}"
    annotations = annotations_of(pod["metadata"])
    asked = digest(annotations.get(NETWORKS, ""))
    if annotations.get(ASKED, asked) != asked:  # (A pod of an older checkout has none.)
        return f"its {NETWORKS} was edited"
    wanted = asked_for(pod["metadata"])
    got = given(pod["metadata"])
    if (missing := len(wanted) - len(got)) > 0:
        return f"it lacks {missing} of {len(wanted)} interfaces"
    lost = [ip for each in got for ip in each.get("ips", ()) if f" has {ip}/" in (told or {}).get(node, "")]
    return f"its lease of {lost[0]} is lost" if lost else ""


def find_drift(workspace: Workspace, nodes: Sequence[str], *, annotated: bool = False) -> Drift:
    """Look at the lab, if it was made before. An engine that does not answer ends the program before any resource.

    `annotated`: whether the lab annotates nodes, which are then looked at, too.
    """
    now = stamp()
    if not (workspace.run / "engine").exists():
        return Drift(now=now)
    # It goes on while the program makes its resources, which takes as long.
    looked = ThreadPoolExecutor(max_workers=1).submit(look, workspace, nodes, annotated=annotated)

    def coming() -> Look:
        try:
            return looked.result()
        except EngineError as error:
            raise pulumi.RunError(str(error)) from None

    return Drift(now=now, coming=coming)


def stamp() -> str:
    """The time of a reason, which makes it another than every one before."""
    return datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def look(workspace: Workspace, nodes: Sequence[str], *, annotated: bool = False) -> Look:
    """One question to each node, one to the engine, two to the cluster (three if `annotated`), all at once."""
    engine, kubeconfig = workspace.engine, workspace.kubeconfig
    with ThreadPoolExecutor(max_workers=len(nodes) + 4) as pool:
        seen = [pool.submit(look_at_node, engine, node) for node in nodes]
        networks = pool.submit(networks_of, engine, workspace.cluster_name)
        pods, nads = (pool.submit(objects, kubeconfig, path) for path in (PODS, NADS))
        node_objects = pool.submit(objects, kubeconfig, NODES) if annotated else None
        return Look(
            nodes={node: each.result() for node, each in zip(nodes, seen, strict=True)},
            networks=networks.result(),
            links=machine.links(),
            records=records(workspace.run),
            pods=pods.result(),
            nads=nads.result(),
            node_objects=node_objects.result() if node_objects else None,
        )


def networks_of(engine: Engine, cluster: str) -> frozenset[str]:
    words = [engine.name, "network", "ls", "--filter", f"label={LAB_LABEL}={cluster}", "--format", "{{.Name}}"]
    asked = put(words, f"{engine.name} does not tell its networks")
    if asked.returncode:
        raise EngineError(f"{engine.name} does not tell its networks: {last_line(asked.stderr)}")
    return frozenset(asked.stdout.split())


def objects(kubeconfig: Path, path: str) -> dict[str, Mapping[str, Any]] | None:
    """What the API server lists at `path`, by NAMESPACE/NAME, or by NAME what lies in none.

    (A plain `kubectl get` asks for all kinds first.)
    """
    words = ["kubectl", "--kubeconfig", str(kubeconfig), "--request-timeout", "5s", "get", "--raw", path]
    asked = put(words, "kubectl cannot be run")
    if asked.returncode:
        # Without Multus's CRD there is no such list, and nothing in it.
        return {} if "NotFound" in asked.stderr else None
    items = json.loads(asked.stdout)["items"]
    return {"/".join(filter(None, map(each["metadata"].get, ("namespace", "name")))): each for each in items}
