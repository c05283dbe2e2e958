"""Writes container images as archives, without a registry and without an engine.

`write` puts many images into one OCI archive for containerd: an image is a list of layers and a config, a layer a list
of entries; a layer that several images share is written once, and the same input gives the same bytes everywhere.
`write_single` makes a docker archive, which docker and podman load, of one image with one layer that is a tar already.
Layers are not compressed: they are unpacked a moment later on the same machine.
"""

from __future__ import annotations

import hashlib
import io
import json
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, Protocol

BLOCK = tarfile.BLOCKSIZE
EPOCH = "1970-01-01T00:00:00Z"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"


class Writable(Protocol):
    """As much of a file as a tar needs to be written."""

    def write(self, block: bytes, /) -> int: ...

    def tell(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One path of a layer, without a leading slash: a folder unless `source`, `text` or `link` says what it holds."""

    path: str
    source: Path | None = None
    text: str | None = None
    link: str | None = None
    mode: int = 0o755
    owner: int = 0

    def __post_init__(self) -> None:
        pure = PurePosixPath(self.path)
        if pure.is_absolute() or ".." in pure.parts or str(pure) != self.path or self.path == ".":
            raise ValueError(f"{self.path!r} is not a plain path inside a layer")
        if sum(part is not None for part in (self.source, self.text, self.link)) > 1:
            raise ValueError(f"{self.path}: a file, a text or a link, not several of them")


@dataclass(frozen=True, kw_only=True)
class Image:
    """`layers` are names of layers, bottom first; the rest is the image's config."""

    name: str
    layers: tuple[str, ...]
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    folder: str = ""
    stop_signal: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


def unrunnable(image: Image, layers: Mapping[str, Sequence[Entry]]) -> list[str]:
    """The scripts of `image` whose interpreter it does not have, each with that: they fail as late as they are run."""
    entries = {entry.path: entry for name in image.layers for entry in layers[name]}

    def there(path: str) -> bool:
        top, _, rest = path.strip("/").partition("/")
        linked = entries.get(top)  # such as bin, which is usr/bin
        return f"{(linked and linked.link) or top}/{rest}" in entries

    faults = []
    for entry in entries.values():
        first = _first_line(entry) if entry.mode & 0o111 else ""
        if first.startswith("#!") and not there(interpreter := first.removeprefix("#!").split()[0]):
            faults.append(f"{entry.path} needs {interpreter}")
    return faults


def _first_line(entry: Entry) -> str:
    if entry.source is None:
        return (entry.text or "").partition("\n")[0]
    with entry.source.open("rb") as file:
        return file.readline(256).decode(errors="replace")


def tree(folder: Path, to: str) -> Iterator[Entry]:
    """Everything below `folder` as entries below `to`; files are readable, and executable where the source is."""
    for path in sorted(folder.rglob("*")):
        name = str(PurePosixPath(to) / path.relative_to(folder).as_posix())
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            yield Entry(path=name, link=str(path.readlink()))
        elif stat.S_ISDIR(mode):
            yield Entry(path=name)
        elif stat.S_ISREG(mode):
            yield Entry(path=name, source=path, mode=(mode | 0o644) & 0o755)


def with_parents(entries: Iterable[Entry]) -> list[Entry]:
    """Sorted, each once, with the folders that lead to them. Two different entries for one path are an error."""
    found: dict[str, Entry] = {}
    for entry in entries:
        if found.setdefault(entry.path, entry) != entry:
            raise ValueError(f"{entry.path} is in the layer twice, with different contents")
    for path in list(found):
        for parent in PurePosixPath(path).parents:
            if str(parent) != ".":
                found.setdefault(str(parent), Entry(path=str(parent)))
    return [found[path] for path in sorted(found)]


def write_layer(out: Writable, entries: Iterable[Entry]) -> None:
    """Writes a layer's tar to `out`."""
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as layer:  # type: ignore[call-overload]
        for entry in with_parents(entries):
            info = tarfile.TarInfo(entry.path)
            info.mode, info.uid, info.gid = entry.mode, entry.owner, entry.owner
            if entry.source is not None:
                info.size = entry.source.stat().st_size
                with entry.source.open("rb") as content:
                    layer.addfile(info, content)
            elif entry.text is not None:
                content_bytes = entry.text.encode()
                info.size = len(content_bytes)
                layer.addfile(info, io.BytesIO(content_bytes))
            elif entry.link is not None:
                info.type, info.linkname = tarfile.SYMTYPE, entry.link
                layer.addfile(info)
            else:
                info.type = tarfile.DIRTYPE
                layer.addfile(info)


class _Hashing:
    """Passes what is written on to `out`, counting and hashing it."""

    def __init__(self, out: BinaryIO) -> None:
        self._out, self._hash, self.size = out, hashlib.sha256(), 0

    def write(self, block: bytes, /) -> int:
        self._hash.update(block)
        self.size += len(block)
        return self._out.write(block)

    def tell(self) -> int:
        return self.size

    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


def _header(path: str, size: int) -> bytes:
    info = tarfile.TarInfo(path)
    info.size, info.mode = size, 0o644
    return info.tobuf(format=tarfile.USTAR_FORMAT)


class _Archive:
    """The outer tar. A blob's header needs its digest and size, so it is written after the blob, in front of it."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def file(self, path: str, content: bytes) -> None:
        self._out.write(_header(path, len(content)) + content + bytes(-len(content) % BLOCK))

    def layer(self, fill: Callable[[_Hashing], None]) -> dict[str, object]:
        start = self._out.tell()
        self._out.write(bytes(BLOCK))
        hashing = _Hashing(self._out)
        fill(hashing)
        self._out.write(bytes(-hashing.size % BLOCK))
        end = self._out.tell()
        self._out.seek(start)
        digest = hashing.digest()
        self._out.write(_header(_blob(digest), hashing.size))
        self._out.seek(end)
        return {"mediaType": LAYER_TYPE, "digest": digest, "size": hashing.size}

    def json(self, media_type: str, value: object) -> dict[str, object]:
        content = _json(value)
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.file(_blob(digest), content)
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def end(self) -> None:
        self._out.write(bytes(2 * BLOCK))


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def image_config(image: Image, *, architecture: str, layers: Sequence[str]) -> dict[str, object]:
    """The config JSON of an image whose layers have these digests."""
    given: dict[str, object] = {
        "Entrypoint": list(image.entrypoint),
        "Cmd": list(image.command),
        "Env": [f"{name}={value}" for name, value in sorted(image.environment.items())],
        "User": image.user,
        "WorkingDir": image.folder,
        "StopSignal": image.stop_signal,
        "Labels": dict(image.labels),
    }
    return {
        "created": EPOCH,
        "architecture": architecture,
        "os": "linux",
        "config": {key: value for key, value in given.items() if value},
        "rootfs": {"type": "layers", "diff_ids": list(layers)},
        "history": [{"created": EPOCH, "created_by": "kalico"} for _ in layers],
    }


def write(out: Path, images: Sequence[Image], layers: Mapping[str, Sequence[Entry]], *, architecture: str) -> None:
    """Writes all images into the OCI archive `out`, each layer once. A layer nobody defined is a KeyError."""
    with out.open("wb") as file:
        archive = _Archive(file)
        archive.file("oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        written: dict[str, dict[str, object]] = {}
        index: list[dict[str, object]] = []
        for image in images:
            for name in image.layers:
                if name not in written:
                    written[name] = archive.layer(partial(write_layer, entries=layers[name]))
            descriptors = [written[name] for name in image.layers]
            config = image_config(
                image, architecture=architecture, layers=[str(layer["digest"]) for layer in descriptors]
            )
            manifest = archive.json(
                MANIFEST_TYPE,
                {
                    "schemaVersion": 2,
                    "mediaType": MANIFEST_TYPE,
                    "config": archive.json(CONFIG_TYPE, config),
                    "layers": descriptors,
                },
            )
            index.append(
                manifest
                | {
                    "platform": {"architecture": architecture, "os": "linux"},
                    "annotations": {"io.containerd.image.name": image.name},
                }
            )
        archive.file("index.json", _json({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": index}))
        archive.end()


def write_single(out: Path, image: Image, layer: IO[bytes], *, architecture: str, key: str) -> str:
    """Writes `image`, whose one layer is the tar `layer`, and gives it that layer's digest as the label `key`.

    Returns the digest.
    """
    with out.open("wb") as file:
        archive = _Archive(file)
        descriptor = archive.layer(partial(_copy, layer))
        digest = str(descriptor["digest"])
        labelled = replace(image, labels={**image.labels, key: digest})
        config = archive.json(CONFIG_TYPE, image_config(labelled, architecture=architecture, layers=[digest]))
        row = {"Config": _blob(str(config["digest"])), "RepoTags": [image.name], "Layers": [_blob(digest)]}
        archive.file("manifest.json", _json([row]))
        archive.end()
    return digest


def _copy(source: IO[bytes], target: _Hashing) -> None:
    while block := source.read(1 << 20):
        target.write(block)
