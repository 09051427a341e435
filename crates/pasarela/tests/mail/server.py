"""A real mail server for the tests: aiosmtpd, with STARTTLS and AUTH, and a few awkward mailboxes.

Usage: server.py FOLDER CERT KEY. Writes FOLDER/ports.json when it listens, and each message that it took
as one line of FOLDER/taken.jsonl: envelope, and the message as Python's own mail library reads it.
"""

import asyncio
import email
import email.policy
import json
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

folder, cert, key = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
asked = {}


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        asked[name] = asked.get(name, 0) + 1
        if name == "nadie":
            return "550 5.1.1 <%s>: Recipient address rejected: User unknown" % address
        if name == "ocupada" and asked[name] == 1:
            return "450 4.2.0 <%s>: greylisted, try again" % address
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        plain, html = message.get_body(("plain",)), message.get_body(("html",))
        with open(folder / "taken.jsonl", "a", encoding="utf-8") as out:
            json.dump({
                "from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": server.transport.get_extra_info("ssl_object") is not None,
                "user": (session.auth_data.login.decode() if session.auth_data else None),
                "subject": message["subject"], "id": message["message-id"], "date": message["date"],
                "defects": [str(d) for d in message.defects],
                "text": plain.get_content() if plain else None,
                "html": html.get_content() if html else None,
                "files": [[a.get_filename(), a.get_content_type(), len(a.get_payload(decode=True))]
                          for a in message.iter_attachments()],
            }, out, ensure_ascii=False)
            out.write("\n")
        if envelope.rcpt_tos[0].startswith("muda@"):
            # Taken, and the line falls before the reply.
            server.transport.abort()
        return "250 2.0.0 Ok: queued"


def login(server, session, envelope, mechanism, data):
    fits = (data.login, data.password) == (b"boletas", b"una-clave-larga")
    # Not handled: the server itself says 535.
    return AuthResult(success=fits, handled=False, auth_data=data)


async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    loop = asyncio.get_running_loop()
    options = dict(hostname="mx.prueba.example", authenticator=login, auth_required=True, enable_SMTPUTF8=False)
    starttls = await loop.create_server(
        lambda: SMTP(Handler(), tls_context=context, require_starttls=True, **options), "127.0.0.1", 0)
    implicit = await loop.create_server(
        lambda: SMTP(Handler(), auth_require_tls=False, **options), "127.0.0.1", 0, ssl=context)
    ports = {"starttls": starttls.sockets[0].getsockname()[1], "implicit": implicit.sockets[0].getsockname()[1]}
    (folder / "ports.tmp").write_text(json.dumps(ports))
    (folder / "ports.tmp").rename(folder / "ports.json")
    await asyncio.Event().wait()


asyncio.run(main())
