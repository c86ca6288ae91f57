"""E-mail over SMTP, taken apart so that the moment of no return is known.

RFC 5321 §4.2.5 and §6.1: the server takes responsibility with its 250 after the end of the data, and must not deliver
a message whose end it has not seen. So everything up to the last line may fail without harm; only a connection that
breaks between that line and the answer leaves us unsure. A Message-ID carries our reference, but no server is obliged
to refuse a second message because of it.
"""

import smtplib
import ssl
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from lending.message_config import SmtpSpec
from lending.transports import Answer, Found, Going, NotSent, Outgoing, Receipt, Unsure

END = b".\r\n"


class SmtpTransport:
    """A mail server that we hand messages to."""

    asks = keyed = False
    settle = 0.0

    def __init__(self, spec: SmtpSpec) -> None:
        """Take where the server is and how to sign in."""
        self.name, self.spec = spec.name, spec

    def send(self, out: Outgoing, going: Going) -> Receipt:
        """Hand a message over; see the module for what may fail when."""
        data = compose(out, self.spec)
        try:
            server = self._open()
        except (OSError, smtplib.SMTPException) as error:
            raise _down(error) from error
        try:
            self._address(server, out, data)
            going()
            return self._end(server)
        finally:
            server.close()

    def ask(self, out: Outgoing) -> Answer:
        """Answer that a mail server cannot be asked."""
        return Answer(Found.UNCLEAR, text="a mail server cannot be asked what became of a message")

    def _open(self) -> smtplib.SMTP:
        server = smtplib.SMTP(timeout=self.spec.timeout)
        try:
            code, said = server.connect(self.spec.host, self.spec.port)
            if code != 220:
                raise smtplib.SMTPConnectError(code, said)
            if self.spec.starttls:
                server.starttls(context=ssl.create_default_context())
            if self.spec.user:
                server.login(self.spec.user, self.spec.secret)
            server.ehlo_or_helo_if_needed()
        except BaseException:
            server.close()
            raise
        return server

    def _address(self, server: smtplib.SMTP, out: Outgoing, data: bytes) -> None:
        """Say everything but the line that ends the message; until then the server must not deliver it."""
        try:
            sender = parseaddr(self.spec.sender)[1]
            for said in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{out.to}>", "DATA"):
                code, answer = server.docmd(said)
                if code not in (250, 251, 354):
                    raise NotSent(_said(code, answer, out.to), permanent=500 <= code < 600)
            server.send(data)
        except (OSError, smtplib.SMTPException) as error:
            raise _down(error) from error

    def _end(self, server: smtplib.SMTP) -> Receipt:
        try:
            server.send(END)
            code, said = server.getreply()
        except (OSError, smtplib.SMTPException) as error:
            raise Unsure(f"the mail server broke off before it answered ({type(error).__name__})") from error
        if code != 250:
            raise NotSent(_said(code, said, ""), permanent=500 <= code < 600)
        return Receipt(said.decode(errors="replace")[:120])


def compose(out: Outgoing, spec: SmtpSpec) -> bytes:
    """Return the message as it goes over the line: everything but the line that ends it.

    Raises `NotSent` for an address that could smuggle in another header or recipient.
    """
    name, sender = parseaddr(spec.sender)
    try:
        to = Address(addr_spec=out.to)
        message = EmailMessage(policy=SMTP)
        message["From"] = Address(name, addr_spec=sender)
        message["To"] = to
        message["Subject"] = out.subject
    except (ValueError, IndexError, MessageError) as error:
        raise NotSent("the e-mail address is not one", permanent=True) from error
    message["Date"] = format_datetime(out.at)
    message["Message-ID"] = f"<{out.ref}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(out.body, cte="quoted-printable")
    data = bytes(message)
    # RFC 5321 §4.5.2: a line that begins with a full stop gets another.
    lines = [b"." + line if line.startswith(b".") else line for line in data.split(b"\r\n")]
    stuffed = b"\r\n".join(lines)
    return stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n"


def _said(code: int, said: bytes, address: str) -> str:
    text = said.decode(errors="replace")[:200]
    return f"the mail server said {code} {text.replace(address, 'the address') if address else text}"


def _down(error: Exception) -> NotSent:
    return NotSent(f"the mail server could not be used ({type(error).__name__})")
