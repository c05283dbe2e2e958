"""`python -m supply COMMAND`: tools [--wake], lab [--engine E] [--leases], env, status, docker-start, docker-stop."""

import argparse
import os
import subprocess
import sys
import time
import traceback
from dataclasses import replace

from supply import environment
from supply.store import Store, cache_root


def main() -> int:
    """Whatever goes wrong ends in words on stderr and exit 1: behind make a traceback helps nobody."""
    asked = _parser().parse_args()
    try:
        _work(asked, Store(root=cache_root()))
    except KeyboardInterrupt:
        print("supply: interrupted; what was made stays, the next run goes on from there", file=sys.stderr)
        return 130
    except Exception as error:
        print(f"supply: {_words(error)}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="supply", description=sys.modules["supply"].__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    tools = commands.add_parser("tools", help="have the command line tools and Pulumi's plugins")
    tools.add_argument("--wake", action="store_true", help="and the supply's docker server, where a lab lives on it")
    lab = commands.add_parser("lab", help="have all that a running lab needs")
    lab.add_argument("--engine", choices=("auto", "podman", "docker"), help="default: KALICO_ENGINE, the stack's")
    lab.add_argument(
        "--leases", action="store_true", help="a DHCP server's image too, whatever the stack's config says"
    )
    env = commands.add_parser("env", help="print the exports, for eval")
    for command in (lab, env):
        command.add_argument("--stack", default=os.environ.get("KALICO_STACK") or "dev", help="default: KALICO_STACK")
    commands.add_parser("status", help="show each thing, its version, its way and where it is")
    commands.add_parser("docker-start", help="start the supply's own docker server, print its DOCKER_HOST")
    stop = commands.add_parser("docker-stop", help="stop it")
    stop.add_argument("--idle", action="store_true", help="only where it has no container")
    return parser


def _work(asked: argparse.Namespace, store: Store) -> None:
    if asked.command == "env":
        values = environment.exports(os.environ, store, environment.asked_for(asked.stack, os.environ))
        environment.prepare_folders(values)
        sys.stdout.write(environment.script(values))
        return
    # what follows imports what env has no time for
    from supply import lab, schedule, status
    from supply.download import Web
    from supply.ways import Machine

    say = schedule.Voice()
    machine = Machine(store=store, web=Web.of(os.environ), env=environment.users(os.environ, store), say=say)
    start = time.monotonic()
    match asked.command:
        case "status":
            print(status.table(machine))
        case "docker-start":
            say = schedule.Voice(lambda line: print(line, file=sys.stderr, flush=True))
            with store.locked(say):
                print(lab.docker(replace(machine, say=say)))
        case "docker-stop":
            from supply import docker_server

            if not (asked.idle and docker_server.in_use(store.root)):
                docker_server.stop(store.root, say)
        case "tools":
            with store.locked(say):
                lab.tools(machine)
                if asked.wake:
                    lab.wake(machine)
            say(f"tools: all there, {time.monotonic() - start:.0f} s")
        case "lab":
            config = environment.asked_for(asked.stack, os.environ)
            with store.locked(say):
                lab.lab(machine, asked.engine or config.engine, leases=asked.leases or config.leases)
            say(f"lab: all set up, {time.monotonic() - start:.0f} s")


def _words(error: Exception) -> str:
    """What a failure says; one that nobody foresaw also says what and where it is."""
    if isinstance(error, subprocess.CalledProcessError):
        said = (error.stderr or "").strip().splitlines()
        return f"{' '.join(map(str, error.cmd))}: exit {error.returncode}{': ' + said[-1] if said else ''}"
    ours = type(error).__module__.startswith("supply.") or type(error) is ValueError
    if ours or isinstance(error, RuntimeError | OSError):
        return str(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({frame.name}, line {frame.lineno} of {frame.filename})"


if __name__ == "__main__":
    sys.exit(main())
