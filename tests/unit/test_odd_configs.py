"""No config, however odd, ends in anything but settings or its faults."""

from contextlib import suppress
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from components.settings import ConfigError, LabSettings, load
from tests.lab_config import PINS, config, network

KNOWN_KEYS = sorted({*config(), "calicoManifest", "multusManifest", "cniPluginsArchive", "featureGates"})
INNER_KEYS = [
    *("name", "subnet", "gateway", "parent", "mode", "ipam", "image", "command", "networks"),
    *("type", "rangeStart", "rangeEnd", "routes", "dst", "source", "sha256"),
]
ODD_TEXTS = [
    *("", " ", "\n", "\x00", "0", "-1", "9" * 5000, "true", "v1", "host-local", "bridge", "ext-net", "samplepod"),
    *("0.0.0.0/0", "0.0.0.0/32", "255.255.255.255/32", "10.0.0.0/31", "10.0.0.0/30", "10.0.0.0/28", "10.23.0.0/16"),
    *("0.0.0.1", "255.255.255.255", "10.23.0.1", "10.23.255.255", "10.0.0.0/33", "::", "fe80::1%eth0/64", "1.2.3.4/a"),
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=4)
    | st.dates()
    | st.sampled_from(ODD_TEXTS)
    | st.ip_addresses(network="10.23.0.0/16").map(str)
)
KEYS = st.sampled_from(INNER_KEYS) | st.text(max_size=8) | st.integers() | st.none() | st.booleans()
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=12
)
LISTS = st.lists(st.dictionaries(st.sampled_from(INNER_KEYS), ANYTHING, max_size=6), max_size=3)


@given(st.dictionaries(st.sampled_from(KNOWN_KEYS) | st.text(max_size=12), ANYTHING | LISTS, max_size=8))
@example({"featureGates": {1: True, "a": True}})
@example({"networks": [{"name": "a", "subnet": "0.0.0.0/0"}]})
def test_no_config_however_odd_ends_in_anything_but_settings_or_its_faults(odd: dict[str, Any]) -> None:
    with suppress(ConfigError):
        assert isinstance(load(config() | odd, PINS, "amd64"), LabSettings)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "subnet": st.sampled_from(ODD_TEXTS),
            "gateway": st.sampled_from(ODD_TEXTS) | ANYTHING,
            "mode": ANYTHING,
            "parent": ANYTHING,
            "ipam": st.dictionaries(st.sampled_from(INNER_KEYS), st.sampled_from(ODD_TEXTS) | ANYTHING, max_size=4),
        },
    )
)
def test_no_network_however_odd_ends_in_anything_but_settings_or_its_faults(odd: dict[str, Any]) -> None:
    with suppress(ConfigError):
        assert isinstance(load(config(networks=[network() | odd]), PINS, "amd64"), LabSettings)
