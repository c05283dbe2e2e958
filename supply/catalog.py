"""The table of all things the lab needs and of the ways to have each, best first. One row more is one thing more."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import yaml

from supply.ways import (
    Commands,
    DebianPackages,
    DockerServer,
    Download,
    FromModule,
    HasFiles,
    LeftTo,
    NodeImage,
    OnMachine,
    Packed,
    PluginThere,
    ServerImage,
    StandIn,
    Way,
)


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One thing: `tools` of its folder are linked in bin/, a `plugin` is laid out for Pulumi.

    `seconds` is what its last way takes on two cores, downloads included: to order by, and to say beforehand.
    """

    name: str
    version: str
    ways: tuple[Way, ...]
    tools: tuple[str, ...] = ()
    plugin: str = ""
    seconds: float = 5


K8S = "v1.32.2"
CNI = "v1.8.0"
WHEREABOUTS = "v0.8.0"
CALICO = "v3.29.0-6-gb559a70"  # git's own name for what is built; the images carry it beside their tag
GITHUB = "https://github.com"
PINS = yaml.safe_load((Path(__file__).parent.parent / "manifests/upstream.yaml").read_text())  # the program's own
WHEREABOUTS_PINS = ("whereabouts", "whereabouts-pools", "whereabouts-reservations")
PULUMI_VERSION = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"


def _kubernetes(*programs: str) -> FromModule:
    base = "k8s.io/component-base/version"
    major, minor = K8S.removeprefix("v").split(".")[:2]
    return FromModule(
        module="k8s.io/kubernetes",
        version=K8S,
        recipe_folder="kubernetes",
        packages=tuple(f"k8s.io/kubernetes/cmd/{program}" for program in programs),
        set_at_link=(
            (f"{base}.gitVersion", K8S),
            (f"{base}.gitMajor", major),
            (f"{base}.gitMinor", minor),
            (f"{base}.gitTreeState", "clean"),
        ),
    )


def _calico(
    *, packages: tuple[str, ...] = (), files: tuple[str, ...] = (), changed: tuple[tuple[str, str], ...] = ()
) -> FromModule:
    home = "github.com/projectcalico/calico"
    variables = (
        "main.VERSION",
        f"{home}/node/pkg/lifecycle/startup.VERSION",
        f"{home}/node/buildinfo.GitVersion",
        f"{home}/typha/pkg/buildinfo.GitVersion",
    )
    return FromModule(
        module=home,
        version="v0.0.0-20241104220808-b559a703e1c0",
        recipe_folder="calico",
        called=f"{CALICO} (six commits after v3.29.0, stands for v3.29.2)",
        packages=tuple(f"{home}/{package}" for package in packages),
        files=files,
        changed=changed,
        set_at_link=tuple((name, CALICO) for name in variables),
    )


def _multus(*, packages: tuple[str, ...] = (), files: tuple[str, ...] = ()) -> FromModule:
    home = "gopkg.in/k8snetworkplumbingwg/multus-cni.v4"
    return FromModule(
        module=home,
        version="v4.2.3",
        recipe_folder="multus",
        packages=tuple(f"{home}/cmd/{program}" for program in packages),
        files=files,
        set_at_link=(
            (f"{home}/pkg/multus.version", "v4.2.3"),
            (f"{home}/pkg/multus.gitTreeState", "released"),
        ),
    )


def _whereabouts(*, packages: tuple[str, ...] = (), files: tuple[str, ...] = ()) -> FromModule:
    home = "github.com/k8snetworkplumbingwg/whereabouts"
    return FromModule(
        module=home,
        version=WHEREABOUTS,
        recipe_folder="whereabouts",
        packages=tuple(f"{home}/{package}" for package in packages),
        files=files,
        set_at_link=(
            (f"{home}/pkg/version.Version", WHEREABOUTS),
            (f"{home}/pkg/version.ReleaseStatus", "released"),
        ),
    )


def _cni() -> FromModule:
    home = "github.com/containernetworking/plugins"
    plugins = {
        "main": ("bridge", "dummy", "host-device", "ipvlan", "loopback", "macvlan", "ptp", "tap", "vlan"),
        "ipam": ("dhcp", "host-local", "static"),
        "meta": ("bandwidth", "firewall", "portmap", "sbr", "tuning", "vrf"),
    }
    return FromModule(
        module=home,
        version=CNI,
        recipe_folder="cni-plugins",
        packages=tuple(f"{home}/plugins/{kind}/{name}" for kind, names in plugins.items() for name in names),
        set_at_link=((f"{home}/pkg/utils/buildversion.BuildVersion", CNI),),
    )


def _plugin(name: str, version: str, last: Way, seconds: float = 1) -> Thing:
    """A Pulumi provider plugin: Pulumi fetches it itself; from a mirror we do; where neither can, `last`."""
    file = f"pulumi-resource-{name}-v{version}-linux-{{arch}}.tar.gz"
    sums = f"{GITHUB}/pulumi/pulumi-{name}/releases/download/v{version}/pulumi-{name}_{version}_checksums.txt"
    official = f"https://get.pulumi.com/releases/plugins/{file}"
    return Thing(
        name=f"pulumi-resource-{name}",
        version=f"v{version}",
        plugin=name,
        seconds=seconds,
        ways=(
            PluginThere(name=name, version=version),
            LeftTo(whom="Pulumi", urls=(official,), only_without_mirror=True),
            Download(url=official, sums=sums, members=(f"pulumi-resource-{name}",)),
            last,
        ),
    )


def _file(name: str, version: str, pins: Mapping[str, str], last: Way) -> Thing:
    """A file that the program downloads itself, by the pin in `pins` for each architecture; it knows no mirror."""
    pinned = {arch: PINS[pin][version] for arch, pin in pins.items()}
    return Thing(
        name=name,
        version=version,
        ways=(
            Download(
                url=pinned["amd64"]["url"].replace("amd64", "{arch}"),
                sha256={arch: pin["sha256"] for arch, pin in pinned.items()},
                only_from_mirror=True,
            ),
            LeftTo(whom="the program", urls=(pinned["amd64"]["url"],)),
            last,
        ),
    )


def _module(name: str, module: str, version: str, *set_at_link: tuple[str, str]) -> FromModule:
    return FromModule(module=module, version=version, recipe_folder=name, packages=(module,), set_at_link=set_at_link)


_kind = _module("kind", "sigs.k8s.io/kind", "v0.27.0")

_ROWS = (
    Thing(
        name="pulumi",
        version="v3.274.1",
        seconds=160,
        tools=("pulumi", "pulumi-language-python", "pulumi-language-python-exec"),
        ways=(
            OnMachine(command=("pulumi", "version"), version=r"^v3\.274\.1$"),
            Download(
                url="https://get.pulumi.com/releases/sdk/pulumi-v3.274.1-linux-{arch}.tar.gz",
                sums="https://get.pulumi.com/releases/sdk/pulumi-3.274.1-checksums.txt",
                arch_names={"amd64": "x64"},
                members=("pulumi", "pulumi-language-python", "pulumi-language-python-exec"),
            ),
            FromModule(
                module="github.com/pulumi/pulumi/pkg/v3",
                version="v3.274.1",
                recipe_folder="pulumi",
                packages=("github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",),
                set_at_link=((PULUMI_VERSION, "v3.274.1"),),
                beside=("pulumi-language-python",),  # where the engine looks for its host
            ),
        ),
    ),
    Thing(  # only where the CLI is built: a release holds its own
        name="pulumi-language-python",
        version="v3.79.0",
        seconds=15,
        ways=(
            FromModule(
                module="github.com/pulumi/pulumi/sdk/v3",
                version="v3.79.0",
                recipe_folder="pulumi-language-python",
                packages=("github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python",),
                files=("python/cmd/pulumi-language-python-exec",),
                set_at_link=((PULUMI_VERSION, "v3.79.0"),),
            ),
        ),
    ),
    _plugin(
        "kubernetes",
        "4.25.0",
        FromModule(
            module="github.com/pulumi/pulumi-kubernetes/provider/v4",
            version="v4.0.0-20260115033456-f47bc2d6f199",
            recipe_folder="pulumi-resource-kubernetes",
            packages=(".",),
            called="v4.25.0 (commit f47bc2d6f199)",
        ),
        # Most of it one package on one core: first of all, since everything else has room beside it.
        seconds=300,
    ),
    _plugin(
        "command",
        "1.2.1",
        StandIn(
            folder_name="command_plugin",
            words="our own small plugin with the Command provider's types (a STAND-IN, not the real one)",
        ),
    ),
    Thing(
        name="kind",
        version="v0.27.0",
        tools=("kind",),
        ways=(
            OnMachine(command=("kind", "version"), version=r"\bv0\.27\.0\b"),
            Download(
                url=GITHUB + "/kubernetes-sigs/kind/releases/download/v0.27.0/kind-linux-{arch}",
                program="kind",
                sha256={"amd64": "a6875aaea358acf0ac07786b1a6755d08fd640f4c79b7a2e46681cc13f49a04b"},
                sums=GITHUB + "/kubernetes-sigs/kind/releases/download/v0.27.0/kind-linux-{arch}.sha256sum",
            ),
            _kind,
        ),
    ),
    Thing(
        name="kubectl",
        version=K8S,
        tools=("kubectl",),
        seconds=60,
        ways=(
            OnMachine(command=("kubectl", "version", "--client"), version=r"\bv1\.3[123]\.\d+"),  # kubectl's skew rule
            Download(
                url=f"https://dl.k8s.io/release/{K8S}/bin/linux/{{arch}}/kubectl",
                program="kubectl",
                sha256={
                    "amd64": "4f6a959dcc5b702135f8354cc7109b542a2933c46b808b248a214c1f69f817ea",
                    "arm64": "7381bea99c83c264100f324c2ca6e7e13738a73b8928477ac805991440a065cd",
                },
            ),
            _kubernetes("kubectl"),
        ),
    ),
    Thing(
        name="node-image",
        version=K8S,
        seconds=60,
        ways=(
            LeftTo(
                whom="the engine and the cluster",
                urls=("https://registry-1.docker.io/v2/", "https://quay.io/v2/", "https://ghcr.io/v2/"),
            ),
            NodeImage(
                parts=("k8s", "etcd", "coredns", "calico", "operator", "multus", "whereabouts", "cni"),
                tools=("mmdebstrap",),
                modules={"kind_module": _kind, "calico_module": _calico()},
            ),
        ),
    ),
    Thing(  # only where a network of the config asks for the lab's own DHCP server
        name="dhcp-image",
        version="trixie",
        seconds=15,
        ways=(
            LeftTo(whom="the engine", urls=("https://quay.io/v2/",)),
            ServerImage(tools=("mmdebstrap",)),
        ),
    ),
    Thing(
        name="k8s",
        version=K8S,
        seconds=190,
        ways=(
            _kubernetes(
                "kubeadm",
                "kubelet",
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
                "kube-proxy",
                "kubectl",
            ),
        ),
    ),
    Thing(
        name="etcd",
        version="v3.5.16",
        seconds=17,
        ways=(_module("etcd", "go.etcd.io/etcd/server/v3", "v3.5.16"),),
    ),
    Thing(
        name="coredns",
        version="v1.11.3",
        seconds=54,
        ways=(_module("coredns", "github.com/coredns/coredns", "v1.11.3"),),
    ),
    Thing(
        name="calico",
        version=CALICO,
        seconds=101,
        ways=(
            _calico(
                packages=(
                    "node/cmd/calico-node",
                    "typha/cmd/calico-typha",
                    "kube-controllers/cmd/kube-controllers",
                    "kube-controllers/cmd/check-status",
                    "cni-plugin/cmd/calico",
                    "cni-plugin/cmd/install",
                )
            ),
        ),
    ),
    Thing(
        name="operator",
        version="v1.36.5",
        seconds=59,
        ways=(
            _module(
                "operator",
                "github.com/tigera/operator",
                "v1.36.5",
                ("github.com/tigera/operator/version.VERSION", "v1.36.5"),
            ),
        ),
    ),
    Thing(
        name="multus",
        version="v4.2.3",
        seconds=51,
        ways=(_multus(packages=("multus-daemon", "multus-shim", "install_multus", "passthru-cni")),),
    ),
    Thing(
        name="whereabouts",
        version=WHEREABOUTS,
        seconds=60,
        ways=(_whereabouts(packages=("cmd", "cmd/controlloop"), files=("script/install-cni.sh",)),),
    ),
    Thing(name="cni", version=CNI, seconds=10, ways=(_cni(),)),
    _file(
        "cni-archive",
        CNI,
        {"amd64": "cni-plugins-amd64", "arm64": "cni-plugins-arm64"},
        Packed(thing="cni", archive=f"cni-plugins-linux-{{arch}}-{CNI}.tgz"),
    ),
    _file(
        "calico-manifest",
        "v3.29.2",
        {"amd64": "calico-operator", "arm64": "calico-operator"},
        # The module's own manifest is older than v3.29.2, whose operator the node image has.
        _calico(files=("manifests/tigera-operator.yaml",), changed=(("v1.36.0", "v1.36.5"),)),
    ),
    _file(
        "multus-manifest",
        "v4.2.3",
        {"amd64": "multus-thick", "arm64": "multus-thick"},
        _multus(files=("deployments/multus-daemonset-thick.yml",)),
    ),
    *(
        _file(
            f"{pin}-manifest",
            WHEREABOUTS,
            {"amd64": pin, "arm64": pin},
            _whereabouts(files=(PINS[pin][WHEREABOUTS]["url"].partition(f"/{WHEREABOUTS}/")[2],)),
        )
        for pin in WHEREABOUTS_PINS
    ),
    Thing(
        name="script-tools",
        version="any",
        ways=(
            Commands(packages={"openssl": "openssl", "ip": "iproute2", "flock": "util-linux"}),
            DebianPackages(names=("openssl", "iproute2", "util-linux")),
        ),
    ),
    Thing(
        name="podman",
        version="any",
        ways=(
            OnMachine(command=("podman", "info"), version=r"(?m)^version:"),
            DebianPackages(names=("podman", "runc", "iptables", "netavark", "aardvark-dns")),
        ),
    ),
    Thing(
        name="podman-network",
        version="any",
        ways=(
            HasFiles(patterns=("/usr/lib*/*/netavark", "/usr/lib*/*/aardvark-dns")),
            DebianPackages(names=("netavark", "aardvark-dns")),
        ),
    ),
    Thing(
        name="docker",
        version="any",
        seconds=20,
        ways=(
            OnMachine(command=("docker", "info", "--format", "{{.ServerVersion}}"), version=r"^\d"),
            DockerServer(tools=("mmdebstrap",)),
        ),
    ),
    Thing(
        name="mmdebstrap",
        version="any",
        ways=(
            OnMachine(command=("mmdebstrap", "--version"), version=r"\d"),
            DebianPackages(names=("mmdebstrap",)),
        ),
    ),
)

CATALOG: Mapping[str, Thing] = MappingProxyType({thing.name: thing for thing in _ROWS})

TOOLS = ("pulumi", "pulumi-resource-kubernetes", "pulumi-resource-command", "kind", "kubectl")
LAB = (
    *TOOLS,
    *("script-tools", "node-image", "cni-archive", "calico-manifest", "multus-manifest"),
    *(f"{pin}-manifest" for pin in WHEREABOUTS_PINS),
)
ENGINES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "docker": ("docker",),
        "podman": ("podman", "podman-network"),
    }
)
