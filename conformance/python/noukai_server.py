"""Starts the real server on the one port the published clients can reach, and stops it. Knows nothing of clients."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

PORT = 8080  # NOUKAI_ENV=dev makes both clients call http://localhost:8080/api/v1, and nothing else
START_SECONDS = 60
STOP_SECONDS = 30

CONFORMANCE = Path(__file__).resolve().parent.parent
ROOT = CONFORMANCE.parent
FLOWS = CONFORMANCE / "flows"


def binary() -> Path:
    path = Path(os.environ.get("NOUKAI_BIN") or ROOT / "target" / "debug" / "noukai").resolve()
    if not path.is_file():
        raise RuntimeError(f"{path} is missing: build it, or set NOUKAI_BIN")
    return path


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """This process's environment without anything that would configure the server."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith("NOUKAI_")}
    return {**plain, "NOUKAI_ENV": "dev", **(extra or {})}


def refuse_taken_port() -> None:
    for host in ("127.0.0.1", "::1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.settimeout(2)
                probe.connect((host, PORT))
        except OSError:
            continue
        raise RuntimeError(f"port {PORT} is taken on {host}: the clients can talk to no other port, so free it first")


@dataclass
class Server:
    """`noukai dev` on a folder of flows, with a data directory of its own that outlives a restart."""

    folder: Path
    data: Path
    env: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None
    ready: dict[str, object] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        return self.process is not None

    @property
    def api(self) -> str:
        return f"http://localhost:{PORT}/api/v1"

    def __getattr__(self, name: str) -> object:
        """The fields of the line the server prints: `url`, `org`, `project`, `project_id`, `api_key`, `flows`, `pid`."""
        try:
            return self.__dict__["ready"][name]
        except KeyError:
            raise AttributeError(name) from None

    def start(self) -> None:
        refuse_taken_port()
        self.data.mkdir(parents=True, exist_ok=True)
        command = [binary(), "dev", self.folder, "--json", "--port", str(PORT), "--data", self.data]
        with (self.data / "stderr.log").open("a") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command], env=environment(self.env), stdout=subprocess.PIPE, stderr=log, text=True
            )
        watchdog = threading.Timer(START_SECONDS, self.process.kill)
        watchdog.start()
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        watchdog.cancel()
        if not line:
            code = self.process.wait()
            self.process = None
            raise RuntimeError(f"the server did not start (exit code {code}):\n{self.log()}")
        self.ready = json.loads(line)

    def stop(self) -> None:
        """SIGTERM is a request to finish: the server obeys within its time and says so with exit code 0."""
        process, self.process = self.process, None
        if process is None:
            return
        assert self.ready["pid"] == process.pid
        process.send_signal(signal.SIGTERM)
        try:
            rest, _ = process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise AssertionError(f"the server did not stop within {STOP_SECONDS} s:\n{self.log()}") from None
        assert process.returncode == 0, f"exit code {process.returncode}:\n{self.log()}"
        assert rest == "", f"stdout belongs to the one line that says it is ready; also there: {rest!r}"

    def log(self) -> str:
        path = self.data / "stderr.log"
        return "\n".join(path.read_text().splitlines()[-40:]) if path.exists() else ""

    def publish(self, flow: str, note: str) -> None:
        self._command("publish", flow, "--data", str(self.data), "--note", note)

    def promote(self, flow: str, version: int) -> None:
        self._command("promote", flow, "--version", str(version), "--data", str(self.data))

    def _command(self, *arguments: str) -> None:
        done = subprocess.run(
            [str(binary()), *arguments], env=environment(), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"noukai {' '.join(arguments)}: exit code {done.returncode}\n{done.stderr}"


class Servers:
    """One port, so one server at a time: whoever asks for another gets the running one stopped first."""

    def __init__(self) -> None:
        self._current: Server | None = None

    def use(self, server: Server) -> Server:
        if self._current is not server:
            self.stop()
        self._current = server
        if not server.running:
            server.start()
        return server

    def stop(self) -> None:
        if self._current is not None:
            current, self._current = self._current, None
            current.stop()
