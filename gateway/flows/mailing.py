"""Mail with attachments: one message, over TLS, or an exception. The library is Python's own (`smtplib`, `email`)."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

from gateway.flows.refusals import Refused
from gateway.runtime.channel_settings import SecretMissing, read
from gateway.runtime.clock import Clock
from gateway.runtime.mail_settings import MailSettings

SECONDS: Final = 30.0
ATTACHED_BYTES_MAX: Final = 20 * 1024 * 1024
"""What most servers take."""
_KINDS: Final = {"csv": ("text", "csv"), "json": ("application", "json"), "pdf": ("application", "pdf")}


class MailNotSent(Refused):
    """The mail was not taken by the server: it is tried again."""

    status = 502
    slug = "mail-not-sent"


def send(
    mail: MailSettings,
    clock: Clock,
    to: Sequence[str],
    subject: str,
    text: str,
    files: Sequence[tuple[str, bytes]] = (),
    *,
    id_: str = "",
    context: ssl.SSLContext | None = None,
) -> None:
    """Send one message to all of them, or raise `MailNotSent`: a server that takes it for some only has not taken it.

    `id_` makes its Message-ID, so that a reader that gets it twice knows. `context`: whose certificates are believed; default the system's.
    """
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = mail.sender, ", ".join(to), subject
    message["Date"] = format_datetime(clock.now())
    message["Auto-Submitted"] = "auto-generated"
    if id_:
        message["Message-ID"] = f"<{id_}@{mail.sender.rpartition('@')[2]}>"
    message.set_content(text)
    for name, data in files:
        kind, part = _KINDS.get(name.rpartition(".")[2], ("application", "octet-stream"))
        message.add_attachment(data, maintype=kind, subtype=part, filename=name)
    try:
        with _connected(mail, context or ssl.create_default_context()) as server:
            if mail.password is not None:
                server.login(mail.user, read(mail.password))
            refused = server.send_message(message, mail.sender, list(to))
    except (OSError, smtplib.SMTPException, SecretMissing) as problem:
        why = str(problem) if isinstance(problem, SecretMissing) else type(problem).__name__
        raise MailNotSent(f"{mail.host}:{mail.port} did not take the mail: {why}") from None
    if refused:
        raise MailNotSent(f"{mail.host}:{mail.port} does not know {len(refused)} of {len(to)} addresses")


def _connected(mail: MailSettings, context: ssl.SSLContext) -> smtplib.SMTP:
    if mail.security == "tls":
        return smtplib.SMTP_SSL(mail.host, mail.port, timeout=SECONDS, context=context)
    server = smtplib.SMTP(mail.host, mail.port, timeout=SECONDS)
    if mail.security == "starttls":
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
    return server
