"""A mail server for the system tests, on 127.0.0.1 and a port of its own.

It is steered by lines of JSON on standard input, answers each with one on standard output, and ends with its input:

    {"answer": "ada@example.com", "with": ["450", "stall"]}   what happens to the next mails to this address
    {"mails": true}                                           every mail that was stored, in order

What happens to a mail: `450` and `550` refuse the recipient, `554` the message; `stall` never answers the message and stores
nothing; `slow` takes it after two seconds; `hang-up` stores it and closes the connection before the answer. Nothing said, it is
stored and accepted. Arguments: --mode starttls|tls|none, --certificate, --key, --username, --password-file.
"""

import argparse
import asyncio
import email
import email.policy
import json
import ssl
import sys
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult


class Mailbox:
    def __init__(self):
        self.answers = {}
        self.mails = []

    def answer(self, address, at):
        """Takes the next answer for this address if it belongs to this step."""
        waiting = self.answers.get(address, [])
        return waiting.pop(0) if waiting and waiting[0] in at else None

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        match self.answer(address, {"450", "550"}):
            case "450":
                return f"450 4.2.1 <{address}> is busy"
            case "550":
                return f"550 5.1.1 <{address}> is unknown here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        answer = self.answer(envelope.rcpt_tos[0], {"554", "stall", "slow", "hang-up"})
        if answer == "554":
            return f"554 5.7.1 {envelope.rcpt_tos[0]} shall not get this"
        if answer == "stall":
            await asyncio.sleep(3600)
        if answer == "slow":
            await asyncio.sleep(2)
        self.mails.append(read(server, session, envelope))
        if answer == "hang-up":
            server.transport.abort()
        return "250 OK"


def read(server, session, envelope):
    message = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
    parts = {part.get_content_type(): lines(part.get_content()) for part in message.walk() if not part.is_multipart()}
    return {
        "envelope_from": envelope.mail_from,
        "envelope_to": envelope.rcpt_tos,
        "encrypted": server.transport.get_extra_info("ssl_object") is not None,
        "login": session.auth_data,
        "headers": [name.lower() for name in message.keys()],
        "type": message.get_content_type(),
        "parts": list(parts),
        "text": parts.get("text/plain"),
        "html": parts.get("text/html"),
        **{name: str(message[name]) for name in ("from", "to", "subject", "message-id", "content-language", "auto-submitted")},
    }


def lines(text):
    return text.replace("\r\n", "\n")


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=("starttls", "tls", "none"), default="none")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--username")
    parser.add_argument("--password-file")
    return parser.parse_args()


def protocol(mailbox, options, context):
    settings = {"enable_SMTPUTF8": True, "hostname": "mail.test", "ident": "test"}
    if options.mode == "starttls":
        settings |= {"tls_context": context, "require_starttls": True}
    if options.username:
        # The file is read again for each login: the test changes the password.
        def authenticate(server, session, envelope, mechanism, data):
            expected = Path(options.password_file).read_bytes().strip()
            good = data.login == options.username.encode() and data.password == expected
            return AuthResult(success=good, handled=False, auth_data=options.username)

        settings |= {
            "authenticator": authenticate,
            "auth_required": True,
            "auth_require_tls": options.mode == "starttls",
        }
    return SMTP(mailbox, **settings)


async def main():
    options = arguments()
    context = None
    if options.mode != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate, options.key)
    mailbox = Mailbox()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: protocol(mailbox, options, context),
        "127.0.0.1",
        0,
        ssl=context if options.mode == "tls" else None,
    )
    say({"port": server.sockets[0].getsockname()[1]})
    commands = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        command = json.loads(line)
        if "answer" in command:
            mailbox.answers[command["answer"]] = command["with"]
            say({})
        else:
            say({"mails": mailbox.mails})


def say(answer):
    print(json.dumps(answer), flush=True)


asyncio.run(main())
