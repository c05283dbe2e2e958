"""Upstream files: checked whatever they come from, downloaded once, and read without what is of no use."""

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from components.settings import Source
from components.upstream import UpstreamError, documents, fetch, file_name, have, lean

OBJECT = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "lab"}}
CONTENT = json.dumps(OBJECT).encode() + b"\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()

MANIFEST = """
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: labs.example.org}
spec:
  description: long
  versions:
    - description: long
      properties: {description: {type: string, description: long}}
---
---
apiVersion: v1
kind: ConfigMap
metadata: {name: lab}
data: {description: kept}
"""


class Upstream(ThreadingHTTPServer):
    """A web server on loopback with one file, which it can serve whole, cut off, or not at all."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 200
        self.promised = len(CONTENT)
        self.asked: list[str] = []

    def source(self, sha256: str = SHA256) -> Source:
        return Source(location=f"http://127.0.0.1:{self.server_address[1]}/v1/file.yaml", sha256=sha256)


class Handler(BaseHTTPRequestHandler):
    server: Upstream

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(self.server.promised))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_file_is_downloaded_once_and_kept_by_its_checksum(upstream: Upstream, tmp_path: Path) -> None:
    paths = {fetch(upstream.source(), tmp_path) for _ in range(2)}
    assert paths == {tmp_path / "upstream" / SHA256 / "file.yaml"}
    assert paths.pop().read_bytes() == CONTENT
    assert upstream.asked == ["/v1/file.yaml"]
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize(
    ("behind", "name"),
    [
        ("file.yaml?X-Amz-Signature=" + "0" * 300, "file.yaml"),
        ("file.yaml?from=a/b#c/d", "file.yaml"),
        ("f" * 300 + ".yaml", "f" * 95 + ".yaml"),
        ("", "file"),
        ("..", "_"),
        ("a%00b\0c", "a_00b_c"),
    ],
    ids=["signed", "a query with a path", "long", "a folder", "the folder above", "no name of a file"],
)
def test_whatever_a_url_ends_in_its_file_has_a_name(behind: str, name: str) -> None:
    assert file_name(f"https://example.com/v1/{behind}") == name


def test_a_file_behind_a_signed_url_is_downloaded_and_the_signature_in_no_name(
    upstream: Upstream, tmp_path: Path
) -> None:
    source = upstream.source()
    signed = replace(source, location=f"{source.location}?signature={'0' * 300}")
    assert fetch(signed, tmp_path) == tmp_path / "upstream" / SHA256 / "file.yaml"


def test_a_file_that_is_not_the_pinned_one_is_not_kept(upstream: Upstream, tmp_path: Path) -> None:
    with pytest.raises(UpstreamError, match=f"its sha256 is {SHA256}, pinned is {'0' * 64}; nothing was taken"):
        fetch(upstream.source("0" * 64), tmp_path)
    assert files(tmp_path) == []


def test_a_cut_off_download_is_not_kept(upstream: Upstream, tmp_path: Path) -> None:
    upstream.promised += 100
    with pytest.raises(UpstreamError, match=r"file\.yaml cannot be downloaded"):
        fetch(upstream.source(), tmp_path)
    assert files(tmp_path) == []


def test_a_refusal_says_what_to_do(upstream: Upstream, tmp_path: Path) -> None:
    upstream.status = 403
    with pytest.raises(UpstreamError, match=r"403.*run `make up`.*name a copy in the config"):
        fetch(upstream.source(), tmp_path)
    assert files(tmp_path) == []


def test_a_server_that_is_not_there_is_an_error_of_the_same_kind(tmp_path: Path) -> None:
    with Upstream() as server:
        source = server.source()
    with pytest.raises(UpstreamError, match="cannot be downloaded"):
        fetch(source, tmp_path)


def test_a_file_of_ones_own_is_checked_and_taken_from_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(CONTENT)
    assert fetch(Source(location=str(path), sha256=SHA256), tmp_path / "cache") == path
    assert files(tmp_path / "cache") == [tmp_path / "cache/checked" / SHA256]


def test_a_file_of_ones_own_may_lie_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.yaml").write_bytes(CONTENT)
    assert fetch(Source(location="~/mine.yaml", sha256=SHA256), tmp_path) == tmp_path / "mine.yaml"


def test_a_file_of_ones_own_that_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(CONTENT + b"# changed")
    with pytest.raises(UpstreamError, match=f"pinned is {SHA256}"):
        fetch(Source(location=str(path), sha256=SHA256), tmp_path)


def test_a_file_of_ones_own_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UpstreamError, match=r"gone\.yaml: there is no such file"):
        fetch(Source(location=str(tmp_path / "gone.yaml"), sha256=SHA256), tmp_path)


def test_descriptions_go_from_kinds_alone_and_empty_documents_from_all(tmp_path: Path) -> None:
    path = tmp_path / "manifest.yaml"
    path.write_text(MANIFEST)
    source = Source(location=str(path), sha256=hashlib.sha256(MANIFEST.encode()).hexdigest())
    expected = [
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "labs.example.org"},
            "spec": {"versions": [{"properties": {"description": {"type": "string"}}}]},
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "lab"}, "data": {"description": "kept"}},
    ]
    assert documents(source, tmp_path / "cache") == expected
    # Read again, it comes from what was kept.
    [kept] = (tmp_path / "cache/documents").iterdir()
    assert json.loads(kept.read_text()) == expected
    kept.write_text('[{"kind": "Kept"}]')
    assert documents(source, tmp_path / "cache") == [{"kind": "Kept"}]


@pytest.mark.parametrize(
    ("subresources", "status"),
    [
        ({"status": {}}, {"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
        ({}, {"properties": {"phase": {"type": "string"}}}),
    ],
    ids=["its controller's alone", "anybody's"],
)
def test_a_status_is_of_any_shape_where_users_cannot_write_it(
    subresources: dict[str, Any], status: dict[str, Any]
) -> None:
    spec = {"properties": {"replicas": {"type": "integer"}}}
    own = {"properties": {"phase": {"type": "string"}}}
    schema = {"openAPIV3Schema": {"properties": {"spec": spec, "status": own}}}
    crd = {"spec": {"versions": [{"subresources": subresources, "schema": schema}]}}
    [version] = lean(crd)["spec"]["versions"]
    assert version["schema"]["openAPIV3Schema"]["properties"] == {"spec": spec, "status": status}
    assert schema["openAPIV3Schema"]["properties"]["status"] is own


def test_what_another_version_of_the_program_kept_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "manifest.yaml"
    path.write_bytes(CONTENT)
    source = Source(location=str(path), sha256=SHA256)
    monkeypatch.setattr("components.upstream.code", lambda: "before")
    documents(source, tmp_path / "cache")
    [kept] = (tmp_path / "cache/documents").iterdir()
    kept.write_text('[{"kind": "Kept"}]')
    monkeypatch.undo()
    assert documents(source, tmp_path / "cache") == [OBJECT]


@pytest.mark.parametrize("name", ["documents.json", "checked", SHA256])
def test_what_is_kept_of_a_file_is_never_taken_for_a_file_upstream(
    upstream: Upstream, tmp_path: Path, name: str
) -> None:
    """A file of one's own and one upstream with the same content share the sha256, whatever their names."""
    own = tmp_path / "mine.yaml"
    own.write_bytes(CONTENT)
    documents(Source(location=str(own), sha256=SHA256), tmp_path / "cache")
    there = upstream.source().location.replace("file.yaml", name)
    assert fetch(Source(location=there, sha256=SHA256), tmp_path / "cache").read_bytes() == CONTENT
    assert documents(Source(location=there, sha256=SHA256), tmp_path / "cache") == [OBJECT]


def test_a_file_of_ones_own_that_changes_is_checked_again(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(CONTENT)
    source = Source(location=str(path), sha256=SHA256)
    assert fetch(source, tmp_path / "cache") == path
    path.write_bytes(CONTENT + b"#")
    fetch.cache_clear()  # another run
    with pytest.raises(UpstreamError, match="pinned is"):
        fetch(source, tmp_path / "cache")


def pinned(folder: Path, content: bytes) -> Source:
    """A file of one's own with that content, and the sha256 that it really has."""
    path = folder / "mine.yaml"
    path.write_bytes(content)
    return Source(location=str(path), sha256=hashlib.sha256(content).hexdigest())


GOOD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: lab}\n"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"kind: [", "did not find expected node content"),
        (b"\x1f\x8b\x08\x00\xff", "unacceptable|codec|invalid"),
        (b"<html>no such page</html>", "document 1 is a str, not a mapping"),
        (b"- 1\n- 2\n", "document 1 is a list, not a mapping"),
        (b"name: lab\n", r"document 1 has no apiVersion, kind, metadata\.name;"),
        (b"apiVersion: v1\nkind: 7\nmetadata: {name: lab}\n", "document 1 has no kind;"),
        (b"apiVersion: v1\nkind: ConfigMap\nmetadata: [lab]\n", r"document 1 has no metadata\.name;"),
        (f"{GOOD}---\n{GOOD}---\n{{}}\n---\n7\n".encode(), "objects: document 4 is a int, not a mapping;"),
        (f"{GOOD}data: {{since: 2026-01-02}}\n".encode(), "date is not JSON serializable"),
        (f"{GOOD}data: {{since: 2026-13-32}}\n".encode(), "month must be in"),
        (f"{GOOD}data: &all {{all: *all}}\n".encode(), "Circular reference"),
        (b"", "there is no document in it"),
        (b"1\n---\n2\n---\n3\n---\n4\n", "document 3 is a int, not a mapping; 1 more; name another file"),
    ],
)
def test_a_pinned_file_that_holds_no_kubernetes_objects_is_refused_by_its_name(
    tmp_path: Path, content: bytes, fault: str
) -> None:
    source = pinned(tmp_path, content)
    with pytest.raises(UpstreamError, match=fault) as refused:
        documents(source, tmp_path / "cache")
    assert str(refused.value).startswith(f"{source.location} is no file of Kubernetes objects: ")
    assert str(refused.value).endswith("; name another file in the config (source and sha256)")
    assert not (tmp_path / "cache/documents").exists()


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("~nobody-of-this-name/mine.yaml", "there can be no such file .*home directory"),
        ("/" + 300 * "x", r"there can be no such file \(File name too long\)"),
        ("/proc/self/mem", r"cannot be read \(Input/output error\)"),
    ],
)
def test_a_file_that_cannot_be_looked_at_is_an_error_of_the_same_kind(
    tmp_path: Path, location: str, reason: str
) -> None:
    with pytest.raises(UpstreamError, match=reason + ".*; name another file in the config"):
        fetch(Source(location=location, sha256=SHA256), tmp_path)


def test_one_file_that_cannot_be_had_is_told_by_itself_and_an_archive_is_not_read(tmp_path: Path) -> None:
    good = pinned(tmp_path, CONTENT)
    (tmp_path / "cni.tgz").write_bytes(b"\x1f\x8b")
    archive = Source(location=str(tmp_path / "cni.tgz"), sha256=hashlib.sha256(b"\x1f\x8b").hexdigest())
    have([good], archive, tmp_path / "cache")
    with pytest.raises(UpstreamError, match=r"^\S+gone\.tgz: there is no such file"):
        have([good], Source(location=str(tmp_path / "gone.tgz"), sha256=SHA256), tmp_path / "cache")
