// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// A service that signs and verifies tokens (JWT, HS256) and goes on while its
// secret is rotated. It signs with the current value and accepts the previous one,
// too, for as long as that is there.
//
// Replicas do not learn of a new value at the same time, and one that has not refuses
// what is signed with it. With SIGN_AFTER each goes on signing with the previous value
// for some time after it first sees a new one, so that all know that by then.
//
//   SECRETS_FILE         a JSON file with JWT_SECRET and, in a grace period, JWT_SECRET_OLD; or
//   JWT_SECRET_FILE      a file with the current value alone, and
//   JWT_SECRET_OLD_FILE  one with the previous value, which need not be there
//   SIGN_AFTER           that time in whole seconds, 0 unless set: longer than replicas are apart
//   LISTEN               address and port, 127.0.0.1:8080 unless set

import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

// Together with SIGN_AFTER shorter than the grace period of the secret: the last token
// that is signed with the previous value is then accepted until it expires.
const tokenLifetimeSeconds = 15 * 60;

// The header of every token. No other is accepted, so that a token cannot choose
// its algorithm (RFC 8725, 3.1).
const header = Buffer.from('{"alg":"HS256","typ":"JWT"}').toString("base64url");

const { SECRETS_FILE, JWT_SECRET_FILE, JWT_SECRET_OLD_FILE, SIGN_AFTER = "0", LISTEN = "127.0.0.1:8080" } = process.env;
if (!/^\d*$/.test(SIGN_AFTER)) throw new Error("SIGN_AFTER is no number of seconds");

// Read for every request: the files are small and in memory, and there is no watch
// that could miss a change.
function readKeys() {
  if (SECRETS_FILE) {
    let members;
    try {
      members = JSON.parse(readFileSync(SECRETS_FILE, "utf8"));
    } catch (error) {
      // The parser's own message may quote the content.
      throw new Error(error.code ? error.message : "SECRETS_FILE is no JSON");
    }
    if (!members?.JWT_SECRET) throw new Error("SECRETS_FILE has no JWT_SECRET");
    return { current: members.JWT_SECRET, previous: members.JWT_SECRET_OLD };
  }
  // The current value first. Whoever rotates writes the previous one first, so that
  // between the two reads no value in use can be missed.
  const current = readValue(JWT_SECRET_FILE);
  if (!current) throw new Error("JWT_SECRET_FILE is empty");
  const previous = JWT_SECRET_OLD_FILE ? readValue(JWT_SECRET_OLD_FILE, true) : undefined;
  return { current, previous };
}

// Leaves out the newline that editors and echo put at the end.
function readValue(path, optional = false) {
  try {
    return readFileSync(path, "utf8").replace(/[\r\n]+$/, "");
  } catch (error) {
    if (optional && error.code === "ENOENT") return undefined;
    throw error;
  }
}

let last;
let since; // when this process first saw the current value

function refresh() {
  const read = readKeys();
  if (read.current !== last?.current) since = performance.now();
  last = read;
}

refresh();

// What the files hold now, or held when they were last readable, and which of it to
// sign with. At its start a process cannot know how long the others have had the
// current value, and waits as well.
function keys() {
  try {
    refresh();
  } catch {
    // GET /health says so.
  }
  const wait = last.previous && performance.now() - since < SIGN_AFTER * 1000;
  return { ...last, signing: wait ? last.previous : last.current };
}

const signature = (key, signed) => createHmac("sha256", key).update(signed).digest("base64url");

function sign({ signing }, claims) {
  const signed = `${header}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}`;
  return `${signed}.${signature(signing, signed)}`;
}

function same(a, b) {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}

function verify({ current, previous }, token) {
  const end = token.lastIndexOf(".");
  if (end < 0 || !token.startsWith(`${header}.`)) return undefined;
  const [signed, given] = [token.slice(0, end), token.slice(end + 1)];
  const valid = [current, previous].filter(Boolean).map((key) => same(given, signature(key, signed)));
  if (!valid.includes(true)) return undefined;
  try {
    const claims = JSON.parse(Buffer.from(signed.slice(header.length + 1), "base64url").toString());
    return claims.exp > Date.now() / 1000 ? claims : undefined;
  } catch {
    return undefined;
  }
}

const server = createServer((request, response) => {
  const answer = (status, text = "") => response.writeHead(status, { "content-type": "text/plain" }).end(text);
  const url = new URL(request.url, "http://localhost");
  switch (`${request.method} ${url.pathname}`) {
    case "POST /tokens":
      return answer(200, sign(keys(), {
        sub: url.searchParams.get("subject") ?? "",
        exp: Math.floor(Date.now() / 1000) + tokenLifetimeSeconds,
      }));
    case "GET /whoami": {
      const claims = verify(keys(), (request.headers.authorization ?? "").replace(/^Bearer /, ""));
      return claims ? answer(200, claims.sub) : answer(401, "invalid token");
    }
    case "GET /health":
      try {
        refresh();
        return answer(200);
      } catch {
        return answer(503, "the secret cannot be read");
      }
    default:
      return answer(404);
  }
});

const [host, port] = LISTEN.split(":");
server.listen(Number(port), host, () => {
  const { address, port } = server.address();
  console.log(`listening on ${address}:${port}`);
});
