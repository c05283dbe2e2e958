"""The image of a DHCP server: built apart from the node image, and loaded in the same way."""

import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from supply import images, server_image
from supply.images import debian
from supply.ways import HERE, NodeImage, ServerImage


def unpacked(out: Path, packages: Sequence[str]) -> None:
    """Stands for the packages, with a loader and a busybox that answer as those do."""

    def script(name: str, body: str) -> None:
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    assert {"busybox-static", "dnsmasq-base"} <= set(packages)
    library = out / "usr/lib/x86_64-linux-gnu/libc.so.6"
    script("usr/lib/x86_64-linux-gnu/libc.so.6", "")
    script("usr/lib64/ld-linux-x86-64.so.2", f'echo "	libc.so.6 => {library} (0x00007f)"')
    script("usr/bin/busybox", "printf '%s\\n' bin/sh sbin/ip bin/grep")
    script("usr/sbin/dnsmasq", "")


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(debian, "unpack", unpacked)
    server_image.build(tmp_path, lambda line: None)
    return tmp_path


def test_it_holds_the_server_its_libraries_and_what_the_lab_asks_by(built: Path) -> None:
    with tarfile.open(built / "node.tar") as archive:
        [row] = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
        [layer] = row["Layers"]
        with tarfile.open(fileobj=archive.extractfile(layer)) as root:
            names = set(root.getnames())
    assert {"usr/sbin/dnsmasq", "usr/lib64/ld-linux-x86-64.so.2", "usr/lib/x86_64-linux-gnu/libc.so.6"} <= names
    assert {"bin", "usr/bin/sh", "usr/sbin/ip", "usr/bin/grep", "etc/passwd", "run"} <= names


def test_it_says_that_it_was_built_and_is_known_by_its_key(built: Path) -> None:
    said = yaml.safe_load((built / "image.yaml").read_text())
    with tarfile.open(built / "node.tar") as archive:
        [row] = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
        config = json.load(archive.extractfile(row["Config"]))["config"]  # type: ignore[arg-type]
    assert row["RepoTags"] == [said["name"]] == ["localhost/kalico-dnsmasq:trixie"]
    assert config["Labels"][images.KEY_LABEL] == said["key"]
    assert config["Labels"]["kalico.built"].startswith("here, Debian trixie dnsmasq-base")
    assert sorted(path.name for path in built.iterdir()) == ["image.yaml", "node.tar"]


def test_no_file_of_it_counts_towards_the_node_image() -> None:
    """That takes minutes to build and to load."""
    node = NodeImage(parts=(), modules={}, tools=())
    assert "dnsmasq" not in node.recipe()
    assert "dnsmasq" in ServerImage(tools=()).recipe()
    assert (HERE / "server_image").is_dir()
