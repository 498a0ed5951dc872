"""A mail server for tests: takes mails and tells of them, a JSON line each, on the standard output.

What is written before the @ of a recipient says how it behaves: `rcpt.550.5.1.1` replies so to the
address, `data.451.4.3.0` to the mail itself; `die.rcpt` and `die.data` end the process there.
It ends when its standard input does.
"""
import asyncio
import base64
import json
import logging
import os
import ssl
import sys
import warnings

import trustme
from aiosmtpd.smtp import SMTP, AuthResult


warnings.simplefilter("ignore")
logging.disable()


def reply(local, stage):
    parts = local.split(".")
    if parts[0] == "die" and parts[1] == stage:
        os._exit(1)
    if parts[0] != stage or len(parts) < 2:
        return None
    enhanced = ".".join(parts[2:])
    return " ".join(part for part in (parts[1], enhanced, "as the test asked for") if part)


def tell(thing):
    sys.stdout.write(json.dumps(thing) + "\n")
    sys.stdout.flush()


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        refusal = reply(address.rsplit("@", 1)[0], "rcpt")
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        for address in envelope.rcpt_tos:
            refusal = reply(address.rsplit("@", 1)[0], "data")
            if refusal:
                return refusal
        tell({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "encrypted": session.ssl is not None or TLS == "tls",
            "user": (session.auth_data or b"").decode(),
            "raw": base64.b64encode(envelope.content).decode(),
        })
        return "250 2.0.0 taken"


def authenticate(server, session, envelope, mechanism, data):
    good = data.login == USER.encode() and data.password == PASSWORD.encode()
    return AuthResult(success=good, handled=False, auth_data=data.login if good else None)


def context(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def main():
    authority = trustme.CA()
    tls = context(authority) if TLS != "none" else None
    options = {"hostname": "mail.test", "enable_SMTPUTF8": False}
    if TLS == "starttls":
        options.update(tls_context=tls, require_starttls=True)
    if USER:
        options.update(
            authenticator=authenticate, auth_required=True, auth_require_tls=TLS == "starttls"
        )
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(
        lambda: SMTP(Handler(), **options), "127.0.0.1", 0, ssl=tls if TLS == "tls" else None
    )
    port = listening.sockets[0].getsockname()[1]
    tell({"port": port, "authority": authority.cert_pem.bytes().decode()})
    await loop.run_in_executor(None, sys.stdin.read)
    os._exit(0)


TLS, USER, PASSWORD = sys.argv[1:4]
asyncio.run(main())
