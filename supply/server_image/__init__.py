"""The image of a DHCP server (dnsmasq), put together from Debian packages, for where no registry can be reached.

It is apart from `images`, whose files all count towards the node image: that is not built again for this one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from supply.images import KEY_LABEL, architecture, archive, debian, table

PACKAGES = ("busybox-static", "dnsmasq-base")
IMAGE = archive.Image(
    name=f"localhost/kalico-dnsmasq:{debian.SUITE}",
    layers=("root",),
    entrypoint=("/usr/sbin/dnsmasq",),
    environment=table.PATH,
    labels={table.BUILT_LABEL: f"here, Debian {debian.SUITE} dnsmasq-base, with busybox-static"},
)


def build(out: Path, say: Callable[[str], None]) -> None:
    """Makes the two files in `out` by which `images.import_into` brings an image into an engine."""
    with tempfile.TemporaryDirectory(prefix="server-", dir=out) as draft:
        unpacked, layer = Path(draft) / "debian", Path(draft) / "layer.tar"
        say(f"DHCP server image: Debian {debian.SUITE} packages {', '.join(PACKAGES)}")
        debian.unpack(unpacked, PACKAGES)
        with layer.open("wb") as file:
            archive.write_layer(file, entries(unpacked))
        with layer.open("rb") as file:
            key = archive.write_single(out / "node.tar", IMAGE, file, architecture=architecture(), key=KEY_LABEL)
    (out / "image.yaml").write_text(yaml.safe_dump({"name": IMAGE.name, "key": key}))


def entries(unpacked: Path) -> Iterator[archive.Entry]:
    """The program with its libraries, and busybox's tools to look at it: the lab asks by `sh` and `ip`."""
    yield from table.busybox({"debian": unpacked})
    yield from debian.with_libraries(unpacked, ["usr/sbin/dnsmasq"])
