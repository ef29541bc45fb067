"""Prometheus metrics, one registry a process. No label ever holds a plate, a name or a benefit's true reason."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

_LATENCY_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """All of them, made together so that a test or a simulation can have its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events = Counter("parkgate_events", "Events stored, by kind", ["kind"], registry=self.registry)
        self.repeats = Counter("parkgate_events_repeated", "Events seen before", registry=self.registry)
        self.decisions = Counter(
            "parkgate_decisions",
            "Decisions, by action and the reason as on the wire",
            ["action", "reason"],
            registry=self.registry,
        )
        self.decision_seconds = Histogram(
            "parkgate_decision_seconds",
            "From an event's arrival at the bridge to its command and receipt handed to the broker",
            buckets=_LATENCY_SECONDS,
            registry=self.registry,
        )
        self.batch_events = Histogram(
            "parkgate_batch_events",
            "Events in a transaction",
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
            registry=self.registry,
        )
        self.worker_seconds = Counter(
            "parkgate_worker_seconds",
            "What the bridge's worker spent its time on, by stage (idle: waiting for messages)",
            ["stage"],
            registry=self.registry,
        )
        self.queue_depth = Gauge(
            "parkgate_queue_depth", "Messages waiting for the worker, by how urgent", ["rank"], registry=self.registry
        )
        self.queue_oldest_seconds = Gauge(
            "parkgate_queue_oldest_seconds", "How long the oldest of them has waited", registry=self.registry
        )
        self.overloaded = Gauge(
            "parkgate_overloaded", "1 while more arrives than can be decided", registry=self.registry
        )
        self.shed = Counter(
            "parkgate_shed",
            "Messages left with their device or at the broker, from where they come again, or kept until there is room, by why: allowance, room, quarantine, broker, here",
            ["site", "device", "reason"],
            registry=self.registry,
        )
        self.quarantined = Counter(
            "parkgate_quarantined", "Payloads put in quarantine, by code", ["code"], registry=self.registry
        )
        self.commands = Counter(
            "parkgate_commands", "Commands, by what became of them", ["outcome"], registry=self.registry
        )
        self.outbox_age_seconds = Gauge(
            "parkgate_outbox_age_seconds", "Age of the oldest command not yet published", registry=self.registry
        )
        self._of_the_devices()
        self._of_the_books()

    def _of_the_devices(self) -> None:
        """Who is there, and who did what it may not."""
        self.devices_online = Gauge("parkgate_devices_online", "Devices that are online", registry=self.registry)
        self.clocks_off = Gauge(
            "parkgate_clocks_off", "Devices whose clock is off by more than 5 s", registry=self.registry
        )
        self.broker_connected = Gauge(
            "parkgate_broker_connected", "1 while the bridge is connected", registry=self.registry
        )
        self.device_refused = Counter(
            "parkgate_device_refused",
            "What devices tried and were refused, by what: login, client_id, publish, subscribe, too_large, malformed, other_device, flood",
            ["site", "device", "what"],
            registry=self.registry,
        )

        self.lost = Counter(
            "parkgate_lost",
            "What a device said, did not send again, and found no room anywhere, by what: read, picture, beyond_allowance",
            ["site", "device", "what"],
            registry=self.registry,
        )

    def _of_the_books(self) -> None:
        """What the database and the jobs are asked about."""
        self.store_failures = Counter(
            "parkgate_store_failures", "Batches that the database did not take at first", registry=self.registry
        )
        self.store_refusing = Gauge(
            "parkgate_store_refusing",
            "1 while the database takes nothing, by why: full, read_only, busy, away",
            ["why"],
            registry=self.registry,
        )
        self.retired = Counter(
            "parkgate_retired",
            "Rows deleted because their purpose has ended, by kind",
            ["kind"],
            registry=self.registry,
        )
        self.payment_notices = Counter(
            "parkgate_payment_notices",
            "Callbacks of payment channels, by what became of them",
            ["channel", "outcome"],
            registry=self.registry,
        )
        self.statements_fetched = Counter(
            "parkgate_statements_fetched",
            "Statements asked for at channels, by what became of it",
            ["channel", "outcome"],
            registry=self.registry,
        )
        self.statements_missing = Gauge(
            "parkgate_statements_missing",
            "Statements that should have come by now, by channel",
            ["channel"],
            registry=self.registry,
        )
        self.days_overdue = Gauge(
            "parkgate_days_overdue", "Site days that should be closed by now and are not", registry=self.registry
        )
        self.exports_delivered = Counter(
            "parkgate_exports_delivered",
            "Days' exports handed on, by where to and whether it went well",
            ["target", "outcome"],
            registry=self.registry,
        )
        self.days_closed = Counter("parkgate_days_closed", "Site days closed", registry=self.registry)
        self.days_reconciled = Counter(
            "parkgate_days_reconciled", "Site days sealed as reconciled", registry=self.registry
        )
        self.job_failures = Counter("parkgate_job_failures", "Jobs that failed", ["job"], registry=self.registry)
        self.calendar_known_through = Gauge(
            "parkgate_calendar_known_through",
            "The last year whose holidays are known; 0 where this year's are not",
            registry=self.registry,
        )
        self.leader = Gauge("parkgate_jobs_leader", "1 while this process schedules the jobs", registry=self.registry)


def expose(metrics: Metrics, host: str, port: int) -> Callable[[], None]:
    """Shows the metrics on an address of their own, at any path, for a process without a web server; returns what ends it.

    Port 0: nowhere. Raises `OSError` if the address cannot be had.
    """
    if port == 0:
        return lambda: None
    server, thread = start_http_server(port, addr=host, registry=metrics.registry)

    def end() -> None:
        server.shutdown()
        server.server_close()
        thread.join(5)

    return end
