# Copyright (c) ROI Systems
# SPDX-License-Identifier: MPL-2.0

"""A service that signs and verifies tokens (JWT, HS256) and goes on while its
secret is rotated. It signs with the current value and accepts the previous one,
too, for as long as that is there.

Replicas do not learn of a new value at the same time, and one that has not refuses
what is signed with it. With SIGN_AFTER each goes on signing with the previous value
for some time after it first sees a new one, so that all know that by then.

    SECRETS_FILE         a JSON file with JWT_SECRET and, in a grace period, JWT_SECRET_OLD; or
    JWT_SECRET_FILE      a file with the current value alone, and
    JWT_SECRET_OLD_FILE  one with the previous value, which need not be there
    SIGN_AFTER           that time in whole seconds, 0 unless set: longer than replicas are apart
    LISTEN               address and port, 127.0.0.1:8080 unless set
"""

import base64
import hashlib
import hmac
import json
import os
import threading
import time
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

# Together with SIGN_AFTER shorter than the grace period of the secret: the last token
# that is signed with the previous value is then accepted until it expires.
TOKEN_LIFETIME_SECONDS = 15 * 60


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


# The header of every token. No other is accepted, so that a token cannot choose
# its algorithm (RFC 8725, 3.1).
HEADER = encode(b'{"alg":"HS256","typ":"JWT"}')


# Keys to accept, and the one of them to sign with.
Keys = namedtuple("Keys", "current previous signing")


class Secrets:
    """Reads the keys for every request: the files are small and in memory, and
    there is no watch that could miss a change."""

    def __init__(self, environ):
        self.json = environ.get("SECRETS_FILE")
        self.current = environ.get("JWT_SECRET_FILE", "")
        self.previous = environ.get("JWT_SECRET_OLD_FILE", "")
        sign_after = environ.get("SIGN_AFTER") or "0"
        if not sign_after.isdecimal():
            raise ValueError("SIGN_AFTER is no number of seconds")
        self.sign_after = int(sign_after)
        self.lock = threading.Lock()
        self.last = (b"", b"")
        self.refresh()

    def refresh(self):
        """Reads the files, and raises an error if they cannot be read."""
        with self.lock:
            current, previous = self.read()
            if current != self.last[0]:
                self.since = time.monotonic()  # when this process first saw it
            self.last = current, previous

    def keys(self):
        """Returns the keys as they are now, or were when they were last readable.

        At its start a process cannot know how long the others have had the current
        value, and waits as well before it signs with it."""
        try:
            self.refresh()
        except (OSError, ValueError):
            pass  # GET /health says so.
        with self.lock:
            current, previous = self.last
            wait = previous and time.monotonic() - self.since < self.sign_after
        return Keys(current, previous, previous if wait else current)

    def read(self):
        if self.json:
            with open(self.json, encoding="utf-8") as file:
                members = json.load(file)
            if not isinstance(members, dict) or not members.get("JWT_SECRET"):
                raise ValueError("SECRETS_FILE is no JSON object with JWT_SECRET")
            return members["JWT_SECRET"].encode(), members.get("JWT_SECRET_OLD", "").encode()
        # The current value first. Whoever rotates writes the previous one first, so
        # that between the two reads no value in use can be missed.
        current = read_value(self.current)
        if not current:
            raise ValueError("JWT_SECRET_FILE is empty")
        try:
            previous = read_value(self.previous)
        except FileNotFoundError:
            previous = b""
        return current, previous


def read_value(path):
    """Leaves out the newline that editors and echo put at the end."""
    with open(path, "rb") as file:
        return file.read().rstrip(b"\r\n")


def signature(key, signed):
    return encode(hmac.new(key, signed, hashlib.sha256).digest())


def sign(keys, claims):
    signed = HEADER + b"." + encode(json.dumps(claims, separators=(",", ":")).encode())
    return signed + b"." + signature(keys.signing, signed)


def verify(keys, token):
    signed, _, given = token.rpartition(b".")
    if not signed.startswith(HEADER + b"."):
        return None
    valid = [hmac.compare_digest(given, signature(key, signed)) for key in (keys.current, keys.previous) if key]
    if not any(valid):
        return None
    payload = signed[len(HEADER) + 1:]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
        return claims if claims["exp"] > time.time() else None
    except (ValueError, KeyError, TypeError):
        return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        url = urlsplit(self.path)
        if url.path != "/tokens":
            return self.answer(404)
        claims = {
            "sub": parse_qs(url.query).get("subject", [""])[0],
            "exp": int(time.time()) + TOKEN_LIFETIME_SECONDS,
        }
        self.answer(200, sign(self.server.secrets.keys(), claims))

    def do_GET(self):
        if self.path == "/whoami":
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            claims = verify(self.server.secrets.keys(), token.encode())
            if claims is None:
                return self.answer(401, b"invalid token")
            return self.answer(200, claims["sub"].encode())
        if self.path == "/health":
            try:
                self.server.secrets.refresh()
            except (OSError, ValueError):
                return self.answer(503, b"the secret cannot be read")
            return self.answer(200)
        self.answer(404)

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass  # Requests are not logged: they carry tokens.


def main():
    secrets = Secrets(os.environ)
    host, port = os.environ.get("LISTEN", "127.0.0.1:8080").rsplit(":", 1)
    server = ThreadingHTTPServer((host, int(port)), Handler)
    server.secrets = secrets
    print("listening on %s:%d" % server.server_address, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
