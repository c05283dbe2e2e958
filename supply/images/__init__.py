"""The image of a kind node, put together here, with every container image that the lab needs already inside it.

`build` makes it from built programs and Debian packages; `import_into` hands it to podman or docker. For where no
registry can be reached. Whoever looks at an image finds in its label `kalico.built` that it was built here, from what.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import yaml

from supply.images import archive, debian, node, table

NAME = f"localhost/kalico-node:{table.KUBERNETES}"
KEY_LABEL = "kalico.key"
GROUPS = ("k8s", "etcd", "coredns", "calico", "operator", "multus", "cni", "kind_module", "calico_module")
UNPACKED = ("busybox-static", "catatonit", "conntrack", "ipset", "iptables", "nftables", "runit")

Say = Callable[[str], None]
_HERE = Path(__file__).parent


def architecture() -> str:
    """This machine's, as images call it."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def build(out: Path, binaries: Mapping[str, Path], cache: Path, say: Say) -> None:
    """Makes `out`/node.tar and `out`/image.yaml. `binaries` maps each of GROUPS to its folder. Needs root.

    KeyError names a missing group; RuntimeError a command that failed.
    """
    for group in GROUPS:
        binaries[group]
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="node-", dir=out) as draft:
        root, unpacked, images = (Path(draft) / name for name in ("root", "debian", "images.tar"))
        say(f"node image: Debian {debian.SUITE} packages")
        debian.unpack(unpacked, UNPACKED)
        debian.make_root(root, node.PACKAGES)
        sources = {**binaries, "debian": unpacked}
        say("node image: kind's files and Kubernetes' programs")
        node.furnish(root, sources)
        say(f"node image: {len(table.IMAGES)} container images")
        layers = {name: list(entries(sources)) for name, entries in table.LAYERS.items()}
        archive.write(images, table.IMAGES, layers, architecture=architecture())
        say("node image: preloading them into its containerd")
        _preload(root, images)
        images.unlink()
        say("node image: packing")
        _pack(root, out / "node.tar")
    labels = {
        archive_label: value
        for archive_label, value in (
            (table.BUILT_LABEL, f"here, Debian {debian.SUITE} with kind's files and Kubernetes {table.KUBERNETES}"),
            (KEY_LABEL, _digest(out / "node.tar")),
        )
    }
    (out / "image.yaml").write_text(yaml.safe_dump(node.description(NAME, labels), sort_keys=False))


def _preload(root: Path, images: Path) -> None:
    log = images.with_name("containerd.log")
    said = debian.run(
        ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", _HERE / "preload.sh"],
        env={**os.environ, "ROOT": str(root), "ARCHIVE": str(images), "LOG": str(log)},
    )
    loaded = {line.removeprefix("preloaded ") for line in said.splitlines() if line.startswith("preloaded ")}
    if missing := {image.name for image in table.IMAGES} - loaded:
        raise RuntimeError(f"containerd did not take {', '.join(sorted(missing))}: see {log}")


def _pack(root: Path, out: Path) -> None:
    debian.run(
        ["tar", "--create", "--file", out, "--directory", root, "--sort=name", "--numeric-owner", "--xattrs",
         "--one-file-system", "."]
    )  # fmt: skip


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def import_into(engine: str, image: Path, say: Say, env: Mapping[str, str]) -> str:
    """The image of the folder `image` in podman or docker; nothing is done when it is there already. Returns its name."""
    description = yaml.safe_load((image / "image.yaml").read_text())
    name, key = description["name"], description["labels"][KEY_LABEL]
    if _label(engine, name, env) == key:
        return str(name)
    say(f"importing {name} into {engine}")
    done = subprocess.run(
        import_command(engine, description, image / "node.tar"),
        env=dict(env), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode or _label(engine, name, env) != key:
        raise RuntimeError(f"{engine} did not take {name}: {done.stderr.strip()[-500:]}")
    return str(name)


def import_command(engine: str, description: Mapping[str, object], tar: Path) -> list[str]:
    """The command that imports `tar`; podman and docker have the same words."""
    return [engine, "import", *changes(description), str(tar), str(description["name"])]


def changes(description: Mapping[str, object]) -> list[str]:
    """image.yaml as `--change` options."""
    lines = [f"ENTRYPOINT {json.dumps(description['entrypoint'])}"]
    lines += [f"ENV {name}={value}" for name, value in _pairs(description["environment"])]
    lines += [f"LABEL {name}={json.dumps(value)}" for name, value in _pairs(description["labels"])]
    lines.append(f"STOPSIGNAL {description['stopSignal']}")
    return [part for line in lines for part in ("--change", line)]


def _pairs(value: object) -> Sequence[tuple[str, str]]:
    if not isinstance(value, Mapping):
        raise ValueError(f"image.yaml: {value!r} should be a mapping")
    return list(value.items())


def _label(engine: str, name: str, env: Mapping[str, str]) -> str:
    """The key of the image that the engine has by this name, or nothing."""
    done = subprocess.run(
        [engine, "image", "inspect", "--format", f'{{{{index .Config.Labels "{KEY_LABEL}"}}}}', name],
        env=dict(env), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.strip() if done.returncode == 0 else ""
