"""standardwebhooks, from PyPI, signs for a running hub."""

import json
import os
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone

from standardwebhooks import Webhook

signer = Webhook(os.environ["JUDGE_SECRET"])


def send(name: str, at: datetime, body: str, sent: str | None = None) -> tuple[int, dict]:
    headers = {
        "content-type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signer.sign(name, at, body),
    }
    request = urllib.request.Request(os.environ["JUDGE_HOOK"], (sent or body).encode(), headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


body = json.dumps({"type": "order.created", "id": "py-1", "nota": "Boleta para Peñalosa 🌸"}, ensure_ascii=False)
now = datetime.now(tz=timezone.utc)
status, taken = send("msg_py1", now, body)
assert (status, taken["status"]) == (200, "accepted"), taken
assert send("msg_py1", now, body)[1]["status"] == "known"
assert send("msg_py2", now, body, body + " ")[0] == 401
assert send("msg_py3", now - timedelta(hours=1), body)[0] == 401
print("standardwebhooks (PyPI): believed once, and not when changed or old")
