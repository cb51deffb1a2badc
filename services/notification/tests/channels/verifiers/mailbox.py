"""A server for mail: says its port, then each letter that it took as a JSON object a line.

Arguments: certificate and key (TLS by STARTTLS is then required), user and password (login is then required), "-" for
none; "implicit" for TLS from the first byte. It ends with its standard input.
"""

import asyncio
import email
import email.policy
import json
import logging
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Mailbox:
    """Takes letters, save for some recipients."""

    def __init__(self):
        self.later = {"later@example.com": 1, "full@example.com": 1_000_000}

    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        if name == "nobody":
            return "550 5.1.1 There is nobody of this name"
        if self.later.get(address, 0) > 0:
            self.later[address] -= 1
            return "451 4.7.1 Come back later"
        if name == "closing":
            return "421 4.3.2 Too busy"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        if "refuse the content" in letter["Subject"]:
            return "554 5.6.0 Not such a letter"
        told = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": server.transport.get_extra_info("ssl_object") is not None,
            "authenticated": bool(session.authenticated),
            "peer": session.peer[1],
            "headers": {name: str(value) for name, value in letter.items()},
            "text": letter.get_body(("plain",)).get_content(),
            "html": letter.get_body(("html",)).get_content(),
            "longest": max(len(line) for line in envelope.content.split(b"\r\n")),
        }
        print(json.dumps(told), flush=True)
        return "250 OK"


def authenticator(user, password):
    def check(server, session, envelope, mechanism, data):
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (user.encode(), password.encode())
        return AuthResult(success=right, handled=False)

    return check


# Connections that break off are what the tests are about.
logging.disable(logging.CRITICAL)


async def main(certificate, key, user, password, implicit):
    options = {}
    context = None
    if certificate != "-":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        if implicit == "-":
            options.update(tls_context=context, require_starttls=True)
    if user != "-":
        options.update(
            auth_required=True, authenticator=authenticator(user, password), auth_require_tls=implicit == "-" and certificate != "-"
        )
    mailbox = Mailbox()
    loop = asyncio.get_running_loop()
    listening = {"ssl": context} if implicit != "-" else {}
    server = await loop.create_server(lambda: SMTP(mailbox, **options), "127.0.0.1", 0, **listening)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main(*sys.argv[1:]))
