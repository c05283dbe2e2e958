"""The image of a kind node, put together here, with every container image that the lab needs already inside it.

`build` makes it from built programs and Debian packages; `import_into` hands it to podman or docker. For where no
registry can be reached. Whoever looks at an image finds in its label `kalico.built` that it was built here, from what.
"""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from supply.images import archive, debian, node, table

NAME = node.IMAGE.name
KEY_LABEL = "kalico.key"
KEY_FORMAT = f'{{{{index .Config.Labels "{KEY_LABEL}"}}}}'
GROUPS = (
    *("k8s", "etcd", "coredns", "calico", "operator", "multus", "whereabouts", "cni"),
    *("kind_module", "calico_module"),
)
UNPACKED = ("bash", "busybox-static", "catatonit", "conntrack", "ipset", "iptables", "nftables", "runit")

Say = Callable[[str], None]
_HERE = Path(__file__).parent


def architecture() -> str:
    """This machine's, as images call it."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def build(out: Path, binaries: Mapping[str, Path], cache: Path, say: Say) -> None:  # noqa: ARG001 (the supply's way)
    """Makes `out`/node.tar (to be loaded by docker or podman) and `out`/image.yaml (its name and key). Needs root.

    `binaries` maps each of GROUPS to its folder. KeyError names a missing group; RuntimeError a command that failed.
    """
    given = {group: binaries[group] for group in GROUPS}
    if missing := required_images(given["k8s"] / "kubeadm") - {image.name for image in table.IMAGES}:
        raise RuntimeError(f"kubeadm wants images that the table does not have: {', '.join(sorted(missing))}")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="node-", dir=out) as draft, ThreadPoolExecutor() as beside:
        root, unpacked, images = (Path(draft) / name for name in ("root", "debian", "images.tar"))
        say(f"node image: Debian {debian.SUITE} packages, and {len(table.IMAGES)} container images")
        furnished = beside.submit(_node_root, root, given)
        debian.unpack(unpacked, UNPACKED)
        sources = {**given, "debian": unpacked}
        layers = {name: list(entries(sources)) for name, entries in table.LAYERS.items()}
        for image in table.IMAGES:
            if faults := archive.unrunnable(image, layers):
                raise RuntimeError(f"{image.name} has scripts that cannot start: {'; '.join(faults)}")
        archive.write(images, table.IMAGES, layers, architecture=architecture())
        furnished.result()
        say("node image: preloading them into its containerd")
        _preload(root, images)
        images.unlink()
        say("node image: packing")
        key = _pack(root, out / "node.tar")
    (out / "image.yaml").write_text(yaml.safe_dump({"name": NAME, "key": key}))


def _node_root(root: Path, sources: table.Sources) -> None:
    debian.make_root(root, node.PACKAGES)
    node.furnish(root, sources)


def required_images(kubeadm: Path) -> set[str]:
    """The images that this kubeadm starts a control plane with."""
    return set(debian.run([kubeadm, "config", "images", "list", "--kubernetes-version", table.KUBERNETES]).split())


def _preload(root: Path, images: Path) -> None:
    log = images.with_name("containerd.log")
    said = debian.run(
        ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", _HERE / "preload.sh"],
        env={**os.environ, "ROOT": str(root), "ARCHIVE": str(images), "LOG": str(log), "LAYERS": node.LAYERS},
    )
    loaded = {line.removeprefix("preloaded ") for line in said.splitlines() if line.startswith("preloaded ")}
    if missing := {image.name for image in table.IMAGES} - loaded:
        raise RuntimeError(f"containerd did not take {', '.join(sorted(missing))}")


def _pack(root: Path, out: Path) -> str:
    command = ["tar", "--create", "--directory", str(root), "--sort=name", "--numeric-owner", "--one-file-system", "."]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as packing:
        if packing.stdout is None:
            raise RuntimeError("tar has no output")
        key = archive.write_single(out, node.IMAGE, packing.stdout, architecture=architecture(), key=KEY_LABEL)
    if packing.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {packing.returncode}")
    return key


def import_into(engine: str, image: Path, say: Say, env: Mapping[str, str]) -> str:
    """Loads the image of the folder `image` into podman or docker, unless it is there already. Returns its name.

    An earlier image of ours by that name goes, unless something still uses it.
    """
    description = yaml.safe_load((image / "image.yaml").read_text())
    name, key = str(description["name"]), str(description["key"])
    has = _inspected(engine, name, KEY_FORMAT, env)
    if has == key:
        return name
    earlier = _inspected(engine, name, "{{.Id}}", env) if has else ""
    say(f"loading {name} into {engine}")
    done = _ask(load_command(engine, image / "node.tar"), env)
    if done.returncode or _inspected(engine, name, KEY_FORMAT, env) != key:
        raise RuntimeError(f"{engine} did not take {name}: {done.stderr.strip()[-500:]}")
    if earlier:
        _ask([engine, "image", "rm", earlier], env)
    return name


def load_command(engine: str, tar: Path) -> list[str]:
    """Podman and docker have the same words."""
    return [engine, "load", "--quiet", "--input", str(tar)]


def _inspected(engine: str, name: str, wanted: str, env: Mapping[str, str]) -> str:
    """What the engine says of its image of this name, nothing when it has none."""
    done = _ask([engine, "image", "inspect", "--format", wanted, name], env)
    return done.stdout.strip() if done.returncode == 0 else ""


def _ask(command: Sequence[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=dict(env), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
