"""`python -m supply tools | lab --engine E | env | status | docker-start | docker-stop`"""

import argparse
import os
import sys
import time
from dataclasses import replace

from supply.store import Store, cache_root


def main() -> int:
    parser = argparse.ArgumentParser(prog="supply", description=sys.modules["supply"].__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("tools", help="have the command line tools and Pulumi's plugins")
    lab = commands.add_parser("lab", help="have all that a running lab needs")
    lab.add_argument(
        "--engine", choices=("auto", "podman", "docker"), default=os.environ.get("KALICO_ENGINE") or "auto"
    )
    commands.add_parser("env", help="print the exports, for eval")
    commands.add_parser("status", help="show each thing, its version, its way and where it is")
    commands.add_parser("docker-start", help="start the supply's own docker server, print its DOCKER_HOST")
    stop = commands.add_parser("docker-stop", help="stop it")
    stop.add_argument("--idle", action="store_true", help="only where it has no container")
    asked = parser.parse_args()
    store = Store(root=cache_root())
    if asked.command == "env":
        from supply import environment

        values = environment.exports(os.environ, store)
        environment.prepare_folders(values)
        sys.stdout.write(environment.script(values))
        return 0
    return _work(asked, store)


def _work(asked: argparse.Namespace, store: Store) -> int:
    """Everything but env; imports what env has no time for."""
    from supply import environment, lab, plan, schedule, status
    from supply.download import Web
    from supply.ways import Machine

    say = schedule.Voice()
    machine = Machine(store=store, web=Web.of(os.environ), env=environment.users(os.environ, store), say=say)
    start = time.monotonic()
    try:
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
                say(f"tools: all there, {time.monotonic() - start:.0f} s")
            case "lab":
                with store.locked(say):
                    lab.lab(machine, asked.engine)
                say(f"lab: all set up, {time.monotonic() - start:.0f} s")
    except (plan.Impossible, schedule.Failed, RuntimeError, OSError) as error:
        print(f"supply: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
