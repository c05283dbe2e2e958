"""What differs between the engines, and which one a lab gets."""

import shutil
import subprocess
from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from components.engines import ENGINES, TIMEOUT, Answer, Engine, EngineError, Standing, ask, choose, unfit
from components.settings import NetworkSettings
from components.settings.lab import EngineChoice
from components.settings.machine import FEATURES
from components.settings.plugins import MacvlanMode
from tests.lab_config import lab, network

WORDS = {
    "docker": (
        *("--driver", "macvlan", "--internal"),
        *("--opt", "macvlan_mode=bridge"),
        *("--label", "kalico.subnet=10.23.0.0/16"),
        *("--subnet", "10.23.0.0/16", "--ip-range", "10.23.254.0/24"),
        *("--gateway", "10.23.0.1"),
    ),
    "podman": (
        *("--driver", "macvlan", "--internal"),
        *("--opt", "mode=bridge"),
        *("--label", "kalico.subnet=10.23.0.0/16"),
        *("--ipam-driver", "none"),
    ),
}


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_makes_the_seeds_network_of_these_words(name: str) -> None:
    assert ENGINES[name].network_words(lab().networks[0]) == WORDS[name]


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("mode", list(MacvlanMode))
def test_an_engine_is_told_the_mode_by_its_own_option(name: str, mode: MacvlanMode) -> None:
    words = ENGINES[name].network_words(lab(networks=[network(mode=mode.value)], pods=[]).networks[0])
    assert words[words.index("--opt") + 1] == f"{ENGINES[name].mode_option}={mode.value}"


@pytest.mark.parametrize(("name", "said"), [("docker", []), ("podman", ["--opt", "mtu=1400"])])
def test_an_engine_is_told_the_mtu_where_its_macvlan_networks_have_one(name: str, said: list[str]) -> None:
    plain = list(WORDS[name])
    place = plain.index("--label")
    words = ENGINES[name].network_words(lab(networks=[network(mtu=1400)]).networks[0])
    assert list(words) == [*plain[:place], *said, *plain[place:]]


@pytest.mark.parametrize("name", ENGINES)
def test_a_network_without_a_gateway_has_none_on_any_engine(name: str) -> None:
    bare = lab(networks=[network(without="gateway", ipam={"routes": []})]).networks[0]
    assert "--gateway" not in ENGINES[name].network_words(bare)


@pytest.mark.parametrize("name", ENGINES)
def test_no_engine_gives_a_node_an_address_of_the_pods_or_the_gateways(name: str) -> None:
    words = ENGINES[name].network_words(lab().networks[0])
    if "--ipam-driver" in words:
        assert words[words.index("--ipam-driver") + 1] == "none"
        return
    nodes = IPv4Network(words[words.index("--ip-range") + 1])
    [settings] = lab().networks
    occupied = settings.ipam.occupies()
    assert occupied
    assert not any(address in nodes for span in occupied for address in span)
    assert settings.gateway not in nodes


def test_every_engine_can_be_chosen_and_nothing_else() -> None:
    assert {choice.value for choice in EngineChoice} - {"auto"} == set(ENGINES)
    assert [engine.name for engine in ENGINES.values()] == list(ENGINES)


def never(engine: Engine) -> Answer:
    raise AssertionError(f"{engine.name} was asked")


def everyone(standing: Standing) -> Callable[[Engine], Answer]:
    return lambda engine: Answer(standing=standing)


def only(name: str) -> Callable[[Engine], Answer]:
    """A machine on which this engine can be used and no other."""
    return lambda engine: Answer(standing=Standing.USABLE if engine.name == name else Standing.SILENT)


@pytest.mark.parametrize("name", ENGINES)
def test_a_named_engine_is_taken_whatever_ran_the_lab_before(name: str) -> None:
    assert {choose(EngineChoice(name), used, only(name)).name for used in (None, *ENGINES)} == {name}


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_that_runs_the_lab_is_not_asked_again(name: str) -> None:
    assert choose(EngineChoice(name), name, never) is ENGINES[name]


@pytest.mark.parametrize("name", ENGINES)
def test_auto_stays_with_the_engine_that_runs_the_lab(name: str) -> None:
    assert choose(EngineChoice.AUTO, name, never) is ENGINES[name]


@pytest.mark.parametrize("name", ENGINES)
def test_auto_takes_the_one_that_answers(name: str) -> None:
    assert choose(EngineChoice.AUTO, None, only(name)) is ENGINES[name]


def test_auto_takes_the_first_of_kinds_own_order_where_both_answer() -> None:
    assert choose(EngineChoice.AUTO, None, everyone(Standing.USABLE)).name == "docker"


def test_a_record_of_an_engine_that_is_not_known_counts_as_none() -> None:
    assert choose(EngineChoice.AUTO, "nerdctl", only("podman")).name == "podman"


def test_an_engine_named_anew_is_asked_though_another_runs_the_lab() -> None:
    assert choose(EngineChoice.DOCKER, "podman", only("docker")).name == "docker"


def test_no_engine_at_all_says_who_was_asked_and_what_to_do() -> None:
    with pytest.raises(EngineError, match=r"(?s)docker does not answer.*podman does not answer.*make up.*config set"):
        choose(EngineChoice.AUTO, None, only(""))


@pytest.mark.parametrize("name", ENGINES)
def test_a_rootless_engine_is_refused_by_name(name: str) -> None:
    with pytest.raises(EngineError, match=f"{name} runs without root"):
        choose(EngineChoice(name), None, everyone(Standing.ROOTLESS))


def test_what_an_engines_client_said_is_in_the_refusal() -> None:
    with pytest.raises(EngineError, match=r"- docker does not answer: .*; permission denied on the socket\n"):
        choose(
            EngineChoice.DOCKER,
            None,
            lambda _: Answer(standing=Standing.SILENT, said="permission denied on the socket"),
        )


@pytest.mark.parametrize("standing", [Standing.USABLE, Standing.APART])
def test_an_engine_that_cannot_make_the_lab_is_passed_over_with_its_reason(standing: Standing) -> None:
    def unfit(engine: Engine, found: Standing) -> str | None:
        assert found is standing
        return "lacks what it takes" if engine.name == "docker" else None

    assert choose(EngineChoice.AUTO, None, everyone(standing), unfit).name == "podman"
    assert choose(EngineChoice.AUTO, "docker", never, unfit).name == "docker"
    with pytest.raises(EngineError, match="- docker lacks what it takes\n"):
        choose(EngineChoice.DOCKER, None, everyone(standing), unfit)


ISLAND, ON_A_LINK = lab().networks, lab(networks=[network(parent="eth7")]).networks
JUMBO = lab(networks=[network(mtu=1501)]).networks
BRIDGE = lab(networks=[network(without="mode", plugin="bridge")]).networks
ALL_KINDS = frozenset(FEATURES)


@pytest.mark.parametrize(
    ("name", "standing", "networks", "makes_links", "features", "reason"),
    [
        ("docker", Standing.USABLE, ISLAND, False, ALL_KINDS, None),
        ("docker", Standing.USABLE, ISLAND, True, ALL_KINDS - {"dummy"}, None),
        (
            *("docker", Standing.USABLE, ISLAND, False, ALL_KINDS - {"dummy"}),
            "cannot make an isolated link (the kernel has no dummy module) for network ext-net, "
            "and only root may make a bridge instead: run as root or name a `parent`",
        ),
        ("podman", Standing.USABLE, ISLAND, True, frozenset(), None),
        (
            *("podman", Standing.USABLE, ISLAND, False, ALL_KINDS),
            "makes no isolated link for network ext-net, "
            "and only root may make a bridge instead: run as root or name a `parent`",
        ),
        ("docker", Standing.USABLE, ON_A_LINK, False, frozenset(), None),
        ("podman", Standing.USABLE, ON_A_LINK, False, frozenset(), None),
        # The kernel of its virtual machine is not the one that was looked at.
        ("docker", Standing.APART, ISLAND, False, frozenset(), None),
        (
            *("docker", Standing.APART, ON_A_LINK, True, ALL_KINDS),
            "keeps its networks in a virtual machine (Docker Desktop), apart from the machine's links: there is no "
            "`parent` of network ext-net; without `parent` it is an island in that virtual machine, which works",
        ),
        (
            *("docker", Standing.USABLE, JUMBO, False, ALL_KINDS),
            "makes no isolated link with the `mtu` of network ext-net, "
            "and only root may make a bridge instead: run as root, give 1500 or less, or name a `parent`",
        ),
        ("docker", Standing.USABLE, JUMBO, True, ALL_KINDS, None),
        ("docker", Standing.USABLE, lab(networks=[network(mtu=1500)]).networks, False, ALL_KINDS, None),
        (
            *("docker", Standing.APART, JUMBO, True, ALL_KINDS),
            "keeps its networks in a virtual machine (Docker Desktop), apart from the machine's links: "
            "a bridge for the `mtu` of network ext-net would not be there; give 1500 or less",
        ),
        ("podman", Standing.USABLE, (), False, frozenset(), None),
        ("podman", Standing.USABLE, BRIDGE, False, frozenset(), None),
    ],
)
def test_an_engine_is_unfit_for_networks_that_it_cannot_make_here(
    name: str,
    standing: Standing,
    networks: tuple[NetworkSettings, ...],
    makes_links: bool,
    features: frozenset[str],
    reason: str | None,
) -> None:
    assert unfit(ENGINES[name], standing, networks, makes_links=makes_links, features=features) == reason


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Engine, str], None]:
    """Puts an engine's client that runs a piece of shell on a PATH of its own."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def write(engine: Engine, body: str) -> None:
        (tmp_path / engine.name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / engine.name).chmod(0o755)

    return write


Install = Callable[[Engine, str], None]
every_engine = pytest.mark.parametrize("engine", ENGINES.values(), ids=list(ENGINES))


@every_engine
def test_an_engine_that_is_not_installed_does_not_answer(install: Install, engine: Engine) -> None:
    assert shutil.which(engine.name) is None
    assert ask(engine) == Answer(standing=Standing.SILENT, said=f"there is no `{engine.name}` on PATH")


@every_engine
def test_an_engine_with_a_server_says_how_it_runs_in_one_call(install: Install, engine: Engine, tmp_path: Path) -> None:
    def answers(text: str) -> Answer:
        (tmp_path / "calls").write_text("")
        install(engine, f"echo \"$*\" >>{tmp_path}/calls; echo '{text}'")
        answer = ask(engine)
        assert (tmp_path / "calls").read_text() == f"info --format {engine.info_format}\n"
        return answer

    assert answers("Debian [name=seccomp,profile=builtin] false") == Answer(standing=Standing.USABLE)
    assert answers(f"Debian [{engine.rootless_answer}]") == Answer(standing=Standing.ROOTLESS)
    if engine.apart_answer:
        assert answers(f"{engine.apart_answer} [name=seccomp]") == Answer(standing=Standing.APART)


@every_engine
def test_a_client_without_a_server_does_not_answer_and_says_why(install: Install, engine: Engine) -> None:
    install(engine, 'echo "a warning" >&2; echo "permission denied: /run/x.sock" >&2; echo >&2; exit 1')
    assert ask(engine) == Answer(standing=Standing.SILENT, said="permission denied: /run/x.sock")
    install(engine, "echo")
    assert ask(engine) == Answer(standing=Standing.SILENT)


@every_engine
def test_an_engine_that_hangs_does_not_answer(
    install: Install, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(engine, "exec /bin/sleep 60")
    real = subprocess.run

    def impatient(*args: Any, timeout: float, **options: Any) -> Any:
        assert timeout == TIMEOUT
        return real(*args, timeout=0.2, **options)

    monkeypatch.setattr("components.engines.subprocess.run", impatient)
    assert ask(engine) == Answer(standing=Standing.SILENT, said="its client said nothing for 20 s")
