"""calico-authority.sh: the operator finds a CA that signs, and its key is nowhere else."""

import subprocess
from pathlib import Path

import pytest

from tests.scripts.conftest import Bench

CREATE = "kubectl create secret tls tigera-ca-private --namespace tigera-operator *"
KEEP = 'cp "$8" "$BENCH/key"; cp "${10}" "$BENCH/crt"; dirname "$8" >"$BENCH/folder"'


def openssl(*words: object) -> str:
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=True).stdout


def test_the_cluster_gets_an_authority_by_the_name_that_the_operator_knows(bench: Bench, run_folder: Path) -> None:
    bench.on(CREATE, f'{KEEP}; printf %s "$KUBECONFIG" >"$BENCH/kubeconfig"')
    done = bench.run("calico-authority")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    shown = openssl("x509", "-in", bench.folder / "crt", "-noout", "-text", "-nameopt", "RFC2253")
    assert "Subject: CN=tigera-operator-signer" in shown
    assert "CA:TRUE" in shown
    public = openssl("x509", "-in", bench.folder / "crt", "-noout", "-pubkey")
    assert openssl("rsa", "-in", bench.folder / "key", "-pubout") == public
    assert bench.left("kubeconfig") == f"{run_folder}/kubeconfig"


@pytest.mark.parametrize("end", ["", "exit 1"])
def test_the_key_is_the_owners_alone_while_it_is_there_and_gone_at_the_end(bench: Bench, end: str) -> None:
    bench.on(CREATE, f'{KEEP}; stat --format %a "$(dirname "$8")" >"$BENCH/mode"; {end}')
    bench.run("calico-authority")
    assert bench.left("mode") == "700\n"
    assert not Path(bench.left("folder").strip()).exists()


@pytest.mark.parametrize("said", ['secrets "tigera-ca-private" already exists', "(AlreadyExists)"])
def test_one_that_is_there_already_stays(bench: Bench, said: str) -> None:
    bench.on(CREATE, f"echo 'error: {said}' >&2; exit 1")
    done = bench.run("calico-authority")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_cluster_that_refuses_it_is_an_error(bench: Bench) -> None:
    bench.on(CREATE, "echo 'connection refused' >&2; exit 1")
    done = bench.run("calico-authority")
    assert (done.returncode, done.stderr) == (1, "connection refused\n")


def test_a_machine_that_cannot_make_one_says_why(bench: Bench) -> None:
    bench.on("openssl req *", "echo 'no entropy' >&2; exit 1")
    done = bench.run("calico-authority")
    assert (done.returncode, done.stderr) == (1, "no certificate authority for Calico: no entropy\n")
    assert not any(call.startswith("kubectl") for call in bench.calls)
