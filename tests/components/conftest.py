"""The whole program, run once for most tests here, on stand-ins for upstream's files, the machine and the tools."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.drift import NADS, NODES, PODS
from components.settings import MachineFacts
from components.settings.machine import FEATURES
from tests.lab_config import DECLARED, ROOT
from tests.recorder import Answers, Run, run_program

OPERATOR = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: tigera-operator, namespace: tigera-operator}
spec: {replicas: 1}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: installations.operator.tigera.io}
spec: {description: long, properties: {description: {type: string, description: longer}}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ippools.crd.projectcalico.org}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: tiers.crd.projectcalico.org}
---
apiVersion: v1
kind: Namespace
metadata: {name: tigera-operator}
---
"""

MULTUS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: network-attachment-definitions.k8s.cni.cncf.io}
spec: {group: k8s.cni.cncf.io}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: multus, namespace: kube-system}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: kube-multus-ds, namespace: kube-system}
spec:
  template:
    spec:
      containers:
        - {name: kube-multus, image: "multus:snapshot", resources: {limits: {memory: 50Mi}}}
      initContainers:
        - {name: install, image: "multus:snapshot"}
"""

STATUS = [
    {"name": "k8s-pod-network", "ips": ["10.24.164.132"], "default": True, "dns": {}},
    {"name": "default/ext-net", "interface": "net1", "ips": ["10.23.0.101"], "mac": "06:d3:55:b9:0f:9c", "dns": {}},
]

STDOUT = {
    "cluster-kind": "the-clusters-uid",
    "cluster-running": "kalico-control-plane control-plane 10.89.0.2 v1.32.2",
    "workers-kalico-worker": "",
    "workers-kalico-worker2": "",
    "workers-kalico-worker-running": "kalico-worker worker 10.89.0.3 v1.32.2",
    "workers-kalico-worker2-running": "kalico-worker2 worker 10.89.0.4 v1.32.2",
    "networks-ext-net": "parent kalico-bridge",
    "joins-ext-net-kalico-worker": "kalico-worker eth1 9a:00:00:00:00:01",
    "cni-plugins-kalico-control-plane": "kalico-control-plane CNI macvlan plugin v1.8.0",
    "cni-plugins-kalico-worker": "kalico-worker CNI macvlan plugin v1.8.0",
    "cni-plugins-kalico-worker2": "kalico-worker2 CNI macvlan plugin v1.8.0",
    "calico-authority": "",
    "calico-look": "",
    "multus-conf": "",
    "pods-attachable": "",
    "readiness-report": "kubernetes v1.32.2\ncalico v3.29.2-live",
    "self-test-checks": '{"passed": 1, "failed": 0, "checks": []}',
    "self-test-plan": "",
}


STAMP = "2026-01-01T00:00:00Z"
NEW = f"{STAMP} the machine has no lab"
"""Why what stands by itself is made in a first `up`."""


def nothing(name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    return {}


def pod_as_it_runs(name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    status = {"k8s.v1.cni.cncf.io/network-status": json.dumps(STATUS)}
    metadata = inputs["metadata"]
    return {
        "metadata": metadata | {"uid": f"uid-of-{name}", "annotations": metadata["annotations"] | status},
        "spec": inputs["spec"] | {"nodeName": "kalico-worker"},
    }


ANSWERS: Answers = {
    "kalico:lab:*": nothing,
    "command:local:Command": lambda name, inputs: {"stdout": STDOUT[name]},
    "pulumi:providers:kubernetes": nothing,
    "kubernetes:core/v1:Pod": pod_as_it_runs,
    "kubernetes:core/v1:Namespace": nothing,
    "kubernetes:core/v1:ServiceAccount": nothing,
    "kubernetes:apps/v1:Deployment": nothing,
    "kubernetes:apps/v1:DaemonSet": nothing,
    "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition": nothing,
    "kubernetes:operator.tigera.io/v1:Installation": nothing,
    "kubernetes:admissionregistration.k8s.io/v1alpha1:*": nothing,
    "kubernetes:k8s.cni.cncf.io/v1:NetworkAttachmentDefinition": nothing,
}

ARCHIVE = b"an archive of plugins"

FACTS = MachineFacts(
    links={"lo": 65536, "eth0": 1500, "eth7": 1500, "kalico-bridge": 1500},
    default_link="eth0",
    routes=(),
    engine="podman",
    makes_vlans=False,
    addresses_nodes=False,
    engine_networks=(),
    features=frozenset(FEATURES),
)
"""Of a machine that is in no lab's way."""

ENGINE = """\
#!/bin/bash
# An engine's client that tells what a test laid into $STAND_INS. A question that nobody foresaw fails.
case "$1 $2" in
  "info --format") echo "it has root" ;;
  "network ls") echo "$(<"$STAND_INS/networks")" ;;
  "exec --interactive")
    if [ ! -e "$STAND_INS/nodes/$3" ]; then
      echo "Error: no such container $3" >&2
      exit 125
    fi
    marks=$(<"$STAND_INS/nodes/$3")
    if [ "$marks" = stopped ]; then
      echo "Error: container $3 is not running" >&2
      exit 1
    fi
    [ -z "$marks" ] || echo "$marks"
    ;;
  *)
    echo "unforeseen: ${0##*/} $*" >&2
    exit 97
    ;;
esac
"""

KUBECTL = """\
#!/bin/bash
# The API server's lists that a test laid into $STAND_INS; without them it does not answer.
path=${!#}
if ! [ -e "$STAND_INS/api${path//\\//.}" ]; then
  echo "Unable to connect to the server" >&2
  exit 1
fi
echo "$(<"$STAND_INS/api${path//\\//.}")"
"""

TOOLS = {"podman": ENGINE, "docker": ENGINE, "kubectl": KUBECTL}


@dataclass(frozen=True, kw_only=True)
class Left:
    """What an earlier `up` left, as the lab's folder, the engine, the nodes and the cluster tell it now."""

    records: dict[str, str]
    """The files in RUN/because by name."""
    networks: tuple[str, ...]
    nodes: dict[str, dict[str, str] | None]
    """By node, its marks: a thing, then what is wrong with it and the reason, by a tab. None: it does not run."""
    pods: tuple[Mapping[str, Any], ...] | None
    """None: the cluster does not answer."""
    nads: tuple[Mapping[str, Any], ...] | None
    node_objects: tuple[Mapping[str, Any], ...] | None = None

    def lay(self, run: Path, stand_ins: Path) -> None:
        """Write it to where the program, and the tools that it asks, find it."""
        (run / "because").mkdir(parents=True)
        for name, text in self.records.items():
            (run / "because" / name).write_text(text)
        (stand_ins / "nodes").mkdir()
        (stand_ins / "networks").write_text("\n".join(self.networks))
        for node, marks in self.nodes.items():
            lines = ["stopped"] if marks is None else [f"{thing}\t{said}" for thing, said in marks.items()]
            (stand_ins / "nodes" / node).write_text("\n".join(lines))
        for path, objects in ((PODS, self.pods), (NADS, self.nads), (NODES, self.node_objects)):
            if objects is not None:
                (stand_ins / f"api{path.replace('/', '.')}").write_text(json.dumps({"items": objects}))


def objects_of(run: Run, kind: str) -> tuple[dict[str, Any], ...]:
    """The objects of a kind as the API server would list them after `run`."""
    found = [(each.name, each.inputs) for each in run if each.inputs.get("kind") == kind]
    return tuple(inputs | (pod_as_it_runs(name, inputs) if kind == "Pod" else {}) for name, inputs in found)


@pytest.fixture(scope="session")
def left(program: Run) -> Left:
    """The default lab, as its first `up` left it."""
    everywhere = dict.fromkeys(("node", "plugins", "multus"), "\t")
    return Left(
        records={
            "cluster": f"{NEW}\n",
            "node.kalico-control-plane": "",
            "node.kalico-worker": "",
            "self-test": "\n",
            "network.ext-net": f"{NEW}\nkalico-bridge\n10.23.0.0/16\n",
        },
        networks=("ext-net",),
        nodes={"kalico-control-plane": everywhere, "kalico-worker": everywhere | {"join.ext-net": "\t"}},
        pods=objects_of(program, "Pod"),
        nads=objects_of(program, "NetworkAttachmentDefinition"),
    )


@pytest.fixture(scope="session")
def upstream_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """A site's config that names small files in place of those upstream."""
    folder = tmp_path_factory.mktemp("upstream")

    def source(name: str, content: bytes) -> dict[str, str]:
        (folder / name).write_bytes(content)
        return {"source": str(folder / name), "sha256": hashlib.sha256(content).hexdigest()}

    return {
        "calicoManifest": source("operator.yaml", OPERATOR.encode()),
        "multusManifest": source("multus.yaml", MULTUS.encode()),
        "cniPluginsArchive": source("plugins.tgz", ARCHIVE),
    }


RunLab = Callable[..., Run]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def run_lab(tmp_path_factory: pytest.TempPathFactory, cache: Path, upstream_files: dict[str, Any]) -> RunLab:
    """Runs `__main__.py` with changes of the config: for a lab that is new, or for one that was `left` so."""
    site = tmp_path_factory.mktemp("site") / "site.yaml"
    site.write_text(yaml.safe_dump(upstream_files))

    def run(
        preview: bool = False,
        answers: Answers = ANSWERS,
        left: Left | None = None,
        tools: Mapping[str, str] = TOOLS,
        **changes: Any,
    ) -> Run:
        values = {key: entry["default"] for key, entry in DECLARED.items()} | {"engine": "podman"} | changes
        text = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
        stand_ins = tmp_path_factory.mktemp("stand-ins")
        for name, script in tools.items():
            (stand_ins / name).write_text(script)
            (stand_ins / name).chmod(0o755)
        live_files = cache / "run" / str(values["clusterName"])
        if left:
            left.lay(live_files, stand_ins)
            (live_files / "engine").write_text(f"{values['engine']}\n")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KALICO_SITE", str(site))
            patch.setenv("KALICO_CACHE", str(cache))
            # Nothing here may start any other program.
            patch.setenv("PATH", str(stand_ins))
            patch.setenv("STAND_INS", str(stand_ins))
            patch.setattr("components.drift.stamp", lambda: STAMP)
            patch.setattr("components.machine.facts", lambda engine: FACTS)
            patch.setattr("components.machine.links", lambda: frozenset(FACTS.links))
            patch.setattr("components.machine.makes_links", lambda: True)
            patch.setattr("components.machine.features", lambda: FACTS.features)
            try:
                return run_program(ROOT / "__main__.py", answers, config=text, preview=preview)
            finally:
                shutil.rmtree(live_files, ignore_errors=True)

    return run


@pytest.fixture(scope="session")
def program(run_lab: RunLab) -> Run:
    """An update of the default lab, its first."""
    done = run_lab()
    assert done.error is None, done.error
    return done


@pytest.fixture(scope="session")
def preview(run_lab: RunLab) -> Run:
    """The first preview of the default lab: nothing of it is there yet."""
    done = run_lab(preview=True)
    assert done.error is None, done.error
    return done
