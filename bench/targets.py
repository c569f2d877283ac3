"""The programs that are measured: Runwire on three servers, and its peers."""

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.machine import SERVER_CORES, on_cores
from tests.servers.process import ROOT, Server

_UVICORN = ("-m", "uvicorn", "{app}", "--host", "127.0.0.1", "--port", "{port}")
_UVICORN_QUIET = ("--no-access-log", "--log-level", "warning", "--ws-per-message-deflate", "false")
_COMMANDS: Mapping[str, Sequence[str]] = {
    "own": (sys.executable, "-m", "realtime.server", "-v", "0", "-b", "127.0.0.1", "-p", "{port}", "{app}"),
    "Daphne": (sys.executable, "-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p", "{port}", "{app}"),
    "uvicorn": (sys.executable, *_UVICORN, *_UVICORN_QUIET),
    "Node": ("node", "{app}", "{port}"),
    "none": (sys.executable, "-m", "{app}", "{port}"),
}


@dataclass(frozen=True)
class Target:
    """One program on one server."""

    name: str
    server: str
    app: str
    publisher: str  # how its events are published: "runwire", "frames" or "events" (by Redis), "channels", "socketio"
    layer: str = "Redis pub/sub"
    protocol: str = "ws"  # of its clients: "ws" or "socketio"
    has_seq: bool = False

    @property
    def database(self) -> str:
        return {"runwire": "PostgreSQL", "channels": "PostgreSQL, to connect"}.get(self.publisher, "none")

    @property
    def is_installed(self) -> bool:
        return self.server != "Node" or bool(shutil.which("node") and (ROOT / "bench/.node/node_modules").exists())

    @property
    def path(self) -> str:
        return "/socket.io/?EIO=4&transport=websocket" if self.protocol == "socketio" else "/ws"

    def script(self, stream: Mapping[str, Any], after: int | None = None) -> list[str]:
        """The texts that a client sends to subscribe. With `after` it asks for the events that it has missed."""
        if self.protocol == "socketio":
            return ["40", f'42["subscribe","{stream["id"]}"]']
        data: dict[str, Any] = {"graph_exec_id": stream["id"]}
        if after is not None:
            data["after"] = after
        elif self.has_seq:
            data["replay"] = "none"
        return [json.dumps({"method": "subscribe_graph_execution", "data": data})]


_RUNWIRE = {"app": "config.asgi:application", "publisher": "runwire", "has_seq": True}
_CHANNELS = {"app": "bench.peers.channels_app:application", "publisher": "channels"}
_RAW = {"app": "bench.peers.raw_asgi:application", "publisher": "frames"}
_ALL = (
    Target("runwire", "own", **_RUNWIRE),
    Target("runwire-uvicorn", "uvicorn", **_RUNWIRE),
    Target("runwire-daphne", "Daphne", **_RUNWIRE),
    Target("fastapi", "uvicorn", "bench.peers.fastapi_app:app", "events"),
    Target("raw-uvicorn", "uvicorn", **_RAW),
    Target("raw-daphne", "Daphne", **_RAW),
    Target("bare-sockets", "none", "bench.peers.bare_sockets", "frames"),
    Target("channels-uvicorn", "uvicorn", **_CHANNELS),
    Target("channels-daphne", "Daphne", **_CHANNELS),
    Target("channels-core-daphne", "Daphne", **_CHANNELS, layer="Redis core"),
    Target("python-socketio", "uvicorn", "bench.peers.socketio_app:app", "socketio", protocol="socketio"),
    Target("ws", "Node", "bench/peers/ws.cjs", "frames"),
    Target("socket.io", "Node", "bench/peers/socketio.cjs", "frames", protocol="socketio"),
)
TARGETS: Mapping[str, Target] = {target.name: target for target in _ALL}


class Running(Server):
    """A target that runs as a process, on the servers' core."""

    def __init__(self, target: Target, environment: Mapping[str, str]) -> None:
        super().__init__()
        self.target, self._environment = target, environment

    def command(self) -> Sequence[str]:
        return [word.format(app=self.target.app, port=self.port) for word in _COMMANDS[self.target.server]]

    def environment(self) -> Mapping[str, str]:
        node = {"NODE_PATH": str(ROOT / "bench/.node/node_modules"), "NODE_ENV": "production"}
        layer = {"BENCH_LAYER": "core"} if self.target.layer == "Redis core" else {}
        return {**os.environ, **self._environment, **node, **layer}

    def start(self) -> None:
        with on_cores(SERVER_CORES):
            super().start()

    @property
    def pid(self) -> int:
        return self._process.pid
