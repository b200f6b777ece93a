"""A server of scripted replies on the server's port: what the real one says only when money, load or luck run out."""

from __future__ import annotations

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from noukai_server import PORT

Reply = dict[str, Any]


class Faults:
    """Gives each client the replies of a scenario in turn, the last one over and over.

    The path says who asks and for what: `/api/v1/seq/CLIENT/demo/NAME/...` is the scenario `faults/NAME`.
    """

    def __init__(self, scripts: dict[str, list[Reply]]) -> None:
        self._scripts = scripts
        self._sent: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._listener = _Listener(("127.0.0.1", PORT), _Handler)
        self._listener.faults = self
        self._thread = threading.Thread(target=self._listener.serve_forever, kwargs={"poll_interval": 0.02})

    def sent(self, client: str, scenario: str) -> int:
        """How many requests of a scenario came."""
        return self._sent[client, scenario]

    def reply(self, path: str) -> Reply:
        client, _, name = path.removeprefix("/api/v1/seq/").split("/")[:3]
        scenario = f"faults/{name}"
        with self._lock:
            replies = self._scripts[scenario]
            number = self._sent[client, scenario]
            self._sent[client, scenario] += 1
        return replies[min(number, len(replies) - 1)]

    def __enter__(self) -> Faults:
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._listener.shutdown()
        self._thread.join()
        self._listener.server_close()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    faults: Faults

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is none."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        reply = self.server.faults.reply(self.path)
        status = reply["status"]
        refusal = {"detail": {"code": reply.get("code"), "message": "This is scripted."}}
        data = (reply.get("text") or json.dumps(reply.get("json", refusal))).encode()
        self.send_response(status)
        self.send_header("Content-Type", reply.get("type", "application/json"))
        self.send_header("Content-Length", str(len(data)))
        for name, value in reply.get("headers", {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = _answer

    def log_message(self, *_: Any) -> None:
        pass
