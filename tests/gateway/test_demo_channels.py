"""The demo for whoever watches: its simulated channels can be paid from a page, and their keys lie in its folder."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from gateway.cli.demo import run
from gateway.cli.ports import free_port
from gateway.flows.orders import placing, records
from gateway.flows.pay_token import token
from gateway.store import tables as t
from tests.gateway.channel_house import served


@pytest.mark.slow
def test_whoever_watches_plays_the_driver_and_pays(tmp_path: Path) -> None:
    port = free_port()
    street = run.Street(tmp_path, 1, speed=1000.0, port=port, stop=threading.Event(), households=300)
    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0
    assert "PRIVATE" not in (tmp_path / "parkgate.toml").read_text(encoding="utf-8")
    assert street.channels is not None
    parts, stay = street.parts, t.Stay
    site = street.world.street.with_gates()[0].id
    entered = street.clock.now()
    with parts.store.writing() as connection:
        policy = connection.execute(select(t.Site.policy_id).where(t.Site.id == site)).scalar_one()
        connection.execute(
            stay.__table__.insert().values(
                site_id=site, id=f"{site}.s", plate="浙A12345", vehicle="small", state="inside", started_at=entered,
                entry_at=entered, policy_id=policy, policy_version=1, paid_fen=0, posted={}, bills=0, settlements=0,
                confirmed=True, holds_space=False,
            )
        )  # fmt: skip
        connection.commit()
    assert placing.offered(parts, site) == ("wechat", "alipay")
    street.channels.open()
    try:
        with served(parts, port):
            page = f"http://127.0.0.1:{port}/pay/{token(parts.settings.secret(), f'{site}.s')}"
            assert httpx.get(page).status_code in {200, 409}
            made = street.channels.wechat.till.create("pgtest", 500, f"http://127.0.0.1:{port}/pay/wechat/notify", None)
            assert "¥5.00" in httpx.get(made.code).text
            assert "已支付" in httpx.post(made.code).text
            assert httpx.get(f"{street.channels.address}/wallet/wechat/nothing").status_code == 404
    finally:
        street.close()
    with parts.store.reading() as connection:
        assert records.find_order(connection, "pgtest") is None
