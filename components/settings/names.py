"""What Kubernetes, kind, the engines and the kernel take as a name, and what kind calls the nodes."""

import re
from collections.abc import Sequence

from components.settings.faults import shown

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""RFC 1123 label: what Kubernetes takes as the name of a pod's host, a namespace or a NAD. Engines take it too."""

LABELS_RULE = "use lower case letters, digits and - (not at an end), at most 63"

LONGEST_CLUSTER_NAME = 63 - len("-control-plane")
"""kind names each node CLUSTER-ROLE, and that is the node's host name."""

INTERFACE = re.compile(r"(?!\.{1,2}$)[!-.0-9;-~]{1,15}")
"""What the kernel takes as the name of an interface: no blank, no / and no :, neither . nor .. alone."""

FEATURE_GATE = re.compile(r"[A-Z][A-Za-z0-9]*")

_DOMAIN = r"[A-Za-z0-9]+(?:[.-]+[A-Za-z0-9]+)*(?::[0-9]{1,5})?"
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_DIGEST = r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
IMAGE = re.compile(rf"(?=[^@]{{1,255}}(?:@|$))(?:{_DOMAIN}/)?{_PART}(?:/{_PART})*(?::{_TAG})?(?:@(?:{_DIGEST}))?")
"""A reference such as ghcr.io/owner/image:tag@sha256:..., by the grammar of registries."""

IMAGES_RULE = "write it as registry/path:tag, tag and registry optional, @sha256:digest after it if you pin it"

ENGINES_OWN = ("bridge", "default", "host", "none", "podman")
"""Networks that an engine has by itself."""

RUN_FOLDERS_OWN = ("docker", "engine")
"""What lies beside the clusters' folders of live files."""

NAMESPACES_OWN = re.compile(r"kube-.*|calico-system|calico-apiserver|tigera-operator|local-path-storage")
"""Namespaces that others make in this cluster; `kube-` is kept for Kubernetes itself."""


def worker_names(cluster_name: str, workers: int) -> tuple[str, ...]:
    """The workers' names as kind gives them: kalico-worker, kalico-worker2, ..."""
    return tuple(f"{cluster_name}-worker{i if i > 1 else ''}" for i in range(1, workers + 1))


def short_name(worker: str) -> str:
    """`worker2` of kalico-worker2."""
    return worker.rsplit("-", 1)[-1]


def no_worker(given: str, workers: Sequence[str]) -> tuple[str, str]:
    """What is wrong with a name that no worker has, and what would be right."""
    return f"there is no worker {shown(given)}", f"known are: {', '.join(map(short_name, workers))}"


def worker_called(given: str, workers: Sequence[str]) -> str | None:
    """The worker of that full or short name; None where there is none."""
    return next((worker for worker in workers if given in (worker, short_name(worker))), None)
