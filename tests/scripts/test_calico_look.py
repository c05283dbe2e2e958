"""calico-look.sh: Felix finds Typha before it is probed, pods that are not Ready are touched, nothing fails by it."""

import pytest

from tests.scripts.conftest import Bench

WAIT = "kubectl --namespace calico-system wait --for=create service/calico-typha --timeout *"
PATCH = "kubectl --namespace calico-system patch service calico-typha *publishNotReadyAddresses*true*"
PODS = "kubectl --namespace calico-system get pods *"
TOUCH = "kubectl --namespace calico-system annotate pods *"
INSTALLATION = "kubectl --namespace calico-system get installation default *"


@pytest.fixture
def calico(bench: Bench) -> Bench:
    bench.environment |= {"SECONDS_AT_MOST": "20"}
    bench.on(WAIT, '[ ! -e "$BENCH/never" ]')
    return bench


def test_typhas_service_gets_its_endpoints_as_soon_as_it_is_there(calico: Bench) -> None:
    calico.on(PATCH)
    calico.on(PODS)
    calico.on(INSTALLATION, "printf True")
    assert calico.run("calico-look").returncode == 0
    assert [call.split()[3] for call in calico.calls[:2]] == ["wait", "patch"]
    assert "--timeout 20s" in calico.calls[0]


def test_only_pods_that_are_not_ready_are_touched(calico: Bench) -> None:
    calico.on(PATCH)
    calico.on(PODS, "printf 'calico-node-a True\\ncalico-node-b False\\ncalico-typha-c False\\n'", "")
    calico.on(TOUCH)
    calico.on(INSTALLATION, "printf True")
    assert calico.run("calico-look").returncode == 0
    (touched,) = [call for call in calico.calls if "annotate" in call]
    assert touched.split(" --overwrite ")[1].split(" kalico/looked-at=")[0] == "calico-node-b calico-typha-c"


def test_the_end_is_the_installation_being_ready(calico: Bench) -> None:
    calico.on(PATCH)
    calico.on(PODS)
    calico.on(INSTALLATION, "printf False", "exit 1", "printf True")
    assert calico.run("calico-look").returncode == 0
    assert sum("installation" in call for call in calico.calls) == 3


def test_what_cannot_be_asked_ends_nothing_and_the_time_does(calico: Bench) -> None:
    calico.environment["SECONDS_AT_MOST"] = "2"
    calico.on(PATCH)
    calico.on(PODS, "printf 'calico-node-a False\\n'", "exit 1")
    calico.on(TOUCH, "exit 1")
    calico.on(INSTALLATION, "exit 1")
    assert calico.run("calico-look").returncode == 0


def test_an_operator_that_makes_no_typha_is_left_alone_after_the_time(calico: Bench) -> None:
    (calico.folder / "never").touch()
    assert calico.run("calico-look").returncode == 0
    assert len(calico.calls) == 1


def test_a_service_that_cannot_be_patched_keeps_nobody_from_looking_on(calico: Bench) -> None:
    calico.on(PATCH, "exit 1")
    calico.on(PODS)
    calico.on(INSTALLATION, "printf True")
    assert calico.run("calico-look").returncode == 0
    assert "installation" in calico.calls[-1]
