"""A morning without anybody: closed, fetched, reconciled, handed on; each once, whole, and to nobody else."""

from __future__ import annotations

import email.policy
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pydantic import ValidationError
from sqlalchemy import select, update

from gateway.flows.close import close_missed
from gateway.flows.deliveries import DAYS_BACK, deliver_due
from gateway.flows.mailing import MailNotSent, send
from gateway.jobs.exporting import hand_on
from gateway.jobs.overdue import watch_closes
from gateway.jobs.reconciling import Reconciling
from gateway.runtime.mail_settings import MailSettings
from gateway.store import tables as t
from gateway.wiring import Parts
from tests.gateway.channel_house import channels
from tests.gateway.test_statement_fetch import DAY, at
from tests.gateway.test_statement_job import Jobs

ONE = timedelta(days=1)


class Dawn(Jobs):
    """The street at two in the morning, its day about to be closed."""

    def __init__(self, parts: Parts, provider: Any, folder: Path) -> None:
        super().__init__(parts, provider, folder)
        self.clock.set(at("07:00", DAY))
        stay = self.parks("07:00")
        self.clock.set(at("09:00", DAY))
        order = self.orders(stay, "wechat")
        self.clock.set(at("09:01", DAY))
        self.hears("wechat", self.provider.paid_notice("wechat", self.pays(order)))
        self.passes("out-1", "浙A12345", "09:05")
        self.clock.set(at("02:00"))
        with self.parts.store.writing() as connection:
            connection.execute(update(t.SiteBooks).values(opened_on=DAY))
            connection.commit()

    def with_settings(self, **changed: Any) -> None:
        self.parts = replace(self.parts, settings=self.parts.settings.model_copy(update=changed))

    def closes(self) -> None:
        list(close_missed(self.parts, DAY))

    def handed_on(self) -> list[tuple[str, Any]]:
        with self.parts.store.reading() as connection:
            rows = connection.execute(select(t.ExportDelivery).order_by(t.ExportDelivery.delivered_at))
            return [(row.target, row.day) for row in rows]


@pytest.fixture
def dawn(parts: Parts, tmp_path: Path) -> Iterator[Dawn]:
    with channels(parts.clock) as provider:
        yield Dawn(parts, provider, tmp_path / "keys")


class Post(socketserver.StreamRequestHandler):
    """As much of a mail server as takes a message. `server.refuses`: an address that it does not know."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        data: list[bytes] | None = None
        for line in self.rfile:
            word = line.strip().upper()
            if data is not None:
                if line == b".\r\n":
                    self.server.got.append(b"".join(data))  # type: ignore[attr-defined]
                    data = None
                    self.wfile.write(b"250 taken\r\n")
                else:
                    data.append(line)
            elif word.startswith(b"RCPT") and self.server.refuses.encode().upper() in word:  # type: ignore[attr-defined]
                self.wfile.write(b"550 unknown\r\n")
            elif word == b"DATA":
                data = []
                self.wfile.write(b"354 go on\r\n")
            elif word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 well\r\n")


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of this machine, made here: whoever believes it, and the server that has it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the post")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - ONE, now + ONE)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    file = folder / "post.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(secret + made.public_bytes(Encoding.PEM))
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(file)
    return ssl.create_default_context(cadata=made.public_bytes(Encoding.PEM).decode()), own


class Office(socketserver.ThreadingTCPServer):
    """`tls`: what it proves itself with, where it speaks TLS from the first byte."""

    daemon_threads = True
    tls: ssl.SSLContext | None = None

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        return (self.tls.wrap_socket(connection, server_side=True) if self.tls else connection), address


@contextmanager
def post_office(refuses: str = "nobody@nowhere", tls: ssl.SSLContext | None = None) -> Iterator[Any]:
    with Office(("127.0.0.1", 0), Post) as server:
        server.tls = tls
        server.got, server.refuses = [], refuses  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def to_finance(server: Any, *who: str) -> MailSettings:
    return MailSettings(
        host="127.0.0.1",
        port=server.server_address[1],
        security="none",
        sender="parkgate@hushu.example",
        finance=list(who or ("zhao@hushu.example",)),
    )


def test_a_morning_goes_by_itself_and_a_second_one_changes_nothing(dawn: Dawn, tmp_path: Path) -> None:
    out = tmp_path / "exports"
    dawn.with_settings(export_folder=str(out), export_formats=["json", "csv"])
    reconciling, fetching = Reconciling(dawn.parts), dawn.job()
    assert deliver_due(dawn.parts) == ""
    dawn.closes()
    assert reconciling.run() == "1 days matched, 0 of them sealed"
    assert reconciling.run() == ""
    assert deliver_due(dawn.parts) == "1 exports handed on"
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert {f"street-{DAY}.json", f"street-{DAY}-summary.csv"} <= first.keys()
    dawn.clock.set(at("10:00"))
    assert fetching.run() == "3 statements fetched"
    assert reconciling.run() == "1 days matched, 1 of them sealed"
    # Once more, since it is reconciled now.
    assert deliver_due(dawn.parts) == "1 exports handed on"
    assert (out / f"street-{DAY}.json").read_bytes() != first[f"street-{DAY}.json"]
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    for again in (fetching.run, reconciling.run, Reconciling(dawn.parts).run, lambda: hand_on(dawn.parts)):
        assert again() == ""
    assert dawn.handed_on() == [("folder", DAY)] * 2
    dawn.holds()


def test_a_day_is_matched_again_when_something_of_it_comes(dawn: Dawn) -> None:
    dawn.closes()
    job = Reconciling(dawn.parts)
    job.run()
    dawn.clock.set(at("10:00"))
    dawn.bills("wechat").late.add(DAY)
    dawn.job().run()
    assert job.run() == "1 days matched, 0 of them sealed"
    assert job.run() == ""
    dawn.bills("wechat").late.clear()
    dawn.job().run()
    assert job.run() == "1 days matched, 1 of them sealed"


def test_what_was_interrupted_is_handed_on_again_whole(dawn: Dawn, tmp_path: Path) -> None:
    dawn.closes()
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    dawn.with_settings(export_folder=str(blocked / "below"))
    with pytest.raises(OSError):
        deliver_due(dawn.parts)
    assert dawn.handed_on() == []
    assert dawn.metric("parkgate_exports_delivered_total", target="folder", outcome="failed") == 1
    dawn.with_settings(export_folder=str(tmp_path / "good"), export_formats=["json"])
    assert deliver_due(dawn.parts) == "1 exports handed on"


def test_what_is_old_is_nobody_s_news(dawn: Dawn, tmp_path: Path) -> None:
    dawn.closes()
    dawn.with_settings(export_folder=str(tmp_path / "exports"))
    dawn.clock.set(at("03:00") + DAYS_BACK)
    assert deliver_due(dawn.parts) == ""


class TestMail:
    def test_finance_gets_the_exports_once_and_a_server_that_is_away_holds_no_folder_up(
        self, dawn: Dawn, tmp_path: Path
    ) -> None:
        dawn.closes()
        with post_office() as server:
            mail = to_finance(server, "zhao@hushu.example", "qian@hushu.example")
            dawn.with_settings(mail=mail, export_formats=["json"])
            assert hand_on(dawn.parts) == "1 exports handed on"
            assert hand_on(dawn.parts) == ""
            (raw,) = server.got
        told = email.message_from_bytes(raw, policy=email.policy.default)
        assert isinstance(told, EmailMessage)
        assert told["To"] == "zhao@hushu.example, qian@hushu.example"
        assert told["Subject"] == f"停车日结 {DAY} 已日结"
        (file,) = told.iter_attachments()
        assert file.get_filename() == f"street-{DAY}.json"
        # Now it is away: the folder has its files all the same, and the job says what went wrong.
        dawn.clock.set(at("10:00"))
        dawn.job().run()
        Reconciling(dawn.parts).run()
        dawn.with_settings(export_folder=str(tmp_path / "out"))
        with pytest.raises(MailNotSent, match="did not take the mail: ConnectionRefusedError"):
            deliver_due(dawn.parts)
        assert dawn.handed_on() == [("mail", DAY), ("folder", DAY)]

    def test_taken_for_some_only_is_not_taken(self, dawn: Dawn) -> None:
        dawn.closes()
        with post_office(refuses="qian@hushu.example") as server:
            dawn.with_settings(mail=to_finance(server, "zhao@hushu.example", "qian@hushu.example"))
            with pytest.raises(MailNotSent, match="1 of 2 addresses"):
                deliver_due(dawn.parts)
        assert dawn.handed_on() == []

    def test_who_is_to_be_told_gets_one_mail_for_what_is_new_and_no_figure(self, dawn: Dawn) -> None:
        with post_office() as server:
            mail = to_finance(server).model_copy(update={"finance": [], "alerts": ["night@hushu.example"]})
            dawn.with_settings(mail=mail)
            dawn.clock.set(at("13:00"))
            dawn.bills("wechat").late.add(DAY)
            watch_closes(dawn.parts)
            dawn.job().run()
            dawn.job().run()
            told = [email.message_from_bytes(raw, policy=email.policy.default) for raw in server.got]
        assert [one["Subject"] for one in told] == ["Parkgate: 未能日结 (1)", "Parkgate: 渠道账单未到 (2)"]
        assert {one["To"] for one in told} == {"night@hushu.example"}
        body = told[1].get_content()
        assert "parkgate statement fetch --day 2026-03-02 --channel wechat --merchant hushu" in body

    def test_an_alert_that_is_not_taken_stops_nothing(self, dawn: Dawn) -> None:
        with post_office(refuses="night@hushu.example") as server:
            mail = to_finance(server).model_copy(update={"finance": [], "alerts": ["night@hushu.example"]})
            dawn.with_settings(mail=mail)
            dawn.clock.set(at("13:00"))
            assert watch_closes(dawn.parts) == "1 site days are not closed"
        assert len(dawn.items("day_not_closed")) == 1

    def test_over_tls_to_who_is_known_and_to_nobody_else(self, dawn: Dawn, tmp_path: Path) -> None:
        believed, own = certificate(tmp_path)
        with post_office(tls=own) as server:
            mail = to_finance(server).model_copy(update={"security": "tls"})
            with pytest.raises(MailNotSent, match="SSLCertVerificationError"):
                send(mail, dawn.clock, mail.finance, "日结", "text")
            send(mail, dawn.clock, mail.finance, "日结", "text", id_="1", context=believed)
            assert len(server.got) == 1

    @pytest.mark.parametrize(
        "wrong",
        [
            {"host": "mail.example.com", "security": "none"},
            {"sender": "a@b.example\nBcc: c@d.example"},
            {"finance": ["zhao"]},
            {"user": "parkgate"},
        ],
    )
    def test_settings_that_would_send_figures_openly_are_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            MailSettings(**{"host": "127.0.0.1", "sender": "a@b.example", **wrong})
