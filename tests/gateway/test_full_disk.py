"""A disk that is full, a database that is read-only: said, shown, waited for; nothing is lost, and nothing is there twice."""

from __future__ import annotations

import base64
import io
import os
import pwd
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from sqlalchemy import create_engine, event, func, select, text

from controllers.commands import Receipt
from gateway.api.app import create_app
from gateway.cli.main import main
from gateway.flows.verify import verify
from gateway.runtime.metrics import Metrics
from gateway.runtime.settings import Settings
from gateway.store import tables as t
from gateway.store.engine import Store, open_engine
from gateway.wiring import Parts
from tests.conftest import FakeClock
from tests.gateway.house import Client
from tests.gateway.test_worker import Bench
from tests.gateway.trade import local
from tests.servers import Postgres
from tests.small_disk import a_small_disk

SECRET = "a secret of the tests only"
EVENTS = 90  # fewer than the site has places


class Trouble:
    """`begin` makes the database refuse, `end` lets it go on. `real`: other processes meet it as well."""

    def __init__(self, url: str, kind: str, begin: Callable[[], None], end: Callable[[], None], *, real: bool) -> None:
        self.url, self.kind, self.begin, self.end, self.real = url, kind, begin, end, real
        self.watched: list[Store] = []


def fill(place: Path) -> None:
    """Write until nothing more fits."""
    with (place / "filler").open("wb", buffering=0) as file:
        for size in (65_536, 4_096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


@contextmanager
def full_disk_sqlite(tmp_path: Path, template: Path, _: Callable[[], Postgres]) -> Iterator[Trouble]:
    place = tmp_path / "disk"
    place.mkdir()
    with a_small_disk(place, "12m"):
        (place / "parkgate.db").write_bytes(template.read_bytes())
        yield Trouble(
            f"sqlite:///{place}/parkgate.db",
            "full",
            lambda: fill(place),
            (place / "filler").unlink,
            real=True,
        )


@contextmanager
def limited_sqlite(tmp_path: Path, template: Path, _: Callable[[], Postgres]) -> Iterator[Trouble]:
    """SQLite told that its file may not grow: what a full disk says, without being root."""
    path = tmp_path / "parkgate.db"
    path.write_bytes(template.read_bytes())
    limits = {"pages": 1_000_000}
    trouble = Trouble(
        f"sqlite:///{path}",
        "full",
        lambda: limits.update(pages=1),  # it is never less than what is there
        lambda: limits.update(pages=1_000_000),
        real=False,
    )
    yield from _with_pragma(trouble, lambda: f"max_page_count={limits['pages']}")


@contextmanager
def read_only_sqlite(tmp_path: Path, template: Path, _: Callable[[], Postgres]) -> Iterator[Trouble]:
    path = tmp_path / "parkgate.db"
    path.write_bytes(template.read_bytes())
    state = {"on": 0}
    trouble = Trouble(
        f"sqlite:///{path}", "read_only", lambda: state.update(on=1), lambda: state.update(on=0), real=False
    )
    yield from _with_pragma(trouble, lambda: f"query_only={state['on']}")


def _with_pragma(trouble: Trouble, pragma: Callable[[], str]) -> Iterator[Trouble]:
    """Asked for whenever a connection is taken from its pool."""
    store = Store(open_engine(trouble.url))

    @event.listens_for(store.engine, "checkout")
    def _checkout(connection: Any, _record: Any, _proxy: Any) -> None:
        connection.execute(f"PRAGMA {pragma()}").close()

    trouble.watched.append(store)
    yield trouble
    store.close()


@contextmanager
def full_disk_postgres(tmp_path: Path, _: Path, cluster: Callable[[], Postgres]) -> Iterator[Trouble]:
    """A tablespace on a disk that is soon full."""
    postgres = cluster()
    with ExitStack() as stack:
        # PostgreSQL's own account cannot enter the folders of root.
        place = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="parkgate-small-", ignore_cleanup_errors=True))
        )
        place.chmod(0o755)
        disk = place / "disk"
        disk.mkdir()
        stack.enter_context(a_small_disk(disk, "40m"))
        space = disk / "space"
        space.mkdir()
        account = pwd.getpwnam("postgres")
        os.chown(space, account.pw_uid, account.pw_gid)
        admin = create_engine(postgres.url(), isolation_level="AUTOCOMMIT")
        name = f"small_{os.getpid()}"
        with admin.connect() as connection:
            connection.execute(text(f"CREATE TABLESPACE {name} LOCATION '{space}'"))
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE parkgate_template TABLESPACE {name}"))
        yield Trouble(postgres.url(name), "full", lambda: fill(disk), (disk / "filler").unlink, real=True)
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
            connection.execute(text(f"DROP TABLESPACE {name}"))
        admin.dispose()


@contextmanager
def read_only_postgres(tmp_path: Path, _: Path, cluster: Callable[[], Postgres]) -> Iterator[Trouble]:
    postgres = cluster()
    admin = create_engine(postgres.url(), isolation_level="AUTOCOMMIT")
    name = f"readonly_{os.getpid()}"
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE parkgate_template"))

    def turn(state: str) -> None:
        with admin.connect() as connection:
            connection.execute(text("SET default_transaction_read_only = off"))
            connection.execute(text(f"ALTER SYSTEM SET default_transaction_read_only = {state}"))
            connection.execute(text("SELECT pg_reload_conf()"))

    try:
        yield Trouble(postgres.url(name), "read_only", lambda: turn("on"), lambda: turn("off"), real=True)
    finally:
        turn("off")
        with admin.connect() as connection:
            connection.execute(text("SET default_transaction_read_only = off"))
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


CASES = [
    pytest.param(full_disk_sqlite, id="full-sqlite"),
    pytest.param(limited_sqlite, id="limited-sqlite"),
    pytest.param(read_only_sqlite, id="read-only-sqlite"),
    pytest.param(full_disk_postgres, id="postgresql-full", marks=pytest.mark.postgres),
    pytest.param(read_only_postgres, id="postgresql-read-only", marks=pytest.mark.postgres),
]


@pytest.fixture(params=CASES)
def trouble(request: pytest.FixtureRequest, tmp_path: Path, sqlite_template: Path) -> Iterator[Trouble]:
    with request.param(tmp_path, sqlite_template, lambda: request.getfixturevalue("postgres")) as made:
        yield made


@pytest.fixture
def bench(trouble: Trouble, clock: FakeClock) -> Iterator[Bench]:
    store = trouble.watched[0] if trouble.watched else Store(open_engine(trouble.url))
    settings = Settings(database_url=trouble.url, secret_key=SECRET, test=True, http_port=0)
    made = Bench(Parts(settings=settings, clock=clock, store=store, metrics=Metrics()))
    yield made
    made.worker.stop()
    store.close()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    lines = io.StringIO()
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(file=lines),
    )
    yield lines
    structlog.reset_defaults()


def receipted(bench: Bench) -> list[str]:
    """The ids of all receipts, as often as they were given."""
    found: list[str] = []
    for topic, payload in bench.tap.published:
        if topic.endswith("/receipt"):
            found += msgspec.json.decode(payload, type=Receipt).events
    return found


def stored(bench: Bench) -> set[str]:
    with bench.parts.store.reading() as connection:
        return set(connection.execute(select(t.PlateEventRow.event_id)).scalars())


def refusing(bench: Bench) -> dict[str, float]:
    (metric,) = bench.parts.metrics.store_refusing.collect()
    return {sample.labels["why"]: sample.value for sample in metric.samples}


def test_what_cannot_be_stored_is_neither_receipted_nor_lost(
    trouble: Trouble, bench: Bench, log: io.StringIO, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    parts = bench.parts
    client = Client(create_app(parts, health=lambda: {"storing": bench.worker.watch.well}))
    bench.street.clock.set(local("09:00"))
    bench.start()
    for number in range(3):
        bench.sends(bench.street.read("in-1", f"浙A0000{number}", local("09:00"), id=f"before{number}"))
    bench.until(lambda: len(bench.tap.acknowledged) == 3)
    assert client.get("/readyz").status_code == 200

    trouble.begin()
    for number in range(EVENTS):
        bench.sends(bench.street.read("in-1", f"浙B{number:05d}", local("09:00"), id=f"during{number}"))
    bench.until(lambda: not bench.worker.watch.well)
    assert set(receipted(bench)) <= stored(bench)
    assert len(bench.tap.acknowledged) < 3 + EVENTS
    assert refusing(bench)[trouble.kind] == 1
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["storing"]) == (503, False)
    api_says_so(client, trouble)
    if trouble.real:
        commands_say_so(trouble, monkeypatch, capsys)
    assert log.getvalue().count("the database takes nothing") == 1

    trouble.end()
    bench.until(lambda: len(bench.tap.acknowledged) == 3 + EVENTS)
    bench.until(lambda: bench.worker.watch.well)
    assert refusing(bench)[trouble.kind] == 0
    assert client.get("/readyz").status_code == 200
    assert log.getvalue().count("the database takes what comes again") == 1
    assert sorted(receipted(bench)) == sorted(stored(bench))
    assert len(stored(bench)) == 3 + EVENTS
    with parts.store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(t.Stay)).scalar() == 3 + EVENTS
        assert connection.execute(select(func.count()).select_from(t.Quarantine)).scalar() == 0
        assert connection.execute(select(func.count()).select_from(t.CommandRow)).scalar() == 3 + EVENTS
    assert verify(parts).ok


def api_says_so(client: Client, trouble: Trouble) -> None:
    """A picture that does not fit: 503, in words, for a client that waits."""
    name = base64.b64encode(b"xinyi.d1:not a secret").decode()
    answer = client.request(
        "PUT",
        "/api/v1/images/before0",
        headers={"Authorization": f"Basic {name}"},
        content=b"\xff\xd8\xff" + bytes(300_000) + b"\xff\xd9",
    )
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"]
    assert answer.json()["type"] == f"/problems/database-{trouble.kind.replace('_', '-')}"


def commands_say_so(trouble: Trouble, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("PARKGATE_DATABASE_URL", trouble.url)
    monkeypatch.setenv("PARKGATE_SECRET_KEY", SECRET)
    words = {"full": "its disk is full", "read_only": "it is read-only"}[trouble.kind]
    for number in range(60):
        with pytest.raises(SystemExit) as left:
            main(["user", "add", f"kim{number}", "--role", "guard"])
        said = capsys.readouterr()
        if left.value.code:
            break
    assert left.value.code == 2
    # The bridge of this process logs to the same place.
    told = [line for line in said.err.splitlines() if not line.startswith("{")]
    assert (said.out, len(told)) == ("", 1)
    assert words in told[0]
