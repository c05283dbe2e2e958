"""Whose word counts: the stack's over the site's over the default; and how the program reads all three."""

import json
import re
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime import set_all_config

from components.config import load_settings, merged
from components.settings import ConfigError, Fault, Source, load
from components.settings.lab import EngineChoice
from tests.lab_config import DECLARED, PINS, config, faults, lab

TYPES: dict[str, dict[str, Any]] = {
    "name": {"type": "string", "default": "kalico"},
    "count": {"type": "integer", "default": 1},
    "on": {"type": "boolean", "default": True},
    "off": {"type": "boolean", "default": False},
    "list": {"type": "array", "default": [{"a": 1}]},
    "map": {"type": "object", "default": {}},
    "text": {"type": "string", "default": ""},
}

SAID: list[tuple[str, Any, Any, Any]] = [
    # The key, the stack's word as Pulumi hands it over, the site's word, and the default.
    ("name", "stack", "site", "kalico"),
    ("count", "3", 2, 1),
    ("on", "false", False, True),
    ("off", "true", True, False),
    ("list", '[{"b": 2}]', [{"c": 3}], [{"a": 1}]),
    ("map", '{"stack": true}', {"site": True}, None),
    ("text", "stack", "site", None),
]


def decoded(key: str, word: str) -> Any:
    return word if TYPES[key]["type"] == "string" else json.loads(word)


@pytest.mark.parametrize(("key", "stack", "site", "default"), SAID)
def test_the_stack_is_over_the_site_and_the_site_over_the_default(
    key: str, stack: str, site: Any, default: Any
) -> None:
    assert merged(TYPES, {key: stack}, {key: site})[key] == decoded(key, stack)
    assert merged(TYPES, {}, {key: site})[key] == site
    assert merged(TYPES, {}, {}).get(key) == default


@pytest.mark.parametrize(("key", "stack", "site", "default"), SAID)
def test_a_default_that_pulumi_puts_into_the_stack_is_not_the_stacks_word(
    key: str, stack: str, site: Any, default: Any
) -> None:
    value = TYPES[key]["default"]
    filled_in = value if isinstance(value, str) else json.dumps(value)
    assert merged(TYPES, {key: filled_in}, {key: site})[key] == site


def test_keys_that_are_not_declared_go_on_to_be_refused() -> None:
    assert merged(TYPES, {"rangeStop": "1"}, {"colour": "red"}) == {
        "name": "kalico",
        "count": 1,
        "on": True,
        "off": False,
        "list": [{"a": 1}],
        "rangeStop": "1",
        "colour": "red",
    }


def test_an_empty_value_that_is_no_default_goes_on_to_be_refused() -> None:
    values = merged(TYPES, {"list": "{}", "name": ""}, {"count": {}})
    assert {key: values[key] for key in ("list", "name", "count")} == {"list": {}, "name": "", "count": {}}


@pytest.mark.parametrize(
    ("key", "word"),
    [("list", "- a"), ("count", "1.0"), ("count", "true"), ("count", "null"), ("on", "1"), ("on", "yes")],
)
def test_a_word_that_is_not_of_its_keys_type_goes_on_to_be_refused_as_it_is(key: str, word: str) -> None:
    assert merged(TYPES, {key: word}, {key: None})[key] == word


def test_feature_gates_are_put_together_gate_by_gate_and_nothing_else_is() -> None:
    machine = {"featureGates": {"KubeletInUserNamespace": True, "Machines": True}, "nodeAnnotations": {"bnk": True}}
    company = {"featureGates": {"Machines": False, "Companys": True}}
    given = {"featureGates": '{"Companys": false, "Stacks": true}', "nodeAnnotations": '{"network": "lan"}'}
    values = merged(DECLARED, given, machine, company)
    gates = {"KubeletInUserNamespace": True, "Machines": False, "Companys": False, "Stacks": True}
    assert (values["featureGates"], values["nodeAnnotations"]) == (gates, {"network": "lan"})


def test_feature_gates_that_are_no_mapping_go_on_to_be_refused() -> None:
    assert merged(DECLARED, {"featureGates": "All"}, {"featureGates": {"A": True}})["featureGates"] == "All"
    assert merged(DECLARED, {}, {"featureGates": ["A"]})["featureGates"] == ["A"]


OF_A_VERSION = [
    ("calicoVersion", "calicoManifest"),
    ("multusVersion", "multusManifest"),
    ("multusVersion", "multusImage"),
    ("cniPluginsVersion", "cniPluginsArchive"),
    ("whereaboutsVersion", "whereaboutsManifest"),
    ("whereaboutsVersion", "whereaboutsPoolsManifest"),
    ("whereaboutsVersion", "whereaboutsReservationsManifest"),
    ("whereaboutsVersion", "whereaboutsImage"),
]
SITES = {"source": "/srv/site", "sha256": "a" * 64}
STACKS = {"source": "/srv/stack", "sha256": "b" * 64}


@pytest.mark.parametrize(("version", "key"), OF_A_VERSION)
def test_what_the_site_names_is_taken_for_no_other_version_that_the_stack_says(version: str, key: str) -> None:
    assert key not in merged(DECLARED, {version: "v9.9.9"}, {key: SITES})
    assert key not in merged(DECLARED, {version: "v9.9.9"}, {version: "v9.9.8", key: SITES})


@pytest.mark.parametrize(("version", "key"), OF_A_VERSION)
def test_what_the_site_names_stays_where_the_version_is_the_sites(version: str, key: str) -> None:
    for given in ({}, {version: DECLARED[version]["default"]}, {version: "v9.9.9"}):
        assert merged(DECLARED, given, {version: "v9.9.9", key: SITES})[key] == SITES
    assert merged(DECLARED, {version: DECLARED[version]["default"]}, {key: SITES})[key] == SITES


@pytest.mark.parametrize(("version", "key"), OF_A_VERSION)
def test_what_the_stack_names_is_taken_for_any_version(version: str, key: str) -> None:
    for said in ({}, {version: "v9.9.8", key: SITES}):
        assert merged(DECLARED, {version: "v9.9.9", key: STACKS}, said)[key] == STACKS


def test_a_pinned_version_that_the_stack_says_is_taken_whole_and_not_from_the_site() -> None:
    pins = {"v9.9.9": {"url": "https://published.lab/multus.yaml", "sha256": "c" * 64}}
    site = {"multusManifest": SITES, "multusImage": "localhost/multus:4.2.3"}
    values = merged(DECLARED, {"multusVersion": "v9.9.9"}, site)
    taken = load(values, PINS | {"multus-thick": PINS["multus-thick"] | pins}, "amd64")
    assert taken.multus_manifest == Source(location="https://published.lab/multus.yaml", sha256="c" * 64)
    assert taken.multus_image == "ghcr.io/k8snetworkplumbingwg/multus-cni:v9.9.9-thick"


def test_the_declared_defaults_are_the_config_of_the_default_lab() -> None:
    assert merged(DECLARED, {}, {}) == config()


def test_faults_of_the_config_are_told_with_those_of_the_machine(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = ConfigError((Fault(key="networks[0].parent", problem="is missing", remedy="take another"),))
    monkeypatch.setattr("components.config.with_machines", lambda error: ConfigError((*error.faults, *more.faults)))
    set_all_config({"kalico:worker": "2"})
    with pytest.raises(pulumi.RunError, match=r"^2 faults .*\n  - worker: .*\n  - networks\[0\]\.parent: is missing"):
        load_settings()


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No config of the stack, an empty site file, and a machine that is in the way of nothing."""
    site = tmp_path / "site.yaml"
    site.touch()
    monkeypatch.setenv("KALICO_SITE", str(site))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("components.config.with_machines", lambda error: error)
    set_all_config({})
    return site


@pytest.mark.parametrize("named", [None, ""], ids=["unset", "empty"])
def test_without_a_site_file_the_stack_and_the_defaults_are_all(
    stack: Path, monkeypatch: pytest.MonkeyPatch, named: str | None
) -> None:
    monkeypatch.setenv("KALICO_SITE", named) if named is not None else monkeypatch.delenv("KALICO_SITE")
    set_all_config({"kalico:clusterName": "other", "somebody:clusterName": "theirs"})
    assert load_settings() == lab(clusterName="other")


def test_a_site_file_is_over_the_defaults_and_under_the_stack(stack: Path) -> None:
    stack.write_text(yaml.safe_dump({"nodeImage": "localhost/node:1", "engine": "docker"}))
    set_all_config({"kalico:engine": "podman"})
    settings = load_settings()
    assert (settings.node_image, settings.engine) == ("localhost/node:1", EngineChoice.PODMAN)


def test_a_version_that_is_known_to_nobody_is_refused_though_the_site_names_the_file_of_another(stack: Path) -> None:
    stack.write_text(yaml.safe_dump({"calicoManifest": SITES}))
    assert load_settings().calico_manifest.location == "/srv/site"
    set_all_config({"kalico:calicoVersion": "v9.9.9"})
    with pytest.raises(pulumi.RunError, match=r"calicoVersion: no checksum is known for 'v9\.9\.9'.*`calicoManifest`"):
        load_settings()


def test_of_several_site_files_a_later_one_goes_before_key_by_key(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    company = stack.with_name("company.yaml")
    monkeypatch.setenv("KALICO_SITE", f"{stack}:{company}")
    stack.write_text(yaml.safe_dump({"nodeImage": "localhost/node:1", "dhcpServerImage": "localhost/dnsmasq:1"}))
    company.write_text(yaml.safe_dump({"nodeImage": "mirror.lab/node:2", "workers": 2}))
    set_all_config({"kalico:workers": "3"})
    settings = load_settings()
    assert (settings.node_image, settings.dhcp_server_image) == ("mirror.lab/node:2", "localhost/dnsmasq:1")
    assert settings.workers == 3


def test_a_site_file_among_several_that_cannot_be_read_is_named(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = stack.with_name("gone.yaml")
    monkeypatch.setenv("KALICO_SITE", f"{stack}:{gone}")
    with pytest.raises(pulumi.RunError, match=rf"^{re.escape(str(gone))} \(KALICO_SITE\) cannot be read"):
        load_settings()


def test_a_site_files_manifest_is_not_taken_for_the_version_of_a_later_one() -> None:
    machine, company = {"calicoManifest": SITES}, {"calicoVersion": "v9.9.9"}
    assert "calicoManifest" not in merged(DECLARED, {}, machine, company)
    assert merged(DECLARED, {}, machine, {"calicoVersion": DECLARED["calicoVersion"]["default"]}) == config(**machine)


def test_an_empty_site_file_says_nothing(stack: Path) -> None:
    assert load_settings() == lab()


def test_a_site_file_that_is_named_and_not_there_ends_the_program(stack: Path) -> None:
    stack.unlink()
    with pytest.raises(pulumi.RunError, match=r"site\.yaml \(KALICO_SITE\) cannot be read .*No such file.*unset"):
        load_settings()


@pytest.mark.parametrize(
    "content",
    [b"a: [1", b"\xff", b"\x00", b"n: " + b"9" * 5000, b"[" * 5000],
    ids=["cut off", "no text", "binary", "a huge number", "too deep"],
)
def test_a_site_file_that_cannot_be_read_ends_the_program(stack: Path, content: bytes) -> None:
    stack.write_bytes(content)
    with pytest.raises(pulumi.RunError, match=r"site\.yaml \(KALICO_SITE\) cannot be read"):
        load_settings()


def test_a_site_file_is_checked_as_the_stack_is(stack: Path) -> None:
    stack.write_text(yaml.safe_dump({"nodeImages": "localhost/node:1"}))
    with pytest.raises(pulumi.RunError, match=r"nodeImages: unknown key; did you mean `nodeImage`\?"):
        load_settings()


def test_the_plugins_are_of_the_machines_architecture(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert load_settings().cni_plugins.location.endswith("cni-plugins-linux-arm64-v1.8.0.tgz")


@pytest.mark.parametrize("key", DECLARED)
def test_a_declared_key_has_a_type_a_default_and_a_description(key: str) -> None:
    assert DECLARED[key].keys() >= {"type", "default", "description"}
    assert DECLARED[key]["description"].strip()


@pytest.mark.parametrize("key", DECLARED)
def test_a_declared_key_is_read(key: str) -> None:
    """A value that nothing can use is a fault of that key, or of what is in it, or the key is not read."""
    found = faults(**{key: 3.5})
    assert any(fault.key == key or fault.key.startswith((f"{key}.", f"{key}[")) for fault in found)
    assert not any(fault.problem == "unknown key" for fault in found)


def test_the_program_asks_for_no_key_that_is_not_declared() -> None:
    """The message about an unknown key lists all that are asked for."""
    [fault] = faults(xyz=1)
    assert fault.remedy == f"known here: {', '.join(sorted(DECLARED))}"
