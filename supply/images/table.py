"""Every image that the node carries, and what each is made of: one row of IMAGES per image, one of LAYERS per layer.

Sources are written GROUP/PATH, where GROUP is a folder handed to `build`: `k8s`, `etcd`, `coredns`, `calico`,
`operator`, `multus`, `whereabouts`, `cni` (built programs), `calico_module` (the module's own files), `debian`
(unpacked Debian packages). Programs go under usr/, which bin, sbin and lib are links to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from supply.images import debian
from supply.images.archive import Entry, Image, tree

KUBERNETES = "v1.32.2"
CALICO = "v3.29.2"
CALICO_SOURCE = "v3.29.0-6-gb559a70"
OPERATOR = "v1.36.5"
MULTUS = "v4.2.3"
WHEREABOUTS = "v0.8.0"

Sources = Mapping[str, Path]

PATH = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
BUILT_LABEL = "kalico.built"  # what was built here from what, for whoever asks where the image comes from


def _program(sources: Sources, source: str, to: str) -> Entry:
    group, _, name = source.partition("/")
    return Entry(path=to, source=sources[group] / name)


@dataclass(frozen=True, kw_only=True)
class Programs:
    """A layer of built programs, and a few entries beside them: `files` maps a path to its source."""

    files: Mapping[str, str]
    others: tuple[Entry, ...] = ()

    def __call__(self, sources: Sources) -> Iterable[Entry]:
        return [*(_program(sources, source, to) for to, source in self.files.items()), *self.others]


def busybox(sources: Sources) -> Iterable[Entry]:
    """The smallest root that has a shell: busybox under all its names, accounts, and usr-merged folders."""
    program = sources["debian"] / "usr/bin/busybox"
    yield Entry(path="usr/bin/busybox", source=program)
    for place in debian.applets(program):
        folder = "usr/sbin" if "sbin/" in place else "usr/bin"
        name = place.rpartition("/")[2]
        if name not in {"busybox", "linuxrc"}:
            yield Entry(path=f"{folder}/{name}", link="../bin/busybox" if folder == "usr/sbin" else "busybox")
    for name in ("bin", "sbin", "lib", "lib64"):
        yield Entry(path=name, link=f"usr/{name}")
    for name in ("dev", "proc", "root", "run", "sys", "usr/lib", "usr/lib64", "var/lib", "var/log"):
        yield Entry(path=name)
    yield Entry(path="var/run", link="/run")
    for name in ("tmp", "var/tmp"):
        yield Entry(path=name, mode=0o1777)
    for name, text in {
        "passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
        "group": "root:x:0:\nnobody:x:65534:\n",
        "nsswitch.conf": "hosts: files dns\n",
    }.items():
        yield Entry(path=f"etc/{name}", text=text, mode=0o644)


def network_tools(sources: Sources) -> Iterable[Entry]:
    """iptables in both kinds, nft, ipset and conntrack with their libraries. Plain `iptables` is the nft one."""
    root = sources["debian"]
    programs = [
        "usr/sbin/xtables-nft-multi",
        "usr/sbin/xtables-legacy-multi",
        "usr/sbin/nft",
        "usr/sbin/ipset",
        "usr/sbin/conntrack",
    ]
    yield from debian.with_libraries(root, programs, also=["usr/lib/*-linux-gnu/xtables/*.so"])
    for family in ("iptables", "ip6tables"):
        for verb in ("", "-save", "-restore"):
            for kind in ("nft", "legacy"):
                yield Entry(path=f"usr/sbin/{family}-{kind}{verb}", link=f"xtables-{kind}-multi")
            yield Entry(path=f"usr/sbin/{family}{verb}", link="xtables-nft-multi")


def calico_node(sources: Sources) -> Iterable[Entry]:
    """calico-node under Debian's runit, started by the module's own scripts.

    Those that keep its logs are bash's. Where one does not start, nobody reads what Felix says, and Felix stands still
    as soon as the pipe is full.
    """
    yield _program(sources, "calico/calico-node", "usr/bin/calico-node")
    files = sources["calico_module"] / "node/filesystem"
    for entry in tree(files / "etc", "etc"):
        name = entry.path.rpartition("/")[2]
        if name not in {"nsswitch.conf", ".gitkeep"}:
            # a module's files have lost their run bits
            yield replace(entry, mode=0o755) if name in {"rc.local", "run"} else entry
    for script in ("start_runit", "restart-calico-confd", "versions"):
        yield Entry(path=f"usr/sbin/{script}", source=files / "sbin" / script)
    yield from debian.with_libraries(
        sources["debian"], [f"usr/bin/{name}" for name in ("bash", "runsv", "runsvdir", "sv", "svlogd", "chpst")]
    )


LAYERS: Mapping[str, Callable[[Sources], Iterable[Entry]]] = {
    "busybox": busybox,
    "network-tools": network_tools,
    "pause": Programs(files={"pause": "debian/usr/bin/catatonit"}),
    "kube-apiserver": Programs(files={"usr/local/bin/kube-apiserver": "k8s/kube-apiserver"}),
    "kube-controller-manager": Programs(files={"usr/local/bin/kube-controller-manager": "k8s/kube-controller-manager"}),
    "kube-scheduler": Programs(files={"usr/local/bin/kube-scheduler": "k8s/kube-scheduler"}),
    "kube-proxy": Programs(files={"usr/local/bin/kube-proxy": "k8s/kube-proxy"}),
    "etcd": Programs(files={"usr/local/bin/etcd": "etcd/server"}),
    "coredns": Programs(files={"coredns": "coredns/coredns"}),
    "operator": Programs(files={"usr/bin/operator": "operator/operator"}),
    "calico-node": calico_node,
    "calico-cni": Programs(
        files={
            "opt/cni/bin/calico": "calico/calico",
            "opt/cni/bin/install": "calico/install",
        }
        | {
            f"opt/cni/bin/{name}": f"cni/{name}"
            for name in ("bandwidth", "host-local", "loopback", "portmap", "tuning")
        },
        # one program: its name decides what it does
        others=(Entry(path="opt/cni/bin/calico-ipam", link="calico"),),
    ),
    "calico-typha": Programs(
        files={"usr/bin/calico-typha": "calico/calico-typha"},
        others=(
            Entry(
                path="etc/calico/typha.cfg",
                text="[global]\nMetadataAddr = None\nLogFilePath = None\nLogSeverityFile = None\n",
                mode=0o644,
            ),
        ),
    ),
    "calico-kube-controllers": Programs(
        files={"usr/bin/kube-controllers": "calico/kube-controllers", "usr/bin/check-status": "calico/check-status"},
        others=tuple(Entry(path=name, owner=999) for name in ("profiles", "status")),
    ),
    "multus": Programs(
        files={
            f"usr/src/multus-cni/bin/{name}": f"multus/{source}"
            for name, source in {
                "multus-daemon": "multus-daemon",
                "multus-shim": "multus-shim",
                "install_multus": "install_multus",
                "passthru": "passthru-cni",
            }.items()
        }
    ),
    # where its daemon's command looks for them
    "whereabouts": Programs(
        files={
            "whereabouts": "whereabouts/cmd",
            "ip-control-loop": "whereabouts/controlloop",
            "install-cni.sh": "whereabouts/install-cni.sh",
        }
    ),
    "alpine": Programs(
        files={},
        others=(
            Entry(
                path="etc/os-release",
                text='ID=busybox\nNAME="busybox"\nPRETTY_NAME="Debian busybox, standing in for alpine"\n',
                mode=0o644,
            ),
        ),
    ),
}

_KUBERNETES_LABEL = {BUILT_LABEL: f"here, from the Go module k8s.io/kubernetes {KUBERNETES}"}
_CALICO_LABELS = {
    BUILT_LABEL: f"here, from the Go module github.com/projectcalico/calico at {CALICO_SOURCE}, not {CALICO}",
    "org.opencontainers.image.version": CALICO_SOURCE,
}


def _control_plane(name: str, *, below: tuple[str, ...] = ()) -> Image:
    return Image(
        name=f"registry.k8s.io/{name}:{KUBERNETES}",
        layers=(*below, name),
        entrypoint=(f"/usr/local/bin/{name}",),
        environment=PATH,
        labels=_KUBERNETES_LABEL,
    )


IMAGES: tuple[Image, ...] = (
    Image(
        name="registry.k8s.io/pause:3.10",
        layers=("pause",),
        entrypoint=("/pause", "-P"),
        labels={BUILT_LABEL: "here, Debian's catatonit -P standing in for pause"},
    ),
    _control_plane("kube-apiserver"),
    _control_plane("kube-controller-manager"),
    _control_plane("kube-scheduler"),
    _control_plane("kube-proxy", below=("busybox", "network-tools")),
    Image(
        name="registry.k8s.io/etcd:3.5.16-0",
        layers=("etcd",),
        entrypoint=("/usr/local/bin/etcd",),
        environment=PATH,
        labels={BUILT_LABEL: "here, from the Go module go.etcd.io/etcd/server/v3 v3.5.16"},
    ),
    Image(
        name="registry.k8s.io/coredns/coredns:v1.11.3",
        layers=("coredns",),
        entrypoint=("/coredns",),
        labels={BUILT_LABEL: "here, from the Go module github.com/coredns/coredns v1.11.3"},
    ),
    Image(
        name=f"quay.io/tigera/operator:{OPERATOR}",
        layers=("busybox", "operator"),
        entrypoint=("/usr/bin/operator",),
        environment=PATH,
        user="10001:10001",
        labels={BUILT_LABEL: f"here, from the Go module github.com/tigera/operator {OPERATOR}"},
    ),
    Image(
        name=f"docker.io/calico/node:{CALICO}",
        layers=("busybox", "network-tools", "calico-node"),
        command=("start_runit",),
        environment=PATH | {"SVDIR": "/etc/service/enabled"},
        labels=_CALICO_LABELS,
    ),
    Image(
        name=f"docker.io/calico/cni:{CALICO}",
        layers=("busybox", "calico-cni"),
        command=("/opt/cni/bin/install",),
        environment=PATH,
        folder="/opt/cni/bin",
        labels=_CALICO_LABELS,
    ),
    Image(
        name=f"docker.io/calico/typha:{CALICO}",
        layers=("busybox", "calico-typha"),
        command=("/usr/bin/calico-typha",),
        environment=PATH,
        user="999",
        labels=_CALICO_LABELS,
    ),
    Image(
        name=f"docker.io/calico/kube-controllers:{CALICO}",
        layers=("busybox", "calico-kube-controllers"),
        entrypoint=("/usr/bin/kube-controllers",),
        environment=PATH,
        user="999",
        labels=_CALICO_LABELS,
    ),
    Image(
        name=f"ghcr.io/k8snetworkplumbingwg/multus-cni:{MULTUS}-thick",
        layers=("busybox", "multus"),
        entrypoint=("/usr/src/multus-cni/bin/multus-daemon",),
        environment=PATH,
        labels={BUILT_LABEL: f"here, from the Go module gopkg.in/k8snetworkplumbingwg/multus-cni.v4 {MULTUS}"},
    ),
    Image(
        name=f"ghcr.io/k8snetworkplumbingwg/whereabouts:{WHEREABOUTS}",
        layers=("busybox", "whereabouts"),
        command=("/install-cni.sh",),
        environment=PATH,
        labels={BUILT_LABEL: f"here, from the Go module github.com/k8snetworkplumbingwg/whereabouts {WHEREABOUTS}"},
    ),
    Image(
        name="docker.io/library/alpine:latest",
        layers=("busybox", "alpine"),
        command=("/bin/sh",),
        environment=PATH,
        labels={BUILT_LABEL: "here, Debian's busybox-static standing in for alpine"},
    ),
)
