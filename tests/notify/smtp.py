"""A mail server on loopback: plain, with STARTTLS, or with TLS from the first byte."""

import asyncio
import base64
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_string, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["MailHost", "certificate", "mail_host", "tls_of"]


@dataclass
class MailHost:
    """What it answers, and what it was told. `replies` are answers by the beginning of a command."""

    tls: ssl.SSLContext | None = None
    starttls: bool = False
    password: str = ""
    replies: dict[str, str] = field(default_factory=dict[str, str])
    port: int = 0
    commands: list[str] = field(default_factory=list[str])
    mails: list[EmailMessage] = field(default_factory=list[EmailMessage])
    encrypted: bool = False

    @property
    def tried(self) -> int:
        """How often a mail was begun, taken or not."""
        return sum(command.startswith("mail ") for command in self.commands)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak with one client until it leaves."""
        self.encrypted = writer.get_extra_info("sslcontext") is not None
        writer.write(b"220 here\r\n")
        while line := (await reader.readline()).decode().rstrip("\r\n"):
            self.commands.append(line)
            verb = line.split(":")[0].split(" ")[0].upper()
            writer.write(self._reply(line, verb).encode() + b"\r\n")
            if verb == "STARTTLS" and self.tls is not None:
                await writer.start_tls(self.tls)
                self.encrypted = True
            if verb == "DATA":
                self.mails.append(await self._content(reader, writer))
            if verb == "QUIT":
                break
        writer.close()

    async def _content(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> EmailMessage:
        text = (await reader.readuntil(b"\r\n.\r\n")).decode()[:-3]
        writer.write(self.replies.get("CONTENT", "250 taken").encode() + b"\r\n")
        return message_from_string(text, EmailMessage, policy=policy.default)

    def _reply(self, line: str, verb: str) -> str:
        known = next((reply for start, reply in self.replies.items() if line.startswith(start)), None)
        if known is not None:
            return known
        if verb == "EHLO":
            offers = ["here", *(["STARTTLS"] if self.starttls and not self.encrypted else []), "AUTH PLAIN", "8BITMIME"]
            return "\r\n".join([f"250-{offer}" for offer in offers[:-1]] + [f"250 {offers[-1]}"])
        if verb == "AUTH":
            told = base64.b64decode(line.split(" ")[2]).decode().split("\0")[-1]
            return "235 welcome" if told == self.password else f"535 no, not {told}"
        return {"STARTTLS": "220 go on", "DATA": "354 go on", "QUIT": "221 bye"}.get(verb, "250 ok")


@asynccontextmanager
async def mail_host(host: MailHost) -> AsyncGenerator[MailHost]:
    """Serve on a free port for as long as the block lasts."""
    first = host.tls if not host.starttls else None
    server = await asyncio.start_server(host.talk, "127.0.0.1", 0, ssl=first)
    host.port = server.sockets[0].getsockname()[1]
    async with server:
        yield host


def certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that has signed itself, with its key, in one file."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "here")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path, form = folder / "server.pem", serialization.Encoding.PEM
    private = key.private_bytes(form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + signed.public_bytes(form))
    return path


def tls_of(path: Path) -> ssl.SSLContext:
    """What a server needs to speak TLS with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
