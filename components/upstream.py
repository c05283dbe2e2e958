"""Files that others publish: downloaded once, checked by sha256, kept in the cache.

upstream/SHA256/NAME   a file as it was published
checked/SHA256         the state in which a file of one's own was last found to be the pinned one
documents/SHA256-CODE  the Kubernetes objects that this module reads out of a file
"""

import functools
import hashlib
import json
import re
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from components.settings import Source

CRD = "CustomResourceDefinition"
TIMEOUT = (5, 30)
"""Seconds to connect, and between two pieces of an answer."""
UNUSUAL = re.compile(r"[^A-Za-z0-9._-]|^\.+")
LONGEST_NAME = 100
MOST_TOLD = 3
"""Documents of one file: where one is wrong, often all are."""
REMEDY = "name another file in the config (source and sha256)"


class UpstreamError(RuntimeError):
    """A file cannot be had, or is not what was pinned; says which and what to do."""


@functools.cache
def fetch(source: Source, cache: Path) -> Path:
    """The path of the file that `source` names, known to have its sha256. Raises UpstreamError."""
    if "://" not in source.location:
        path = own_file(source.location)
        # A large file takes a tenth of a second to check, and every preview asks: once for each state of it.
        state = f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}"
        checked = cache / "checked" / source.sha256
        if not checked.exists() or checked.read_text() != state:
            check(content_of(path), source)
            keep(checked, state.encode())
        return path
    path = cache / "upstream" / source.sha256 / file_name(source.location)
    if not path.exists():
        keep(path, download(source))
    return path


def file_name(url: str) -> str:
    """The name of what is behind a URL, for those who look into the cache; any file may have it."""
    last = url.partition("?")[0].partition("#")[0].rsplit("/", 1)[-1]
    return UNUSUAL.sub("_", last)[-LONGEST_NAME:] or "file"


def own_file(location: str) -> Path:
    """The path of a file of one's own that is there."""
    try:
        path = Path(location).expanduser()
        there = path.is_file()
    except (OSError, RuntimeError) as error:  # a name that no file can have, or the home of a user who is not there
        reason = error.strerror if isinstance(error, OSError) else error
        raise UpstreamError(f"{location}: there can be no such file ({reason}); {REMEDY}") from None
    if not there:
        raise UpstreamError(f"{path}: there is no such file (named as a source in the config)")
    return path


def content_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UpstreamError(f"{path} cannot be read ({error.strerror}); {REMEDY}") from None


def keep(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as part:
        part.write(content)
    Path(part.name).replace(path)


def download(source: Source) -> bytes:
    """The content behind a URL, checked."""
    import requests  # here, since every preview would pay for it and hardly any needs it

    try:
        answer = requests.get(source.location, timeout=TIMEOUT)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise UpstreamError(
            f"{source.location} cannot be downloaded ({error}): run `make up`, which knows other ways, "
            "or name a copy in the config (source and sha256)"
        ) from None
    return check(answer.content, source)


def check(content: bytes, source: Source) -> bytes:
    found = hashlib.sha256(content).hexdigest()
    if found != source.sha256:
        raise UpstreamError(f"{source.location}: its sha256 is {found}, pinned is {source.sha256}; nothing was taken")
    return content


def have(manifests: Sequence[Source], archive: Source, cache: Path) -> None:
    """Have all files in the cache, the manifests read. Raises UpstreamError with every one that cannot be had."""
    faults = []
    for take in [*(partial(objects_file, manifest) for manifest in manifests), partial(fetch, archive)]:
        try:
            take(cache)
        except UpstreamError as error:
            faults.append(str(error))
    if len(faults) > 1:
        faults = ["\n  - ".join([f"{len(faults)} files cannot be had, nothing was touched:", *faults])]
    if faults:
        raise UpstreamError(faults[0])


def documents(source: Source, cache: Path) -> list[dict[str, Any]]:
    """The Kubernetes objects in a YAML file. CRDs come without what is two thirds of them, see `lean`.

    Raises UpstreamError, also for a file that is the pinned one and holds anything else.
    """
    read: list[dict[str, Any]] = json.loads(objects_file(source, cache).read_bytes())
    return read


def objects_file(source: Source, cache: Path) -> Path:
    """What `documents` reads, kept as JSON: every preview reads it, and YAML takes ten times as long.

    What another version of this module kept is not taken.
    """
    path = fetch(source, cache)
    kept = cache / "documents" / f"{source.sha256}-{code()}.json"
    if not kept.exists():
        keep(kept, as_json(content_of(path), source.location))
    return kept


def as_json(content: bytes, location: str) -> bytes:
    """The documents of a manifest as a JSON list. Raises UpstreamError where one of them is no Kubernetes object."""
    try:
        # The pure Python loader takes two seconds for the operator's file, libyaml's a tenth of that.
        loaded = {i + 1: doc for i, doc in enumerate(yaml.load_all(content, Loader=yaml.CSafeLoader)) if doc}
        faults = [f"document {i} {fault}" for i, doc in loaded.items() if (fault := fault_of(doc))]
        stripped = [doc if faults or doc["kind"] != CRD else lean(doc) for doc in loaded.values()]
        packed = json.dumps(stripped).encode()
    # What YAML can hold and JSON cannot, such as a date or an anchor within itself, is in no object either.
    except (yaml.YAMLError, AttributeError, TypeError, ValueError, RecursionError) as error:
        faults = [" ".join(str(error).split())]
    if not faults and not loaded:
        faults = ["there is no document in it"]
    if faults:
        raise UpstreamError(f"{location} is no file of Kubernetes objects: {told(faults)}; {REMEDY}")
    return packed


def told(faults: list[str]) -> str:
    more = [f"{len(faults) - MOST_TOLD} more"] if len(faults) > MOST_TOLD else []
    return "; ".join([*faults[:MOST_TOLD], *more])


def fault_of(document: Any) -> str | None:
    """What a document lacks of what makes it an object that the lab can apply; None: nothing."""
    if not isinstance(document, dict):
        return f"is a {type(document).__name__}, not a mapping"
    lacking = [key for key in ("apiVersion", "kind") if not isinstance(document.get(key), str)]
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        lacking.append("metadata.name")
    return f"has no {', '.join(lacking)}" if lacking else None


@functools.cache
def code() -> str:
    """Which version of this module runs, as 12 hex digits."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]


def lean(crd: dict[str, Any]) -> dict[str, Any]:
    """The CRD without descriptions, and with a `status` of any shape where its controller alone can write that.

    The status of Calico's Installation repeats all of its spec: it was half of what a preview spent its time on.
    """
    found: dict[str, Any] = without_descriptions(crd)
    for version in found.get("spec", {}).get("versions", []):
        properties = version.get("schema", {}).get("openAPIV3Schema", {}).get("properties", {})
        if "status" in properties and "status" in version.get("subresources", {}):
            properties["status"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return found


def without_descriptions(schema: Any) -> Any:
    """The same without `description` texts; a property that is called description stays."""
    if isinstance(schema, dict):
        return {
            key: without_descriptions(value)
            for key, value in schema.items()
            if not (key == "description" and isinstance(value, str))
        }
    if isinstance(schema, list):
        return [without_descriptions(item) for item in schema]
    return schema
