"""The parity suite: the scenarios of scenarios.json through all three clients against one server, compared one to one.

    run.py            runs, compares, and fails on any difference that the table does not explain
    run.py --write    the same, and writes the table of README.md anew

Fails also where a client ran less than the table says, and where an explained difference is gone. What the clients said
is in `.cache/parity.json` afterwards. Needs what `conformance/run.sh` sets up.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CONFORMANCE = HERE.parent
sys.path.insert(0, str(CONFORMANCE / "python"))

from faults import Faults  # noqa: E402
from noukai_server import FLOWS, ROOT, Server  # noqa: E402
from report import write_report  # noqa: E402

RUNNER_SECONDS = 60
TABLE = HERE / "scenarios.json"
CLIENTS = {
    "rust": [os.environ.get("NOUKAI_PARITY_BIN") or str(ROOT / "target" / "debug" / "noukai-parity")],
    "python": [sys.executable, str(CONFORMANCE / "python" / "parity.py")],
    "node": ["node", str(CONFORMANCE / "node" / "parity.mjs")],
}
NO_SERVER = {"api_key": "nk_test_abcdefgh_" + "a" * 32, "project": "demo"}
Outcomes = dict[str, dict[str, Any]]


def prepare(server: Server) -> None:
    """`versioned`: version 1 says "first" and is production, version 2 says "second", the draft says "third"."""
    document = server.folder / "versioned.flow.yaml"
    server.start()
    server.publish("versioned", "the first")
    for before, after in (("first", "second"), ("second", "third")):
        server.stop()
        document.write_text(document.read_text().replace(f'"{before} ', f'"{after} '))
        server.start()
        if after == "second":
            server.publish("versioned", "the second")
    server.promote("versioned", 1)


@contextmanager
def running_server() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="noukai-parity-") as base:
        shutil.copytree(FLOWS, Path(base) / "flows")
        server = Server(folder=Path(base) / "flows", data=Path(base) / "data")
        try:
            prepare(server)
            yield {"api_key": server.api_key, "org": server.org, "project": server.project}
        finally:
            server.stop()


def run_phase(phase: str, place: dict[str, str], **more: str) -> Outcomes:
    """All clients at once: each has runs and sessions of its own."""
    found: Outcomes = {}
    started = {}
    for client, command in CLIENTS.items():
        plain = {key: value for key, value in os.environ.items() if not key.startswith("NOUKAI_")}
        # Without a server, a client's own name stands for its organisation: so the replies know who asks.
        own = {"PARITY_KEY": place["api_key"], "PARITY_ORG": place.get("org", client)}
        own |= {"PARITY_PROJECT": place["project"], "NOUKAI_ENV": "dev"}
        command = [*command, str(TABLE), phase]
        started[client] = subprocess.Popen(command, env=plain | own | more, stdout=subprocess.PIPE, text=True)
    try:
        for client, process in started.items():
            lines, _ = process.communicate(timeout=RUNNER_SECONDS)
            told = [json.loads(line) for line in lines.split("\n") if line]
            found[client] = {line["name"]: line["outcome"] for line in told}
            if process.returncode != 0:
                raise SystemExit(f"{client}, {phase}: exit code {process.returncode} after {list(found[client])[-1:]}")
    finally:
        for process in started.values():
            process.kill()
            process.wait()
    return found


def run_all(scenarios: list[dict[str, Any]]) -> Outcomes:
    phases = []
    with running_server() as place:
        phases.append(run_phase("server", place))
        phases.append(run_phase("replay", place, NOUKAI_REPLAY_ENABLED="true"))
    with Faults({row["name"]: row["replies"] for row in scenarios if row.get("phase") == "faults"}) as faults:
        phases.append(run_phase("faults", NO_SERVER))
        for client, outcomes in phases[-1].items():
            for name, outcome in outcomes.items():
                outcome.append({"sent": faults.sent(client, name)})
    phases.append(run_phase("nowhere", NO_SERVER))
    return {client: {name: said for phase in phases for name, said in phase[client].items()} for client in CLIENTS}


def neutral(row: dict[str, Any], outcome: Any) -> Any:
    """Events of what runs side by side come in any order."""
    if not row.get("unordered"):
        return outcome
    return [
        {**said, "events": sorted(said["events"], key=json.dumps)} if "events" in said else said for said in outcome
    ]


def faults_of(row: dict[str, Any], found: Outcomes) -> Iterator[str]:
    """Everything in which the outcomes of a scenario are not what the table says."""
    expected = neutral(row, row["expect"])
    for client in CLIENTS:
        said = neutral(row, found[client][row["name"]]) if row["name"] in found[client] else None
        difference = row.get("differs", {}).get(client)
        if client in row.get("skips", {}):
            if difference is not None or said is not None:
                yield f"{client} skips it, and yet it has an outcome"
        elif said is None:
            yield f"{client} did not run it, and the table has no reason for that"
        elif difference is None and said != expected:
            yield f"{client} differs, and the table does not say why:\n  {show(said)}\n  expected\n  {show(expected)}"
        elif difference is not None and said == expected:
            yield f"{client} does not differ any more; the table says: {difference['why']}"
        elif difference is not None and said != neutral(row, difference["outcome"]):
            yield f"{client} differs in another way than the table says:\n  {show(said)}\n  {difference['why']}"


def show(outcome: Any) -> str:
    return json.dumps(outcome, ensure_ascii=False)


def main() -> int:
    table = json.loads(TABLE.read_text())
    scenarios = table["scenarios"]
    names = [row["name"] for row in scenarios]
    problems = [f"{name}: there twice" for name in sorted({name for name in names if names.count(name) > 1})]
    found = run_all(scenarios)
    (CONFORMANCE / ".cache" / "parity.json").write_text(json.dumps(found, ensure_ascii=False, indent=1))
    problems += [f"{row['name']}: {fault}" for row in scenarios for fault in faults_of(row, found)]
    if not write_report(HERE / "README.md", scenarios, list(CLIENTS), keep="--write" not in sys.argv):
        problems.append("README.md is not what the table says: run conformance/parity/run.py --write")
    print("\n".join(problems))
    counts = {client: len(outcomes) for client, outcomes in found.items()}
    explained = sum(len(row.get("differs", {})) + len(row.get("skips", {})) for row in scenarios)
    print(f"parity: {len(scenarios)} scenarios, {counts}, {explained} explained differences, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
