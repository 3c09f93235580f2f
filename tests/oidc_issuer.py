"""An OpenID provider on loopback: real keys, its discovery document, and tokens signed as anybody likes."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey


class Issuer:
    """Serves keys.

    Attributes:
        url: of it.
        keys: that it signs with, whose public halves it serves.
        asked: paths that were asked for.
        is_away: whether it answers 503.
        answers: cleared, it lets everybody wait until it is set.
        document: served in place of the list of keys.
    """

    def __init__(self) -> None:
        self.url = ""
        self.keys: list[Key] = [rsa_key("first")]
        self.asked: list[str] = []
        self.is_away = False
        self.answers = threading.Event()
        self.answers.set()
        self.document: object = None

    @property
    def path(self) -> str:
        """Of its URL, which may be longer than that of its host."""
        return urlsplit(self.url).path

    def token(self, *, key: Key | None = None, header: dict | None = None, **claims) -> str:
        """A token; `None` leaves a claim out."""
        now = int(time.time())
        usual = {"iss": self.url, "aud": "scanmatrix", "sub": "u1", "iat": now, "exp": now + 300, "roles": ["dev"]}
        body = {name: value for name, value in (usual | claims).items() if value is not None}
        key = key or self.keys[0]
        head = {"alg": "RS256" if isinstance(key, RSAKey) else "ES256", "kid": key.kid} | (header or {})
        return jwt.encode(head, body, key, algorithms=[head["alg"]])

    def answer(self, path: str) -> tuple[int, bytes]:
        self.asked.append(path)
        self.answers.wait(20)
        if self.is_away:
            return 503, b""
        if path == f"{self.path.rstrip('/')}/.well-known/openid-configuration":
            return 200, json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/keys"}).encode()
        public = {"keys": [key.as_dict(private=False) for key in self.keys]}
        return 200, json.dumps(public if self.document is None else self.document).encode()


def rsa_key(kid: str, size: int = 2048) -> RSAKey:
    return RSAKey.generate_key(size, {"kid": kid, "use": "sig"})


def ec_key(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig"})


@contextmanager
def issuing() -> Iterator[Issuer]:
    """An issuer that answers."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = issuer.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
