"""S3, SQS, SNS, EventBridge and STS for tests: moto on a free port of the loopback, led through standard input.

In: one JSON object a line. Out: one JSON object a line, the first being {"port": n}. It ends with its input,
so that a test that dies leaves nothing behind.

  {"call": ["sqs", "create_queue", {"QueueName": "q"}]}   a call of boto3; bytes are {"base64": "…"}
  {"put_many": {"bucket": "b", "objects": [["key", "base64"], …]}}   without a request for each
  {"fault": {"match": "GET /b/", "times": 2, "status": 503}}   what happens to requests that match:
                 "status": n (an answer of that status, with "code" in its words), "delay": seconds, "cut": bytes of the body that come;
                 "every": n (only each n-th of them)
  {"no_faults": true}   all is served again
  {"requests": true}   what was asked since the last time, as "GET /bucket/key?query"
  {"aws": true}   serves under AWS's own names too, through a proxy: its port, and the authority to trust
"""

import base64
import json
import logging
import re
import sys
import threading
import time

import boto3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

import aws
import queues

logging.getLogger("werkzeug").setLevel(logging.ERROR)


class Watched:
    """The application, with what was asked of it, and faults. boto3 leads the test and is not counted."""

    def __init__(self, app):
        self.app = app
        self.lock = threading.Lock()
        self.requests = []
        self.faults = []

    def fault_of(self, request):
        with self.lock:
            self.requests.append(request)
            for fault in self.faults:
                if fault["times"] > 0 and re.search(fault["match"], request):
                    fault["seen"] = fault.get("seen", 0) + 1
                    if fault["seen"] % fault.get("every", 1) == 0:
                        fault["times"] -= 1
                        return fault
        return {}

    def __call__(self, environ, start_response):
        if "Boto3" in environ.get("HTTP_USER_AGENT", ""):
            return self.app(environ, start_response)
        query = environ.get("QUERY_STRING", "")
        request = environ["REQUEST_METHOD"] + " " + environ["PATH_INFO"] + ("?" + query if query else "")
        target = environ.get("HTTP_X_AMZ_TARGET")
        fault = self.fault_of(request + (" " + target if target else ""))
        if "delay" in fault:
            time.sleep(fault["delay"])
        if "status" in fault:
            code = fault.get("code", "SlowDown")
            body = "<Error><Code>%s</Code><Message>Please reduce your request rate.</Message></Error>" % code
            start_response(str(fault["status"]) + " Fault", [("Content-Type", "application/xml")])
            return [body.encode()]
        answer = self.app(environ, start_response)
        if "cut" in fault:
            return [b"".join(answer)[: fault["cut"]]]
        return answer


def unpacked(value):
    if isinstance(value, dict):
        if list(value) == ["base64"]:
            return base64.b64decode(value["base64"])
        return {key: unpacked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [unpacked(inner) for inner in value]
    return value


def put_many(asked):
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    for key, body in asked["objects"]:
        backend.put_object(asked["bucket"], key, base64.b64decode(body))
    return {}


def main():
    queues.quicken()
    watched = Watched(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, watched, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = "http://127.0.0.1:%d" % server.server_port
    clients = {}
    print(json.dumps({"port": server.server_port}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if "call" in asked:
                service, method, arguments = asked["call"]
                if service not in clients:
                    clients[service] = boto3.client(
                        service,
                        endpoint_url=endpoint,
                        region_name="us-east-1",
                        aws_access_key_id="test",
                        aws_secret_access_key="test",
                    )
                answer = getattr(clients[service], method)(**unpacked(arguments))
                answer.pop("ResponseMetadata", None)
            elif "put_many" in asked:
                answer = put_many(asked["put_many"])
            elif "fault" in asked:
                with watched.lock:
                    watched.faults.append(asked["fault"])
                answer = {}
            elif "no_faults" in asked:
                with watched.lock:
                    watched.faults = []
                answer = {}
            elif "aws" in asked:
                proxy = aws.Proxy(watched)
                threading.Thread(target=proxy.serve_forever, daemon=True).start()
                answer = {"port": proxy.server_port, "authority": proxy.authority}
            elif "requests" in asked:
                with watched.lock:
                    answer, watched.requests = watched.requests, []
            else:
                raise ValueError("nothing known is asked")
            print(json.dumps({"ok": answer}, default=str), flush=True)
        except Exception as error:  # told to the test, which fails with it
            print(json.dumps({"error": repr(error)}), flush=True)


main()
