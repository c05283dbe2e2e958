"""The node image: its archives, the table of images, the node's own files, and how an engine is handed the image."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from supply import images
from supply.images import archive, debian, node, table
from supply.images.archive import Entry, Image

# what `kubeadm config images list --kubernetes-version v1.32.2` prints; `build` asks the real one
KUBEADM_LIST = """\
registry.k8s.io/kube-apiserver:v1.32.2
registry.k8s.io/kube-controller-manager:v1.32.2
registry.k8s.io/kube-scheduler:v1.32.2
registry.k8s.io/kube-proxy:v1.32.2
registry.k8s.io/coredns/coredns:v1.11.3
registry.k8s.io/pause:3.10
registry.k8s.io/etcd:3.5.16-0
"""
LAB_LIST = """\
quay.io/tigera/operator:v1.36.5
docker.io/calico/node:v3.29.2
docker.io/calico/cni:v3.29.2
docker.io/calico/typha:v3.29.2
docker.io/calico/kube-controllers:v3.29.2
ghcr.io/k8snetworkplumbingwg/multus-cni:v4.2.3-thick
ghcr.io/k8snetworkplumbingwg/whereabouts:v0.8.0
docker.io/library/alpine:latest
"""

TWO = (
    Image(name="example.org/one:1", layers=("base", "one"), entrypoint=("/one",), labels={"a": "b"}),
    Image(name="example.org/two:2", layers=("base",), command=("sh",), environment={"PATH": "/bin"}, user="999"),
)


def layers_below(folder: Path) -> dict[str, list[Entry]]:
    folder.mkdir()
    (folder / "program").write_bytes(b"\x7fELF" * 1000)
    return {
        "base": [Entry(path="bin/sh", source=folder / "program"), Entry(path="lib", link="usr/lib")],
        "one": [Entry(path="etc/one", text="one\n", mode=0o644), Entry(path="status", owner=999)],
    }


def blobs(path: Path) -> dict[str, bytes]:
    """All files of an archive, by name."""
    with tarfile.open(path) as opened:
        return {member.name: opened.extractfile(member).read() for member in opened}  # type: ignore[union-attr]


def blob(files: dict[str, bytes], digest: str) -> Any:
    return json.loads(files["blobs/" + digest.replace(":", "/")])


def test_the_same_images_give_the_same_bytes_whenever_and_wherever_they_are_written(tmp_path: Path) -> None:
    for name, time in (("a", 1_000_000_000), ("b", 1_700_000_000)):
        layers = layers_below(tmp_path / name)
        os.utime(tmp_path / name / "program", (time, time))
        archive.write(tmp_path / f"{name}.tar", TWO, layers, architecture="amd64")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_every_blob_is_named_by_its_digest_and_reached_from_the_index(tmp_path: Path) -> None:
    archive.write(tmp_path / "all.tar", TWO, layers_below(tmp_path / "in"), architecture="amd64")
    files = blobs(tmp_path / "all.tar")
    for name in files:
        if name.startswith("blobs/"):
            assert hashlib.sha256(files[name]).hexdigest() == name.rpartition("/")[2]
    reached = {"oci-layout", "index.json"}
    for entry in json.loads(files["index.json"])["manifests"]:
        manifest = blob(files, entry["digest"])
        config = blob(files, manifest["config"]["digest"])
        assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]
        for part in (entry, manifest["config"], *manifest["layers"]):
            name = "blobs/" + part["digest"].replace(":", "/")
            assert part["size"] == len(files[name])
            reached.add(name)
    assert reached == set(files)
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}


def test_images_carry_their_names_and_settings(tmp_path: Path) -> None:
    archive.write(tmp_path / "all.tar", TWO, layers_below(tmp_path / "in"), architecture="arm64")
    files = blobs(tmp_path / "all.tar")
    rows = json.loads(files["index.json"])["manifests"]
    names = [row["annotations"]["io.containerd.image.name"] for row in rows]
    assert names == ["example.org/one:1", "example.org/two:2"]
    configs = [blob(files, blob(files, row["digest"])["config"]["digest"]) for row in rows]
    assert [config["architecture"] for config in configs] == ["arm64", "arm64"]
    assert configs[0]["config"] == {"Entrypoint": ["/one"], "Labels": {"a": "b"}}
    assert configs[1]["config"] == {"Cmd": ["sh"], "Env": ["PATH=/bin"], "User": "999"}


def test_a_layer_that_images_share_is_written_once(tmp_path: Path) -> None:
    archive.write(tmp_path / "all.tar", TWO, layers_below(tmp_path / "in"), architecture="amd64")
    with tarfile.open(tmp_path / "all.tar") as opened:
        names = opened.getnames()
    assert len(names) == len(set(names)) == 2 + 2 * 2 + 2  # layout and index, two of manifest and config, two layers


def test_a_layer_holds_folders_before_what_is_in_them_with_modes_and_owners(tmp_path: Path) -> None:
    out = io.BytesIO()
    archive.write_layer(out, [*layers_below(tmp_path / "in")["one"], Entry(path="tmp", mode=0o1777)])
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as layer:
        found = [(member.name, oct(member.mode), member.uid, member.mtime) for member in layer]
    assert found == [
        ("etc", "0o755", 0, 0),
        ("etc/one", "0o644", 0, 0),
        ("status", "0o755", 999, 0),
        ("tmp", "0o1777", 0, 0),
    ]


def test_two_different_entries_for_one_path_are_an_error() -> None:
    with pytest.raises(ValueError, match="etc/a is in the layer twice"):
        archive.with_parents([Entry(path="etc/a", text="1"), Entry(path="etc/a", text="2")])


@pytest.mark.parametrize("path", ["/etc", "../etc", "a/../b", "a/", "."])
def test_an_entry_cannot_leave_its_layer(path: str) -> None:
    with pytest.raises(ValueError, match="not a plain path"):
        Entry(path=path)


def test_the_nodes_archive_is_one_that_engines_load_and_knows_its_key(tmp_path: Path) -> None:
    content = io.BytesIO()
    archive.write_layer(content, [Entry(path="etc/a", text="a")])
    layer = content.getvalue()
    key = archive.write_single(
        tmp_path / "node.tar", node.IMAGE, io.BytesIO(layer), architecture="amd64", key=images.KEY_LABEL
    )
    files = blobs(tmp_path / "node.tar")
    (row,) = json.loads(files["manifest.json"])
    assert row["RepoTags"] == ["localhost/kalico-node:v1.32.2"]
    assert [files[name] for name in row["Layers"]] == [layer]
    config = json.loads(files[row["Config"]])
    assert config["rootfs"]["diff_ids"] == [key] == ["sha256:" + hashlib.sha256(layer).hexdigest()]
    assert config["config"]["Labels"][images.KEY_LABEL] == key
    assert "kalico.built" in config["config"]["Labels"]
    assert config["config"]["Entrypoint"][:2] == ["/usr/local/bin/entrypoint", "/sbin/init"]
    assert "Cmd" not in config["config"]  # kind's entrypoint takes it for the init to start


@pytest.mark.parametrize("name", (KUBEADM_LIST + LAB_LIST).split())
def test_the_table_has_every_image_of_the_lab(name: str) -> None:
    assert name in {image.name for image in table.IMAGES}


def test_the_table_has_no_image_twice_and_no_layer_for_nothing() -> None:
    names = [image.name for image in table.IMAGES]
    assert len(names) == len(set(names))
    assert {layer for image in table.IMAGES for layer in image.layers} == set(table.LAYERS)


@pytest.mark.parametrize("image", table.IMAGES, ids=lambda image: image.name)
def test_every_image_says_that_it_was_built_here(image: Image) -> None:
    assert image.labels[table.BUILT_LABEL].startswith("here, ")


def test_calicos_images_say_which_source_they_are_built_from() -> None:
    calico = [image for image in table.IMAGES if "/calico/" in image.name]
    assert len(calico) == 4
    for image in calico:
        assert "v3.29.0-6-gb559a70, not v3.29.2" in image.labels[table.BUILT_LABEL]


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Path]:
    """Folders as `build` is given them, with scripts where Debian's programs are asked something."""

    def script(path: Path, body: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    unpacked = tmp_path / "debian"
    library = unpacked / "usr/lib/x86_64-linux-gnu/libc.so.6"
    script(library, "")
    script(unpacked / "usr/lib64/ld-linux-x86-64.so.2", f'echo "	libc.so.6 => {library} (0x00007f)"')
    script(unpacked / "usr/lib/x86_64-linux-gnu/xtables/libxt_mark.so", "")
    for program in ("xtables-nft-multi", "xtables-legacy-multi", "nft", "ipset", "conntrack"):
        script(unpacked / "usr/sbin" / program, "")
    for program in ("bash", "runsv", "runsvdir", "sv", "svlogd", "chpst", "catatonit"):
        script(unpacked / "usr/bin" / program, "")
    names = "bin/ash bin/sh sbin/ip usr/bin/wget usr/bin/nc bin/ping linuxrc"
    script(unpacked / "usr/bin/busybox", f"printf '%s\\n' {names}")
    module = tmp_path / "calico_module/node/filesystem"
    for name in ("sbin/start_runit", "sbin/restart-calico-confd", "sbin/versions"):
        script(module / name, "")
    for name in ("etc/rc.local", "etc/service/available/felix/run", "etc/calico/felix.cfg"):
        script(module / name, "")
        (module / name).chmod(0o444)  # as in Go's module cache
    logs = module / "etc/service/available/felix/log/run"
    script(logs, "")
    logs.write_text("#!/bin/bash\n")
    script(tmp_path / "calico/calico-node", "")
    groups = {group: tmp_path / group for group in images.GROUPS}
    for row in table.LAYERS.values():
        if isinstance(row, table.Programs):
            for source in row.files.values():
                if not source.startswith("debian/"):
                    script(tmp_path / source, "")
    return {**groups, "debian": unpacked}


@pytest.mark.parametrize("name", table.LAYERS)
def test_every_layer_can_be_put_together(name: str, sources: dict[str, Path]) -> None:
    entries = archive.with_parents(table.LAYERS[name](sources))
    assert entries
    assert all(entry.source.is_file() for entry in entries if entry.source)


def test_programs_go_below_usr_where_the_links_of_the_base_lead(sources: dict[str, Path]) -> None:
    base = {entry.path: entry.link for entry in table.busybox(sources)}
    linked = {path for path in base if base[path] == f"usr/{path}"}
    assert linked == {"bin", "sbin", "lib", "lib64"}
    for name, entries in table.LAYERS.items():
        tops = {entry.path.split("/")[0] for entry in entries(sources)}
        assert name == "busybox" or not tops & linked


def test_the_sample_image_has_the_shell_and_the_tools_of_alpine(sources: dict[str, Path]) -> None:
    base = {entry.path: entry.link for entry in table.busybox(sources)}
    assert base["usr/bin/ash"] == base["usr/bin/wget"] == base["usr/bin/nc"] == base["usr/bin/ping"] == "busybox"
    assert base["usr/sbin/ip"] == "../bin/busybox"
    assert "usr/bin/linuxrc" not in base


def test_the_scripts_of_calico_node_can_be_run_though_a_module_has_no_run_bits(sources: dict[str, Path]) -> None:
    modes = {entry.path: entry.mode for entry in table.calico_node(sources)}
    assert modes["etc/rc.local"] == modes["etc/service/available/felix/run"] == 0o755
    assert modes["etc/calico/felix.cfg"] == 0o644


def test_every_script_of_calico_node_can_start(sources: dict[str, Path]) -> None:
    layers = {name: list(entries(sources)) for name, entries in table.LAYERS.items()}
    (image,) = (image for image in table.IMAGES if image.layers[-1] == "calico-node")
    assert archive.unrunnable(image, layers) == []


@pytest.mark.parametrize("first", ["#!/bin/bash", "#!/bin/bash -e", "#! /bin/bash"])
def test_a_script_without_its_interpreter_is_found_before_it_is_in_an_image(first: str) -> None:
    layers = {
        "base": [Entry(path="bin", link="usr/bin"), Entry(path="usr/bin/sh", text="")],
        "one": [
            Entry(path="etc/log/run", text=f"{first}\necho a\n"),
            Entry(path="etc/run", text="#!/bin/sh\n"),
            Entry(path="etc/read", text="#!/bin/bash\n", mode=0o644),
        ],
    }
    image = Image(name="example.org/one:1", layers=("base", "one"))
    assert archive.unrunnable(image, layers) == ["etc/log/run needs /bin/bash"]
    layers["one"].append(Entry(path="usr/bin/bash", text=""))
    assert archive.unrunnable(image, layers) == []


def test_a_program_comes_with_its_loader_and_libraries(sources: dict[str, Path]) -> None:
    found = {entry.path for entry in debian.with_libraries(sources["debian"], ["usr/bin/sv"])}
    assert found == {"usr/bin/sv", "usr/lib64/ld-linux-x86-64.so.2", "usr/lib/x86_64-linux-gnu/libc.so.6"}


def test_a_missing_group_is_named_before_anything_is_made(tmp_path: Path) -> None:
    groups = {group: tmp_path for group in images.GROUPS if group != "operator"}
    with pytest.raises(KeyError, match="operator"):
        images.build(tmp_path / "out", groups, tmp_path, lambda line: None)
    assert not (tmp_path / "out").exists()


def test_a_kubeadm_that_wants_more_than_the_table_has_stops_the_build(tmp_path: Path) -> None:
    kubeadm = tmp_path / "kubeadm"
    kubeadm.write_text(f"#!/bin/sh\ncat <<END\n{KUBEADM_LIST}registry.k8s.io/pause:3.11\nEND\n")
    kubeadm.chmod(0o755)
    with pytest.raises(RuntimeError, match=r"does not have: registry.k8s.io/pause:3.11$"):
        images.build(tmp_path / "out", dict.fromkeys(images.GROUPS, tmp_path), tmp_path, lambda line: None)
    assert not (tmp_path / "out").exists()


def test_debian_roots_hold_the_asked_packages_and_no_manuals(tmp_path: Path) -> None:
    command = debian.bootstrap_command(tmp_path, ("runc", "jq"), variant="minbase")
    assert command[0] == "mmdebstrap"
    assert "--variant=minbase" in command
    assert "--include=runc,jq" in command
    assert "--dpkgopt=path-exclude=/usr/share/man/*" in command
    assert command[-2:] == ["trixie", str(tmp_path)]


def test_units_do_not_ask_for_what_a_machine_without_sys_resource_refuses() -> None:
    unit = "[Service]\nExecStart=/bin/x\nLimitNOFILE=infinity\nOOMScoreAdjust=-999\nTasksMax=infinity\n"
    assert node.relaxed_unit(unit) == "[Service]\nExecStart=/bin/x\nTasksMax=infinity\n"


def test_containerd_leaves_oom_scores_alone_and_finds_cni_where_kubernetes_puts_it() -> None:
    config = node.containerd_config(
        'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\n  restrict_oom_score_adj = false\n'
    )
    assert "restrict_oom_score_adj = true" in config
    assert '[plugins."io.containerd.grpc.v1.cri".cni]\n  bin_dir = "/opt/cni/bin"\n' in config


def test_a_containerd_configuration_of_another_shape_is_not_passed_over() -> None:
    with pytest.raises(ValueError, match="restrict_oom_score_adj"):
        node.containerd_config("version = 3\n")


def test_containers_start_with_kinds_hook_and_without_limits() -> None:
    spec = json.loads(node.base_spec('{"process": {"rlimits": [{"type": "RLIMIT_NOFILE"}], "cwd": "/"}}'))
    assert spec == {
        "process": {"cwd": "/"},
        "hooks": {"createContainer": [{"path": "/kind/bin/mount-product-files.sh"}]},
    }


def test_the_storage_class_that_kind_applies_is_one_it_can_apply() -> None:
    storage = yaml.safe_load(node.STORAGE)
    assert (storage["kind"], storage["metadata"]["name"]) == ("StorageClass", "standard")
    assert storage["provisioner"] == "kubernetes.io/no-provisioner"  # the image has no other


Engine = Callable[[str], dict[str, str]]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """Makes an engine that has the image with the key HAS, notes its loads in `loads` and then has key `k2`."""

    def make(has: str) -> dict[str, str]:
        (tmp_path / "key").write_text(has)
        program = tmp_path / "bin/podman"
        program.parent.mkdir()
        program.write_text(
            f"""#!/bin/sh
cd {tmp_path}
case "$1 $2" in
"image inspect")
  test -s key || exit 1
  case "$4" in *Id*) printf id-of-; esac
  cat key
  ;;
"image rm") echo "$3" >>removed ;;
"load "*)
  echo "$@" >>loads
  test ! -e broken || {{ echo disk full >&2; exit 125; }}
  printf k2 >key
  ;;
*) exit 64 ;;
esac
"""
        )
        program.chmod(0o755)
        return {"PATH": f"{program.parent}:/usr/bin:/bin"}

    (tmp_path / "image.yaml").write_text(yaml.safe_dump({"name": images.NAME, "key": "k2"}))
    return make


def test_an_engine_that_has_the_image_is_left_alone(tmp_path: Path, engine: Engine) -> None:
    assert images.import_into("podman", tmp_path, lambda line: None, engine("k2")) == "localhost/kalico-node:v1.32.2"
    assert not (tmp_path / "loads").exists()


@pytest.mark.parametrize("has", ["", "k1"], ids=["no image", "another key"])
def test_an_engine_without_this_very_image_loads_it_once(tmp_path: Path, engine: Engine, has: str) -> None:
    said: list[str] = []
    env = engine(has)
    for _ in range(2):
        assert images.import_into("podman", tmp_path, said.append, env) == "localhost/kalico-node:v1.32.2"
    assert (tmp_path / "loads").read_text() == f"load --quiet --input {tmp_path}/node.tar\n"
    assert said == ["loading localhost/kalico-node:v1.32.2 into podman"]


def test_an_earlier_image_of_ours_goes_when_a_new_one_has_come(tmp_path: Path, engine: Engine) -> None:
    images.import_into("podman", tmp_path, lambda line: None, engine("k1"))
    assert (tmp_path / "removed").read_text() == "id-of-k1\n"


def test_where_there_was_no_image_of_ours_none_is_removed(tmp_path: Path, engine: Engine) -> None:
    images.import_into("podman", tmp_path, lambda line: None, engine(""))
    assert not (tmp_path / "removed").exists()


def test_an_engine_that_refuses_the_image_is_an_error_with_its_own_words(tmp_path: Path, engine: Engine) -> None:
    env = engine("")
    (tmp_path / "broken").touch()
    with pytest.raises(RuntimeError, match=r"podman did not take .*disk full"):
        images.import_into("podman", tmp_path, lambda line: None, env)
