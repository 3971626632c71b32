"""Azure's blob store for tests: Azurite on a free port of the loopback, led through standard input.

In: the path of Azurite as the argument, then one JSON object a line. Out: one JSON object a line, the first being
{"endpoint": …, "account": …, "key": …}. It ends with its input, and Azurite with it, so that a test that dies
leaves nothing behind.

  {"bucket": "name"}                      makes a container
  {"put": ["name", "key", "base64"]}      puts a block blob, in the place of one that is there
  {"append": ["name", "key", "base64"]}   adds to an append blob, and makes one where there is none
"""

import base64
import hashlib
import hmac
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from email.utils import formatdate

# of Azurite's documentation: everybody's
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class Blobs:
    def __init__(self, port):
        self.port = port

    def ask(self, method, path, query=(), headers=(), body=b""):
        """A request with a shared key, as "Authorize with Shared Key" of Azure's documentation has it."""
        path = "/" + ACCOUNT + urllib.parse.quote("/" + path)
        headers = dict(headers, **{"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2023-11-03"})
        signed = [method, "", "", str(len(body) or ""), "", "", "", "", "", "", "", ""]
        signed += ["%s:%s" % (name, headers[name]) for name in sorted(headers)]
        signed += ["/" + ACCOUNT + path] + ["%s:%s" % part for part in sorted(query)]
        made = hmac.new(base64.b64decode(KEY), "\n".join(signed).encode(), hashlib.sha256).digest()
        headers["Authorization"] = "SharedKey %s:%s" % (ACCOUNT, base64.b64encode(made).decode())
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path + ("?" + urllib.parse.urlencode(query) if query else ""), body, headers)
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        return answer.status, said

    def done(self, *asked, **more):
        status, said = self.ask(*asked, **more)
        if status >= 300:
            raise ValueError("%s: %d %s" % (asked, status, said.decode(errors="replace")))

    def lead(self, asked):
        if "bucket" in asked:
            return self.done("PUT", asked["bucket"], [("restype", "container")])
        for how in ("put", "append"):
            if how in asked:
                bucket, key, body = asked[how]
                path, body = bucket + "/" + key, base64.b64decode(body)
                if how == "put":
                    return self.done("PUT", path, headers={"x-ms-blob-type": "BlockBlob"}, body=body)
                if self.ask("HEAD", path)[0] == 404:
                    self.done("PUT", path, headers={"x-ms-blob-type": "AppendBlob"})
                return self.done("PUT", path, [("comp", "appendblock")], body=body)
        raise ValueError("nothing known is asked")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, server):
    for _ in range(600):
        if server.poll() is not None:
            raise SystemExit("Azurite ended with %d" % server.returncode)
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
    raise SystemExit("Azurite does not listen")


def main():
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            ["node", sys.argv[1], "--silent", "--disableTelemetry", "--skipApiVersionCheck", "--loose"]
            + ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", folder],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            wait_for(port, server)
            blobs = Blobs(port)
            endpoint = "http://127.0.0.1:%d/%s" % (port, ACCOUNT)
            print(json.dumps({"endpoint": endpoint, "account": ACCOUNT, "key": KEY}), flush=True)
            for line in sys.stdin:
                try:
                    blobs.lead(json.loads(line))
                    print(json.dumps({"ok": None}), flush=True)
                except Exception as error:  # told to the test, which fails with it
                    print(json.dumps({"error": repr(error)}), flush=True)
        finally:
            server.kill()
            server.wait()


main()
