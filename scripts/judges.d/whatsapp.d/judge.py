"""pywa, from PyPI, against our simulator of WhatsApp. The library believes that it speaks to Meta: only the
host of its calls is another one."""

import json
import logging
import os
import queue
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
from pywa import WhatsApp, types
from pywa.errors import WhatsAppError
from pywa.handlers import CallbackButtonHandler, MessageHandler, MessageStatusHandler

SANDBOX, NUMBER = os.environ["JUDGE_SANDBOX"], os.environ["JUDGE_NUMBER"]

# The library logs what it cannot read, and goes on; here that is a failure.
refused: list[str] = []


class Refusals(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        refused.append(self.format(record))


logging.getLogger("pywa").addHandler(Refusals(level=logging.WARNING))


class ToSandbox(httpx.HTTPTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert request.url.host == "graph.facebook.com", f"the library called {request.url}"
        there = httpx.URL(SANDBOX)
        path = b"/wa" + request.url.raw_path
        request.url = request.url.copy_with(scheme=there.scheme, host=there.host, port=there.port, raw_path=path)
        request.headers["Host"] = f"{there.host}:{there.port}"
        return super().handle_request(request)


def client(token: str) -> WhatsApp:
    return WhatsApp(
        phone_id=NUMBER,
        token=token,
        session=httpx.Client(transport=ToSandbox()),
        api_version=26.0,
        app_secret=os.environ["JUDGE_APP_SECRET"],
        waba_id=os.environ["JUDGE_WABA"],
        skip_duplicate_updates=False,
    )


wa = client(os.environ["JUDGE_TOKEN"])
heard: "queue.Queue[object]" = queue.Queue()
wa.add_handlers(
    MessageHandler(lambda _, m: heard.put(m)),
    MessageStatusHandler(lambda _, s: heard.put(s)),
    CallbackButtonHandler(lambda _, b: heard.put(b)),
)
bodies: list[tuple[bytes, str]] = []


class Hub(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        signature = self.headers["x-hub-signature-256"]
        bodies.append((raw, signature))
        wrong = wa.webhook_update_validator(raw, signature)
        if wrong:
            refused.append(f"the signature is not believed: {wrong}")
        else:
            wa.webhook_update_handler(raw)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["JUDGE_HUB_PORT"])), Hub)
threading.Thread(target=server.serve_forever, daemon=True).start()

all_heard: list[object] = []


def until(what: str, look) -> object:
    """Waits for what is bound to come; a minute is an error, not a guess."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert not refused, "\n".join(refused)
        for one in all_heard:
            if look(one):
                return one
        try:
            all_heard.append(heard.get(timeout=0.2))
        except queue.Empty:
            pass
    raise AssertionError(f"{what} did not come; heard {all_heard}")


def sandbox(path: str, body: object = None) -> object:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{SANDBOX}/_sandbox/{path}", data, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def act(command: str, **args: object) -> object:
    return sandbox("wa/act", {"command": command, "args": args})


end = time.monotonic() + 60
while True:
    try:
        sandbox("health")
        break
    except OSError:
        assert time.monotonic() < end, "the sandbox does not come up"
        time.sleep(0.05)

# A guest writes.
guest = "573001112233"
act("say", phone=guest, name="Luz Marina Ospina", text="¿Hay parqueadero? 🌸")
said = until("the guest's message", lambda u: isinstance(u, types.Message))
assert said.text == "¿Hay parqueadero? 🌸", said
assert said.from_user.name == "Luz Marina Ospina" and said.from_user.wa_id == guest, said.from_user
assert said.metadata.phone_number_id == NUMBER

# An answer, and its statuses with our own key in each.
sent = wa.send_message(to=guest, text="Sí, al lado.", tracker="llave-1")
for kind in ("SENT", "DELIVERED", "READ"):
    wanted = types.MessageStatusType[kind]
    told = until(
        f"the status {kind}",
        lambda u: isinstance(u, types.MessageStatus) and u.id == sent.id and u.status == wanted,
    )
    assert told.tracker == "llave-1", told

# A template with values and a button; the guest taps it.
act(
    "define_template",
    name="recordatorio_show",
    language="es_CO",
    category="UTILITY",
    body="{{1}}, mañana es {{2}} en la ciudad.",
    buttons=[{"type": "QUICK_REPLY", "text": "Ya no puedo ir"}],
)
parameters = [
    {"type": "body", "parameters": [{"type": "text", "text": "Camila"}, {"type": "text", "text": "Aurora"}]},
    {"type": "button", "sub_type": "quick_reply", "index": "0", "parameters": [{"type": "payload", "payload": "no-voy"}]},
]
template = wa.send_template(
    to="573009998877",
    name="recordatorio_show",
    language=types.templates.TemplateLanguage("es_CO"),
    params=parameters,
    tracker="llave-2",
)
until(
    "the template's delivery",
    lambda u: isinstance(u, types.MessageStatus) and u.id == template.id and u.status == types.MessageStatusType.DELIVERED,
)
assert "Camila, mañana es Aurora en la ciudad." in json.dumps(sandbox("wa/view/chats"), ensure_ascii=False)
act("press", phone="573009998877", payload="no-voy")
tap = until("the tap", lambda u: isinstance(u, types.CallbackButton))
assert tap.data == "no-voy" and tap.reply_to_message.id == template.id, tap

# A refusal carries Meta's code into the library's own error.
try:
    wa.send_template(
        to=guest, name="no_existe", language=types.templates.TemplateLanguage("es_CO"), params=[]
    )
    raise SystemExit("a template that is not there was taken")
except WhatsAppError as e:
    assert e.code == 132001, e

# A number without WhatsApp: accepted, failed later.
act("no_whatsapp", phone="573005550000")
lost = wa.send_template(
    to="573005550000",
    name="recordatorio_show",
    language=types.templates.TemplateLanguage("es_CO"),
    params=parameters,
    tracker="llave-3",
)
failed = until(
    "the failure",
    lambda u: isinstance(u, types.MessageStatus) and u.id == lost.id and u.status == types.MessageStatusType.FAILED,
)
assert failed.error.code == 131026 and failed.tracker == "llave-3", failed

assert wa.mark_message_as_read(said.id)
raw, signature = bodies[0]
assert wa.webhook_update_validator(raw + b" ", signature), "one byte more, and it is still believed"
refused = [line for line in refused if "unmatching signature" not in line]
assert not refused, "\n".join(refused)
print(f"pywa: {len(bodies)} webhooks verified and read")
