"""standardwebhooks, from PyPI, verifies what a running hub tells, and refuses what was changed."""

import json
import os
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

API, KEY = os.environ["JUDGE_API"], os.environ["JUDGE_KEY"]
came = threading.Event()
heard: list[tuple[bytes, dict[str, str]]] = []


class Service(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        heard.append((body, dict(self.headers.items())))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
        came.set()

    def log_message(self, *_: object) -> None:
        pass


def api(path: str, body: dict | None = None) -> dict:
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    request = urllib.request.Request(API + path, json.dumps(body or {}).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


service = ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=service.serve_forever, daemon=True).start()
made = api("/webhooks", {"url": f"http://127.0.0.1:{service.server_port}/avisos", "types": ["*"]})
assert api(f"/webhooks/{made['id']}/test")["delivered"]
assert came.wait(30)
body, headers = heard[0]
verifier = Webhook(made["secret"])
assert verifier.verify(body.decode(), headers)["type"] == "webhook.test"
for changed, with_headers in [
    (body.decode() + " ", headers),
    (body.decode(), headers | {"Webhook-Id": "test_other"}),
    (body.decode(), headers | {"Webhook-Timestamp": "1700000000"}),
]:
    try:
        verifier.verify(changed, {k.lower(): v for k, v in with_headers.items()})
    except WebhookVerificationError:
        continue
    raise AssertionError(f"believed {changed!r} {with_headers}")
api(f"/webhooks/{made['id']}/remove")
service.shutdown()
print("standardwebhooks (PyPI): verifies what a hub tells, and not what was changed")
