"""Files that others publish: downloaded once, checked by sha256, kept in the cache.

upstream/SHA256/NAME   a file as it was published
checked/SHA256         the state in which a file of one's own was last found to be the pinned one
documents/SHA256-CODE  the Kubernetes objects that this module reads out of a file
"""

import functools
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import yaml

from components.settings import Source

CRD = "CustomResourceDefinition"
TIMEOUT = (5, 30)
"""Seconds to connect, and between two pieces of an answer."""


class UpstreamError(RuntimeError):
    """A file cannot be had, or is not what was pinned; says which and what to do."""


@functools.cache
def fetch(source: Source, cache: Path) -> Path:
    """The path of the file that `source` names, known to have its sha256. Raises UpstreamError."""
    if "://" not in source.location:
        path = Path(source.location).expanduser()
        if not path.is_file():
            raise UpstreamError(f"{path}: there is no such file (named as a source in the config)")
        # A large file takes a tenth of a second to check, and every preview asks: once for each state of it.
        state = f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}"
        checked = cache / "checked" / source.sha256
        if not checked.exists() or checked.read_text() != state:
            check(path.read_bytes(), source)
            keep(checked, state.encode())
        return path
    path = cache / "upstream" / source.sha256 / source.location.rsplit("/", 1)[-1]
    if not path.exists():
        keep(path, download(source))
    return path


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


def documents(source: Source, cache: Path) -> list[dict[str, Any]]:
    """The Kubernetes objects in a YAML file. CRDs come without what is two thirds of them, see `lean`.

    What was read is kept as JSON: every preview reads it, and YAML takes ten times as long. What another version of
    this module kept is not taken.
    """
    path = fetch(source, cache)
    kept = cache / "documents" / f"{source.sha256}-{code()}.json"
    if not kept.exists():
        with path.open() as file:
            # The pure Python loader takes two seconds for the operator's file, libyaml's a tenth of that.
            loaded = [document for document in yaml.load_all(file, Loader=yaml.CSafeLoader) if document]
        stripped = [lean(doc) if doc["kind"] == CRD else doc for doc in loaded]
        keep(kept, json.dumps(stripped).encode())
    read: list[dict[str, Any]] = json.loads(kept.read_bytes())
    return read


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
