"""An identity provider on this machine: it signs tokens, and publishes its keys as Supabase, Auth0 and Keycloak do."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

KEYS: dict[str, Callable[[], Any]] = {
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


class IdentityProvider:
    """`body` is what it publishes, `requests` counts the readings. `gate` is clear while an answer has to wait."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[str, Any]] = {}
        self.others: list[Any] = []
        self.body: bytes | None = None
        self.status, self.requests, self.location = 200, 0, ""
        self.url = ""
        self.gate = threading.Event()
        self.gate.set()

    def add_key(self, kid: str, algorithm: str = "ES256") -> None:
        self.keys[kid] = algorithm, KEYS[algorithm]()

    def token(self, kid: str, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        algorithm, key = self.keys[kid]
        claims = {"sub": "7", "aud": "authenticated", "exp": time.time() + 3600, **claims}
        return jwt.encode(claims, key, algorithm, headers={"kid": kid} if header is None else header)

    def published(self) -> bytes:
        if self.body is not None:
            return self.body
        keys = [
            get_default_algorithms()[name].to_jwk(key.public_key(), as_dict=True)
            | {"kid": kid, "alg": name, "use": "sig"}
            for kid, (name, key) in self.keys.items()
        ]
        return json.dumps({"keys": [*self.others, *keys]}).encode()


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    provider = IdentityProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.requests += 1
            provider.gate.wait(20)
            self.send_response(provider.status)
            if provider.location:
                self.send_header("Location", provider.location)
            self.end_headers()
            self.wfile.write(provider.published())

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_port}/.well-known/jwks.json"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield provider
    finally:
        provider.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()
