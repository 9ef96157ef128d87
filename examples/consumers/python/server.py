# Copyright (c) ROI Systems
# SPDX-License-Identifier: MPL-2.0

"""A service that signs and verifies tokens (JWT, HS256) and goes on while its
secret is rotated. It signs with the current value and accepts the previous one,
too, for as long as that is there.

    SECRETS_FILE         a JSON file with JWT_SECRET and, in a grace period, JWT_SECRET_OLD; or
    JWT_SECRET_FILE      a file with the current value alone, and
    JWT_SECRET_OLD_FILE  one with the previous value, which need not be there
    LISTEN               address and port, 127.0.0.1:8080 unless set
"""

import base64
import hashlib
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

# Shorter than the grace period of the secret: a token that was signed just before
# a rotation is then accepted until it expires.
TOKEN_LIFETIME_SECONDS = 15 * 60


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


# The header of every token. No other is accepted, so that a token cannot choose
# its algorithm (RFC 8725, 3.1).
HEADER = encode(b'{"alg":"HS256","typ":"JWT"}')


class Secrets:
    """Reads the keys for every request: the files are small and in memory, and
    there is no watch that could miss a change."""

    def __init__(self, environ):
        self.json = environ.get("SECRETS_FILE")
        self.current = environ.get("JWT_SECRET_FILE", "")
        self.previous = environ.get("JWT_SECRET_OLD_FILE", "")
        self.last = self.read()

    def keys(self):
        """Returns (current, previous) as they are now, or were when they were
        last readable."""
        try:
            self.last = self.read()
        except (OSError, ValueError):
            pass  # GET /health says so.
        return self.last

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
    return signed + b"." + signature(keys[0], signed)


def verify(keys, token):
    signed, _, given = token.rpartition(b".")
    if not signed.startswith(HEADER + b"."):
        return None
    valid = [hmac.compare_digest(given, signature(key, signed)) for key in keys if key]
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
                self.server.secrets.read()
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
    host, port = os.environ.get("LISTEN", "127.0.0.1:8080").rsplit(":", 1)
    server = ThreadingHTTPServer((host, int(port)), Handler)
    server.secrets = Secrets(os.environ)
    print("listening on %s:%d" % server.server_address, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
