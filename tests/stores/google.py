"""Google Cloud Storage for tests: its XML API as far as clients of objects use it, on a free port of the loopback.

In: one JSON object a line. Out: one JSON object a line, the first being {"endpoint": …}. It ends with its input, so
that a test that dies leaves nothing behind. Emulators that can be had speak the JSON API alone, or do not put objects
by this one. Source: Google Cloud Storage, "XML API reference".

  {"bucket": "name"}                  makes a bucket
  {"put": ["name", "key", "base64"]}  puts an object
"""

import base64
import hashlib
import http.server
import json
import re
import sys
import threading
import time
from email.utils import formatdate
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

ROWS = 1000


class Store:
    """Buckets: objects by key, each its bytes, its generation and when it was put."""

    def __init__(self):
        self.lock = threading.Lock()
        self.buckets = {}
        self.generation = 0

    def put(self, bucket, key, body, generation=None):
        """Whether it was put: where a generation is asked for (0: none), what is there must be of it."""
        with self.lock:
            objects = self.buckets[bucket]
            there = objects[key][1] if key in objects else 0
            if generation is not None and there != generation:
                return False
            self.generation += 1
            objects[key] = (body, self.generation, time.time())
            return True

    def get(self, bucket, key):
        with self.lock:
            return self.buckets[bucket].get(key)

    def delete(self, bucket, key):
        with self.lock:
            return self.buckets[bucket].pop(key, None) is not None

    def behind(self, bucket, prefix, after):
        with self.lock:
            objects = self.buckets[bucket]
            return [(key, objects[key]) for key in sorted(objects) if key.startswith(prefix) and key > after]


STORE = Store()


def etag(body):
    return '"%s"' % hashlib.md5(body).hexdigest()


def listed(found, prefix, delimiter):
    """A page of keys, those below a folder as the folder."""
    rows, folders, last = [], [], None
    for key, (body, _, put) in found:
        below = key[len(prefix) :]
        folder = prefix + below.split(delimiter)[0] + delimiter if delimiter and delimiter in below else None
        if folder not in folders:
            if len(rows) + len(folders) == ROWS:
                rows.append("<NextContinuationToken>%s</NextContinuationToken>" % escape(last))
                break
            if folder:
                folders.append(folder)
        if not folder:
            when = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(put))
            row = "<Key>%s</Key><Size>%d</Size><LastModified>%s</LastModified><ETag>%s</ETag>"
            rows.append("<Contents>" + row % (escape(key), len(body), when, escape(etag(body))) + "</Contents>")
        last = key
    rows += ["<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>" % escape(folder) for folder in folders]
    return "<ListBucketResult>" + "".join(rows) + "</ListBucketResult>"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, code):
        self.answer(status, ("<Error><Code>%s</Code></Error>" % code).encode())

    def asked(self):
        """Bucket, key, query and body; none where there is no such bucket, which is said."""
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path.lstrip("/")).partition("/")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if bucket not in STORE.buckets:
            return self.refuse(404, "NoSuchBucket")
        return bucket, key, dict(parse_qsl(parts.query, keep_blank_values=True)), body

    def do_PUT(self):
        asked = self.asked()
        if asked:
            bucket, key, _, body = asked
            generation = self.headers.get("x-goog-if-generation-match")
            if STORE.put(bucket, key, body, None if generation is None else int(generation)):
                return self.answer(200, headers=[("ETag", etag(body)), ("x-goog-generation", "1")])
            self.refuse(412, "PreconditionFailed")

    def do_DELETE(self):
        asked = self.asked()
        if asked:
            bucket, key, _, _ = asked
            return self.answer(204) if STORE.delete(bucket, key) else self.refuse(404, "NoSuchKey")

    def do_GET(self):
        asked = self.asked()
        if not asked:
            return None
        bucket, key, query, _ = asked
        if not key:
            after = max(query.get("start-after", ""), query.get("continuation-token", ""))
            prefix = query.get("prefix", "")
            found = STORE.behind(bucket, prefix, after)
            return self.answer(200, listed(found, prefix, query.get("delimiter")).encode())
        found = STORE.get(bucket, key)
        if found is None:
            return self.refuse(404, "NoSuchKey")
        body, generation, put = found
        headers = [("ETag", etag(body)), ("Last-Modified", formatdate(put, usegmt=True))]
        headers += [("x-goog-generation", str(generation))]
        if self.headers.get("If-Match", etag(body)) != etag(body):
            return self.refuse(412, "PreconditionFailed")
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not wanted:
            return self.answer(200, body, headers)
        first, last = wanted.groups()
        start = int(first) if first else max(len(body) - int(last), 0)
        end = min(int(last) + 1, len(body)) if first and last else len(body)
        if start >= len(body):
            return self.refuse(416, "InvalidRange")
        headers.append(("Content-Range", "bytes %d-%d/%d" % (start, end - 1, len(body))))
        self.answer(206, body[start:end], headers)

    do_HEAD = do_GET


def lead(asked):
    if "bucket" in asked:
        STORE.buckets[asked["bucket"]] = {}
    elif "put" in asked:
        bucket, key, body = asked["put"]
        STORE.put(bucket, key, base64.b64decode(body))
    else:
        raise ValueError("nothing known is asked")


def main():
    http.server.ThreadingHTTPServer.request_queue_size = 128
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"endpoint": "http://127.0.0.1:%d" % server.server_port}), flush=True)
    for line in sys.stdin:
        try:
            lead(json.loads(line))
            print(json.dumps({"ok": None}), flush=True)
        except Exception as error:  # told to the test, which fails with it
            print(json.dumps({"error": repr(error)}), flush=True)


main()
