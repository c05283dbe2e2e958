"""The root file system of a kind node, from Debian packages, kind's own files and Kubernetes' programs."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from supply.images import debian
from supply.images.archive import Image
from supply.images.table import BUILT_LABEL, KUBERNETES, Sources

PACKAGES = (
    "ca-certificates", "conntrack", "containerd", "curl", "ethtool", "iproute2", "ipset", "iptables", "jq", "kmod",
    "libseccomp2", "mount", "nftables", "procps", "runc", "socat", "systemd", "systemd-sysv", "util-linux",
)  # fmt: skip
ENTRYPOINT = (
    "/usr/local/bin/entrypoint",
    "/sbin/init",
    "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1",  # this systemd refuses cgroup v1 otherwise; says nothing on v2
)
ENVIRONMENT = {"container": "docker"}  # systemd asks for it: https://systemd.io/CONTAINER_INTERFACE/

LAYERS = "/usr/lib/kalico-layers"  # where the unpacked layers of the preloaded images are

# kind's own image ships these four; containerd needs loopback for every pod
CNI_PLUGINS = ("host-local", "loopback", "portmap", "ptp")

# Units of a machine that a node is not (kind removes the same), and what only costs space.
UNWANTED = (
    "usr/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service",
    "usr/lib/systemd/system/multi-user.target.wants/*",
    "etc/systemd/system/*.wants/*",
    "usr/lib/systemd/system/local-fs.target.wants/*",
    "usr/lib/systemd/system/sockets.target.wants/*udev*",
    "usr/lib/systemd/system/sockets.target.wants/*initctl*",
    "usr/lib/systemd/system/basic.target.wants/*",
    "var/cache/*",
    "var/lib/apt/lists/*",
    "var/log/*",
    # containerd's shims of old
    "usr/bin/containerd-shim",
    "usr/bin/containerd-shim-runc-v1",
)

# kind's class without its provisioner, which is not among the images
STORAGE = """\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: standard
  annotations:
    storageclass.kubernetes.io/is-default-class: "true"
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
"""

# Raising a limit or lowering an OOM score takes CAP_SYS_RESOURCE, which a machine may not have. A unit that asks
# for it does not start there; elsewhere a lab's node can do without.
_NEEDS_SYS_RESOURCE = re.compile(r"^(OOMScoreAdjust|Limit\w+)=.*\n", re.MULTILINE)


def relaxed_unit(unit: str) -> str:
    """The unit without what takes CAP_SYS_RESOURCE."""
    return _NEEDS_SYS_RESOURCE.sub("", unit)


def containerd_config(kinds: str) -> str:
    """kind's containerd configuration, with OOM scores left alone and CNI in Kubernetes' place instead of Debian's."""
    changed = kinds.replace("restrict_oom_score_adj = false", "restrict_oom_score_adj = true")
    if changed == kinds:
        raise ValueError("kind's containerd configuration has no restrict_oom_score_adj = false to change")
    return (
        changed.rstrip("\n")
        + '\n\n[plugins."io.containerd.grpc.v1.cri".cni]\n  bin_dir = "/opt/cni/bin"\n  conf_dir = "/etc/cni/net.d"\n'
    )


def base_spec(default: str) -> str:
    """containerd's default OCI spec (JSON) with kind's hook and without limits, as kind's own image has it."""
    spec = json.loads(default)
    spec.setdefault("hooks", {})["createContainer"] = [{"path": "/kind/bin/mount-product-files.sh"}]
    spec["process"].pop("rlimits", None)
    return json.dumps(spec)


def furnish(root: Path, sources: Sources) -> None:
    """Turns the Debian root file system `root` into a kind node without images. `sources` as in the table."""
    _kind_files(root, sources["kind_module"] / "images/base/files")
    for pattern in UNWANTED:
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for program in ("kubeadm", "kubectl", "kubelet"):
        _install(sources["k8s"] / program, root / "usr/bin" / program)
    for plugin in CNI_PLUGINS:
        _install(sources["cni"] / plugin, root / "opt/cni/bin" / plugin)
    for program in ("containerd", "containerd-shim-runc-v2", "ctr"):
        (root / "usr/local/bin" / program).symlink_to(f"/usr/bin/{program}")
    (root / "etc/kubernetes/manifests").mkdir(parents=True, exist_ok=True)
    _write(root / "kind/version", KUBERNETES)
    _write(root / "kind/manifests/default-storage.yaml", STORAGE)
    with (root / "etc/systemd/journald.conf").open("a") as journald:
        journald.write("[Journal]\nReadKMsg=no\n")  # the machine's kernel log would confuse
    config = root / "etc/containerd/config.toml"
    _write(config, containerd_config(config.read_text()))
    for unit in ("containerd.service", "kubelet.service"):
        path = root / "etc/systemd/system" / unit
        _write(path, relaxed_unit(path.read_text()))
    _write(root / "etc/containerd/cri-base.json", base_spec(debian.run(["chroot", root, "ctr", "oci", "spec"])))
    debian.run(["chroot", root, "systemctl", "enable", "kubelet", "containerd", "undo-mount-hacks"])
    debian.run(["chroot", root, "systemctl", "mask", "systemd-binfmt"])  # would act on the machine's kernel


def _kind_files(root: Path, files: Path) -> None:
    for source in sorted(path for path in files.rglob("*") if path.is_file()):
        place = source.relative_to(files)
        script = place.parts[:2] == ("kind", "bin") or place.parts[:3] == ("usr", "local", "bin")
        _install(source, root / place, mode=0o755 if script else 0o644)


def _install(source: Path, target: Path, *, mode: int = 0o755) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


IMAGE = Image(
    name=f"localhost/kalico-node:{KUBERNETES}",
    layers=("root",),
    entrypoint=ENTRYPOINT,
    environment=ENVIRONMENT,
    stop_signal="SIGRTMIN+3",  # systemd's for "shut down"
    labels={BUILT_LABEL: f"here, Debian {debian.SUITE} with kind's files and Kubernetes {KUBERNETES}"},
)
