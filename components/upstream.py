"""Files that others publish: downloaded once, checked by sha256, kept in the cache."""

import hashlib
import tempfile
from pathlib import Path
from typing import Any

import requests
import yaml

from components.settings import Source

TIMEOUT = (5, 30)
"""Seconds to connect, and between two pieces of an answer."""


class UpstreamError(RuntimeError):
    """A file cannot be had, or is not what was pinned; says which and what to do."""


def fetch(source: Source, cache: Path) -> Path:
    """The path of the file that `source` names, known to have its sha256."""
    if "://" not in source.location:
        path = Path(source.location).expanduser()
        if not path.is_file():
            raise UpstreamError(f"{path}: there is no such file (named as a source in the config)")
        check(path.read_bytes(), source)
        return path
    path = cache / "upstream" / source.sha256 / source.location.rsplit("/", 1)[-1]
    if not path.exists():
        content = download(source)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as part:
            part.write(content)
        Path(part.name).replace(path)
    return path


def download(source: Source) -> bytes:
    """The content behind a URL, checked."""
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


def documents(path: Path) -> list[dict[str, Any]]:
    """The Kubernetes objects in a YAML file. CRDs come without descriptions, which are two thirds of them."""
    with path.open() as file:
        # The pure Python loader takes two seconds for the operator's file, libyaml's a tenth of that.
        loaded = [document for document in yaml.load_all(file, Loader=yaml.CSafeLoader) if document]
    return [without_descriptions(doc) if doc["kind"] == "CustomResourceDefinition" else doc for doc in loaded]


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
