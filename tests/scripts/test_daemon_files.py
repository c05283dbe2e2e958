"""daemon-files.sh: a daemon's files are waited for on every node, and it is started anew only where one went."""

import subprocess
from threading import Timer

import pytest

from tests.scripts.conftest import NODES, Bench, in_node, inside

CONF = "/etc/cni/net.d/00-multus.conf"
GONE = f"2026-01-02T03:04:05Z node lab-worker2: {CONF} is gone"
RESTART = "kubectl delete pods *"


@pytest.fixture
def multus(nodes: Bench) -> Bench:
    """Nodes that all have the conf."""
    nodes.environment |= {"DAEMON": "multus", "FILES": CONF, "SECONDS_AT_MOST": "20"}
    for name in NODES:
        in_node(nodes, name, CONF).parent.mkdir(parents=True)
        in_node(nodes, name, CONF).write_text("of the daemon")
    return nodes


def wait(bench: Bench, **values: str) -> subprocess.CompletedProcess[str]:
    return bench.run("daemon-files", NODES=" ".join(NODES), **values)


def marks(bench: Bench) -> list[str]:
    """Of the nodes that have one."""
    places = [in_node(bench, name, "/run/kalico/multus") for name in NODES]
    return [place.read_text() for place in places if place.exists()]


def was_there(bench: Bench, *names: str, daemon: str = "multus") -> None:
    """The daemon was on these nodes when an earlier run ended."""
    for name in names:
        mark = in_node(bench, name, f"/run/kalico/{daemon}")
        mark.parent.mkdir(exist_ok=True)
        mark.write_text("an earlier reason\n")


@pytest.mark.parametrize("because", ["", GONE])
def test_nodes_that_have_it_note_it_with_the_reason_and_no_daemon_is_touched(multus: Bench, because: str) -> None:
    was_there(multus, "lab-worker2")
    done = wait(multus, BECAUSE=because, SECONDS_AT_MOST="0")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert marks(multus) == [f"{because}\n{CONF}\n"] * 2
    assert not any(call.startswith("kubectl") for call in multus.calls)


@pytest.mark.parametrize("because", ["", "2026-01-02T03:04:05Z node lab-worker2 does not run", GONE])
def test_a_daemon_that_has_only_begun_is_waited_for_whatever_was_repaired_before(multus: Bench, because: str) -> None:
    was_there(multus, "lab-worker")
    late = in_node(multus, "lab-worker2", CONF)
    late.unlink()
    coming = Timer(0.4, lambda: late.write_text("of the daemon"))
    coming.start()
    done = wait(multus, BECAUSE=because)
    coming.join()
    assert done.returncode == 0, done.stderr
    assert len(marks(multus)) == 2
    assert not any(call.startswith("kubectl") for call in multus.calls)


@pytest.mark.parametrize("because", ["", GONE])
def test_where_the_conf_went_that_nodes_daemon_is_started_anew(multus: Bench, because: str) -> None:
    was_there(multus, *NODES)
    gone = in_node(multus, "lab-worker2", CONF)
    gone.unlink()
    multus.on(RESTART, f'printf %s "$KUBECONFIG" >"$BENCH/kubeconfig"; echo of the daemon >"{gone}"; echo deleted')
    done = wait(multus, BECAUSE=because)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [call for call in multus.calls if call.startswith("kubectl")] == [
        "kubectl delete pods --namespace kube-system --selector app=multus --field-selector spec.nodeName=lab-worker2"
    ]
    assert multus.left("kubeconfig") == f"{multus.environment['RUN']}/kubeconfig"


def test_a_conf_that_never_comes_is_an_error_of_that_node(multus: Bench) -> None:
    in_node(multus, "lab-worker2", CONF).unlink()
    done = wait(multus, SECONDS_AT_MOST="0")
    assert (done.returncode, done.stderr) == (1, f"lab-worker2 has no {CONF}: multus does not run there\n")
    assert len(marks(multus)) == 1


def test_a_daemon_that_cannot_be_started_anew_is_an_error(multus: Bench) -> None:
    was_there(multus, "lab-worker2")
    in_node(multus, "lab-worker2", CONF).unlink()
    multus.on(RESTART, "echo 'connection refused' >&2; exit 1")
    done = wait(multus, BECAUSE=GONE)
    assert (done.returncode, done.stderr) == (1, "connection refused\n")
    assert marks(multus) == ["an earlier reason\n"]


def test_a_node_that_cannot_be_asked_is_an_error(bench: Bench) -> None:
    bench.on("podman exec *", "echo 'no such container' >&2; exit 125")
    done = wait(bench, DAEMON="multus", FILES=CONF, SECONDS_AT_MOST="300")
    assert (done.returncode, done.stderr) == (125, "no such container\n")


PLUGIN = "/opt/cni/bin/whereabouts"
SEVERAL = {"DAEMON": "whereabouts", "FILES": f"{CONF} {PLUGIN}"}


def test_of_several_files_each_has_to_be_there_and_the_mark_names_them_all(multus: Bench) -> None:
    for name in NODES:
        in_node(multus, name, PLUGIN).parent.mkdir(parents=True, exist_ok=True)
        in_node(multus, name, PLUGIN).write_text("of the daemon")
    assert wait(multus, **SEVERAL, SECONDS_AT_MOST="0").returncode == 0
    marks = [in_node(multus, name, "/run/kalico/whereabouts").read_text() for name in NODES]
    assert marks == [f"\n{CONF} {PLUGIN}\n"] * 2
    in_node(multus, "lab-worker2", PLUGIN).unlink()
    in_node(multus, "lab-worker2", "/run/kalico/whereabouts").unlink()
    done = wait(multus, **SEVERAL, SECONDS_AT_MOST="0")
    assert (done.returncode, done.stderr) == (1, f"lab-worker2 has no {PLUGIN}: whereabouts does not run there\n")


def test_where_one_of_several_files_went_that_daemon_is_started_anew(multus: Bench) -> None:
    was_there(multus, *NODES, daemon="whereabouts")
    for name in NODES:
        in_node(multus, name, PLUGIN).parent.mkdir(parents=True, exist_ok=True)
    in_node(multus, "lab-worker", PLUGIN).write_text("of the daemon")
    multus.on(RESTART, f'echo of the daemon >"{in_node(multus, "lab-worker2", PLUGIN)}"')
    because = f"2026-01-02T03:04:05Z node lab-worker2: {PLUGIN} is gone"
    assert wait(multus, **SEVERAL, BECAUSE=because).returncode == 0
    assert [call for call in multus.calls if call.startswith("kubectl")] == [
        "kubectl delete pods --namespace kube-system --selector app=whereabouts "
        "--field-selector spec.nodeName=lab-worker2"
    ]


DROP_IN = "/etc/systemd/system/kubelet.service.d/20-kalico.conf"


def started(bench: Bench, name: str) -> None:
    """Have a node do what its kubelet does before it starts."""
    [before] = [line for line in in_node(bench, name, DROP_IN).read_text().splitlines() if "ExecStartPre" in line]
    inside(bench, name, before.removeprefix("ExecStartPre=-"))


def test_what_the_daemon_takes_away_when_it_ends_is_there_again_before_a_kubelet_starts_pods(multus: Bench) -> None:
    for name in NODES:
        in_node(multus, name, CONF).write_text("as it was\n")
    assert wait(multus, KEPT=CONF).returncode == 0
    for name in NODES:
        conf = in_node(multus, name, CONF)
        conf.unlink()
        started(multus, name)
        assert conf.read_text() == "as it was\n"


def test_what_is_there_when_a_kubelet_starts_stays_as_it_is(multus: Bench) -> None:
    assert wait(multus, KEPT=CONF).returncode == 0
    conf = in_node(multus, NODES[0], CONF)
    conf.write_text("of now\n")
    started(multus, NODES[0])
    assert conf.read_text() == "of now\n"


def test_of_a_daemon_that_takes_nothing_away_no_kubelet_is_told(multus: Bench) -> None:
    assert wait(multus).returncode == 0
    assert not in_node(multus, NODES[0], DROP_IN).exists()


def test_a_file_that_is_only_begun_is_not_there_yet(multus: Bench) -> None:
    in_node(multus, "lab-worker2", CONF).write_text("")
    done = wait(multus, KEPT=CONF, SECONDS_AT_MOST="0")
    assert (done.returncode, done.stderr) == (1, f"lab-worker2 has no {CONF}: multus does not run there\n")
