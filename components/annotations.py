"""What stands in the annotations of the lab's objects: the lab's own notes, and what Multus reads and writes."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

NAMESPACE = "default"
"""Of the NADs, and of pods that name none."""

BECAUSE = "kalico/because"
"""The reason for which an object was made (see `drift`)."""
CONTENT = "kalico/content"
"""The digest of a NAD's config, of a pod's spec or of a node's NODE_ADDRESS, as it was made."""
ASKED = "kalico/asked"
"""The digest of a pod's NETWORKS, as it was made with it."""
NODE_ADDRESS = "k8s.ovn.org/node-primary-ifaddr"
"""Of a node: its address with prefix length, as OVN-Kubernetes tells it: {"ipv4":"10.23.10.10/16"}."""
NETWORKS = "k8s.v1.cni.cncf.io/networks"
"""The networks that a pod asks Multus for."""
NETWORK_STATUS = "k8s.v1.cni.cncf.io/network-status"
"""The interfaces that Multus gave it."""


def annotations_of(metadata: Mapping[str, Any]) -> Mapping[str, str]:
    given: Mapping[str, str] = metadata.get("annotations") or {}
    return given


def asked_for(metadata: Mapping[str, Any]) -> list[str]:
    """The networks that a pod asks for, in either form of the annotation; what is none of them is left out."""
    said = annotations_of(metadata).get(NETWORKS, "")
    if said.lstrip().startswith("["):
        return [each["name"] for each in _mappings(said) if isinstance(each.get("name"), str)]
    return [network for network in said.split(",") if network]


def given(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The interfaces that a pod got besides eth0, as Multus tells them; each with its name and its interface."""
    told = _mappings(annotations_of(metadata).get(NETWORK_STATUS, ""))
    named = [each for each in told if all(isinstance(each.get(key), str) for key in ("name", "interface"))]
    return [each for each in named if not each.get("default")]


def _mappings(text: str) -> list[dict[str, Any]]:
    """Those in a list of JSON. Anybody may have edited it: of anything else there are none."""
    try:
        read = json.loads(text)
    except ValueError:
        return []
    return [each for each in read if isinstance(each, dict)] if isinstance(read, list) else []


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
