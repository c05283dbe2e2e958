"""The whole program, run once for all tests here, on small stand-ins for the upstream files."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

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
    "networks-ext-net": "parent kalico-bridge",
    "networks-ext-net-join": "kalico-worker eth1 9a:00:00:00:00:01",
    "cni-plugins-nodes": "kalico-worker CNI macvlan plugin v1.8.0",
    "calico-authority": "",
    "calico-look": "",
    "pods-attachable": "",
    "readiness-report": "kubernetes v1.32.2\ncalico v3.29.2-live",
}


def nothing(name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    return {}


def pod_as_it_runs(name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    annotations = {
        "k8s.v1.cni.cncf.io/networks": "ext-net",
        "k8s.v1.cni.cncf.io/network-status": json.dumps(STATUS),
    }
    return {"metadata": {"name": "samplepod", "annotations": annotations}, "spec": {"nodeName": "kalico-worker"}}


def node_as_it_runs(name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    labels = {"node-role.kubernetes.io/control-plane": ""} if name.endswith("control-plane") else {}
    address = "10.89.0.2" if labels else "10.89.0.3"
    return {
        "metadata": {"name": name.removeprefix("readiness-"), "labels": labels},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": "a-name"}],
            "nodeInfo": {"kubeletVersion": "v1.32.2"},
        },
    }


ANSWERS: Answers = {
    "kalico:lab:*": nothing,
    "command:local:Command": lambda name, inputs: {"stdout": STDOUT[name]},
    "pulumi:providers:kubernetes": nothing,
    "kubernetes:core/v1:Pod": pod_as_it_runs,
    "kubernetes:core/v1:Node": node_as_it_runs,
    "kubernetes:core/v1:Namespace": nothing,
    "kubernetes:core/v1:ServiceAccount": nothing,
    "kubernetes:apps/v1:Deployment": nothing,
    "kubernetes:apps/v1:DaemonSet": nothing,
    "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition": nothing,
    "kubernetes:operator.tigera.io/v1:Installation": nothing,
    "kubernetes:k8s.cni.cncf.io/v1:NetworkAttachmentDefinition": nothing,
}

ARCHIVE = b"an archive of plugins"


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
    """Runs `__main__.py` with changes of the config, as if the lab ran on podman: no engine is asked then."""
    site = tmp_path_factory.mktemp("site") / "site.yaml"
    site.write_text(yaml.safe_dump(upstream_files))

    def run(preview: bool = False, answers: Answers = ANSWERS, **changes: Any) -> Run:
        values = {key: entry["default"] for key, entry in DECLARED.items()} | {"engine": "podman"} | changes
        text = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
        record = cache / "run" / str(values["clusterName"]) / "engine"
        if values["engine"] != "auto":
            record.parent.mkdir(parents=True, exist_ok=True)
            record.write_text(str(values["engine"]))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KALICO_SITE", str(site))
            patch.setenv("KALICO_CACHE", str(cache))
            # Nothing here may start a program: there is none.
            patch.setenv("PATH", os.devnull)
            try:
                return run_program(ROOT / "__main__.py", answers, config=text, preview=preview)
            finally:
                record.unlink(missing_ok=True)

    return run


@pytest.fixture(scope="session")
def program(run_lab: RunLab) -> Run:
    """An update of the default lab."""
    done = run_lab()
    assert done.error is None, done.error
    return done


@pytest.fixture(scope="session")
def preview(run_lab: RunLab) -> Run:
    """The first preview of the default lab: nothing of it is there yet."""
    done = run_lab(preview=True)
    assert done.error is None, done.error
    return done
