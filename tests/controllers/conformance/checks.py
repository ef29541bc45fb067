"""The conformance suite: what every adapter keeps, whatever its vendor. Each check takes an adapter and its vendor's tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import unquote

import msgspec
import pytest

from controllers.adapters import native
from controllers.adapters.joining import Joiner
from controllers.adapters.port import (
    Accepted,
    Adapter,
    Answered,
    Ask,
    Busy,
    CannotCarryOut,
    Delivery,
    Fitting,
    Heard,
    Message,
    Part,
    Picture,
    Posted,
    Publish,
    Published,
    Reply,
)
from controllers.commands import Action
from controllers.events import CODES, CommandResult, DeviceStatus, Kind, Opening, PlateEvent, Undecodable
from controllers.plate import normalise
from tests.controllers.conformance.cases import NOW, Cases, Sample, a_command, a_list

T = TypeVar("T")

EVERYBODYS_WORDS_WITHOUT_PLATE = ("", "noPlate", "null", "unknown", "无牌车", "_无_", "未识别", "0000000", "11111111")
SERIAL = "SN-0a9B"
NOISE = (
    b"", b" ", b"\x00", b"\xff\xfe\xfd", b"{", b"{}", b"[]", b"null", b'"x"', b"1e999", b"[" * 50_000, b'{"a":' * 5_000,
    b"<", b"<a/>", b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"a=b&a=c", b"--x\r\n\r\n--x--",
    "浙A12345".encode("gbk"),
)  # fmt: skip


# --- what is heard --------------------------------------------------------------------------------------------------


def samples_say_what_is_expected(adapter: Adapter, cases: Cases) -> None:
    for sample in cases.samples:
        heard = adapter.decode(sample.message, sample.fitting, NOW)
        assert all_is_well_formed(heard, sample.fitting)
        if sample.expected is not None:
            assert_read(only_event(heard), sample, adapter)
        else:
            assert heard.said == (sample.said or ()), sample.name
        # `c1/show` is a step of ours: no command has that name, and its result would lie in quarantine.
        results = [one for one in heard.said if isinstance(one, (Accepted, Busy, CommandResult))]
        assert not [one.command for one in results if "/" in one.command], sample.name


def assert_read(event: PlateEvent, sample: Sample, adapter: Adapter) -> None:
    expected = sample.expected
    assert expected is not None
    assert event.kind is Kind.PLATE, sample.name
    assert event.plate == expected["plate"], sample.name
    assert event.buffered is not expected["live"], sample.name
    if "colour" in expected:
        assert event.plate_colour == expected["colour"], sample.name
    if "confidence" in expected:
        assert event.confidence is not None
        assert round(event.confidence * 100) == expected["confidence"], sample.name
    if "captured_at" in expected:
        assert event.at == datetime.fromisoformat(expected["captured_at"]), sample.name
    if "device" in expected:
        assert adapter.speaker(sample.message) == expected["device"], sample.name
    if "direction" in expected:
        lane = next(one for one in sample.fitting.lanes if one.id == event.lane)
        assert lane.inward is (expected["direction"] == "in"), sample.name
    if "device_opened" in expected:
        assert (event.opening is Opening.LIST) is expected["device_opened"], sample.name


def a_repeat_is_the_same_event(adapter: Adapter, cases: Cases) -> None:
    """Sent again a minute later, it has the same id; and the same content, where the device tells its own time."""
    by_dedupe: dict[str, str] = {}
    for sample in reads(cases):
        first = only_event(adapter.decode(sample.message, sample.fitting, NOW))
        again = only_event(adapter.decode(sample.message, sample.fitting, NOW + timedelta(minutes=1)))
        assert again.id == first.id, sample.name
        if sample.tells_time and adapter.capabilities(sample.fitting).clock:
            assert again == first, sample.name
        key = json.dumps((sample.expected or {}).get("dedupe") or sample.name)
        assert by_dedupe.setdefault(key, first.id) == first.id, sample.name
    assert len(set(by_dedupe.values())) == len(by_dedupe)


def history_opens_nothing(adapter: Adapter, cases: Cases) -> None:
    """It is marked so that it gets no command, and where the answer itself opens, it does not, whatever rides on it."""
    for sample in reads(cases):
        assert sample.expected is not None
        heard = adapter.decode(sample.message, sample.fitting, NOW)
        if sample.expected["live"] or not isinstance(sample.message, Posted):
            continue
        event = only_event(heard)
        an_open = a_command(Action.OPEN, lane=event.lane, event=event.id)
        plain = adapter.answer(sample.message, heard, (), sample.fitting, NOW)
        assert adapter.answer(sample.message, heard, (an_open,), sample.fitting, NOW) == plain, sample.name


def nothing_is_a_plate_that_is_none(adapter: Adapter, cases: Cases) -> None:
    for word in (*EVERYBODYS_WORDS_WITHOUT_PLATE, *cases.words_without_plate):
        sample = cases.unread(word)
        assert only_event(adapter.decode(sample.message, sample.fitting, NOW)).plate is None, word


def colours_are_ours(adapter: Adapter, cases: Cases) -> None:
    for word, colour in (cases.colours or {}).items():
        assert cases.coloured is not None
        sample = cases.coloured(word)
        assert only_event(adapter.decode(sample.message, sample.fitting, NOW)).plate_colour == colour, word


def parts_of_a_read_are_one_event(adapter: Adapter, cases: Cases) -> None:
    for parts in cases.two_parts:
        joiner = Joiner()
        events = []
        for number, sample in enumerate(parts):
            now = NOW + timedelta(milliseconds=100 * number)
            heard = adapter.decode(sample.message, sample.fitting, now)
            assert heard.more_follows is (number < len(parts) - 1), sample.name
            joined = joiner.take(("xinyi", "d1"), heard, now)
            events += [one for each in joined for one in each.said if isinstance(one, PlateEvent)]
        assert len(events) == len(parts)
        assert all(event == events[0] for event in events)


# --- who speaks, and where ------------------------------------------------------------------------------------------


def another_device_is_refused(adapter: Adapter, cases: Cases) -> None:
    tried = 0
    for sample in cases.samples:
        if not sample.fitting.serial or isinstance(sample.message, Answered):
            continue
        try:
            named = adapter.speaker(sample.message)
        except Undecodable:
            continue
        if named:
            other = msgspec.structs.replace(sample.fitting, serial="another-one", device="d2")
            refused(adapter, sample.message, other, "other_device")
            tried += 1
    assert tried or not any(sample.fitting.serial for sample in reads(cases))


def a_lane_that_nobody_fitted_is_refused(adapter: Adapter, cases: Cases) -> None:
    for sample in reads(cases):
        nowhere = msgspec.structs.replace(sample.fitting, lanes=())
        refused(adapter, sample.message, nowhere, "unknown_lane")


def it_listens_to_literal_topics(adapter: Adapter, cases: Cases) -> None:
    """No wildcard: one device's account reads and writes nothing of another's. Every sample comes where somebody listens."""
    for sample in cases.samples:
        listens = adapter.listens(sample.fitting)
        assert not any(set("+#") & set(topic) for topic in listens.topics)
        if isinstance(sample.message, Published):
            assert sample.message.topic in listens.topics, sample.name
        if isinstance(sample.message, Part):
            assert listens.streams, sample.name
    for told in cases.told:
        listens = adapter.listens(told.fitting)
        assert not any(set("+#") & set(topic) for topic in listens.told)
        assert isinstance(told.sent, str) or {sent.topic for sent in told.sent if isinstance(sent, Publish)} <= set(
            listens.told
        )


def whatever_serial_is_fitted_is_heard(adapter: Adapter, cases: Cases) -> None:
    """What the site file calls a device is its topic's word, in whatever letters; without a word it has no topic, and not another's."""
    for sample in reads(cases):
        message, serial = sample.message, sample.fitting.serial
        if not isinstance(message, Published) or not serial or serial not in message.topic:
            continue
        nameless = msgspec.structs.replace(sample.fitting, serial="")
        assert message.topic.replace(serial, "") not in adapter.listens(nameless).topics, sample.name
        named = msgspec.structs.replace(sample.fitting, serial=SERIAL)
        topic = message.topic.replace(serial, SERIAL)
        payload = message.payload.replace(serial.encode(), SERIAL.encode())
        assert topic in adapter.listens(named).topics, sample.name
        renamed = msgspec.structs.replace(message, topic=topic, payload=payload)
        assert adapter.speaker(renamed) == SERIAL, sample.name
        assert only_event(adapter.decode(renamed, named, NOW)).kind is Kind.PLATE, sample.name


def secrets_are_not_kept(adapter: Adapter, cases: Cases) -> None:
    for sample in cases.samples:
        kept = adapter.redacted(sample.message)
        assert not [secret for secret in cases.secrets if secret in kept], sample.name
    assert not cases.secrets or any(secret in body_of(one.message) for one in cases.samples for secret in cases.secrets)


# --- noise ----------------------------------------------------------------------------------------------------------


def noise_has_a_code(adapter: Adapter, cases: Cases) -> None:
    for noise in cases.noise:
        refused(adapter, noise.message, noise.fitting, noise.code, noise.name)
    for sample in cases.samples:
        for bytes_ in NOISE:
            survives(adapter, with_body(sample.message, bytes_), sample.fitting)
        whole = body_of(sample.message)
        for cut in range(0, len(whole), max(1, len(whole) // 40)):
            survives(adapter, with_body(sample.message, whole[:cut]), sample.fitting)
    for sample in reads(cases):
        too_large = with_body(sample.message, body_of(sample.message) + b" " * adapter.payload_bytes_max)
        refused(adapter, too_large, sample.fitting, "too_large", sample.name)


def survives(adapter: Adapter, message: Message, fitting: Fitting) -> Heard | None:
    """Whatever the bytes: something well formed, or a code, from every function that reads them."""
    adapter.redacted(message)
    coded(lambda: adapter.speaker(message))
    heard = coded(lambda: adapter.decode(message, fitting, NOW))
    assert heard is None or all_is_well_formed(heard, fitting)
    if isinstance(message, Posted):
        replies = adapter.answer(message, heard, (), fitting, NOW)
        assert sum(isinstance(reply, Reply) for reply in replies) == 1
    return heard


# --- what is told ---------------------------------------------------------------------------------------------------


def orders_become_bytes(adapter: Adapter, cases: Cases) -> None:
    for told in cases.told:
        if isinstance(told.sent, str):
            with pytest.raises(CannotCarryOut) as caught:
                adapter.encode(told.order, told.fitting, NOW)
            assert caught.value.code == told.sent
        else:
            assert readable(adapter.encode(told.order, told.fitting, NOW)) == readable(told.sent)


def every_action_is_told_or_refused(adapter: Adapter, cases: Cases) -> None:
    """What the capabilities name has its row in the tables; what they do not name is refused; no other lane is served."""
    for fitting in {id(told.fitting): told.fitting for told in cases.told}.values():
        can = adapter.capabilities(fitting)
        lane = fitting.lanes[0].id
        if can.delivery is Delivery.ANSWER:
            with pytest.raises(CannotCarryOut) as caught:
                adapter.encode(a_command(Action.OPEN, lane=lane), fitting, NOW)
            assert caught.value.code == "only_in_answer"
            continue
        for action in set(Action) - can.actions:
            with pytest.raises(CannotCarryOut):
                adapter.encode(a_command(action, lane=lane, show=("浙A12345",), say="请通行"), fitting, NOW)
        if can.actions:
            with pytest.raises(CannotCarryOut) as caught:
                adapter.encode(a_command(Action.OPEN, lane="nowhere"), fitting, NOW)
            assert caught.value.code == "unknown_lane"
    able = {action for told in cases.told for action in adapter.capabilities(told.fitting).actions}
    shown = {told.order.action for told in cases.told if hasattr(told.order, "action")}
    ridden = {order.action for row in cases.replied for order in row.orders if hasattr(order, "action")}
    assert able <= shown | ridden


def a_command_is_never_kept_for_later(adapter: Adapter, cases: Cases) -> None:
    """Not retained by a broker; and a list names every vehicle once, in messages that a device can take."""
    for told in cases.told:
        if isinstance(told.sent, str):
            continue
        for sent in adapter.encode(told.order, told.fitting, NOW):
            if isinstance(sent, Publish) and hasattr(told.order, "action"):
                assert not sent.retain
        can = adapter.capabilities(told.fitting)
        if can.offline_list and can.delivery is not Delivery.ANSWER:
            plates = [f"浙A{number:05d}" for number in range(100)]
            whole = adapter.encode(a_list(*plates), told.fitting, NOW)
            text = unquote(" ".join(str(one) for sent in whole for one in readable((sent,))))
            assert all(text.count(plate) >= 1 for plate in plates)


def requests_are_answered(adapter: Adapter, cases: Cases) -> None:
    for row in cases.replied:
        heard = None if row.quarantined else adapter.decode(row.message, row.fitting, NOW)
        replies = adapter.answer(row.message, heard, row.orders, row.fitting, NOW)
        assert readable(replies) == readable((row.reply,)), row.name


CHECKS: tuple[Callable[[Adapter, Cases], None], ...] = (
    samples_say_what_is_expected,
    a_repeat_is_the_same_event,
    history_opens_nothing,
    nothing_is_a_plate_that_is_none,
    colours_are_ours,
    parts_of_a_read_are_one_event,
    another_device_is_refused,
    a_lane_that_nobody_fitted_is_refused,
    it_listens_to_literal_topics,
    whatever_serial_is_fitted_is_heard,
    secrets_are_not_kept,
    noise_has_a_code,
    orders_become_bytes,
    every_action_is_told_or_refused,
    a_command_is_never_kept_for_later,
    requests_are_answered,
)


# --- helpers --------------------------------------------------------------------------------------------------------


def reads(cases: Cases) -> Iterator[Sample]:
    return (sample for sample in cases.samples if sample.expected is not None)


def only_event(heard: Heard) -> PlateEvent:
    (event,) = (one for one in heard.said if isinstance(one, PlateEvent))
    return event


def all_is_well_formed(heard: Heard, fitting: Fitting) -> bool:
    """Everything said is of this device's lanes and of the neutral schema: an event comes through the native wire unchanged."""
    lanes = {lane.id for lane in fitting.lanes}
    for one in heard.said:
        if isinstance(one, PlateEvent):
            assert one.lane in lanes
            assert one.plate in {None, normalise(one.plate_raw)}
            assert all(0 <= certainty <= 1 for certainty in one.certainties)
            said = msgspec.structs.replace(one, plate_raw=one.plate, certainties=())
            back = native.decode_event(native.Address(fitting.site, fitting.device, "event"), native.encode_event(said))
            assert back == said
            assert one.at.tzinfo is not None
        elif isinstance(one, DeviceStatus):
            assert set(one.barrier) <= lanes
            assert one.at is None or one.at.tzinfo is not None
        elif isinstance(one, CommandResult):
            assert one.at.astimezone(UTC)
            assert 1 <= len(one.command) <= 64
        elif isinstance(one, Picture):
            assert one.jpeg.startswith(b"\xff\xd8\xff")
    return True


def refused(adapter: Adapter, message: Message, fitting: Fitting, code: str, name: str = "") -> None:
    with pytest.raises(Undecodable) as caught:
        adapter.decode(message, fitting, NOW)
    assert caught.value.code == code, name


def coded(decode: Callable[[], T]) -> T | None:
    """What it answers, or None where it refuses with a code of ours. Any other exception is what the suite looks for."""
    try:
        return decode()
    except Undecodable as refusal:
        problem = refusal
    assert problem.code in CODES
    assert problem.event_id is None or 1 <= len(problem.event_id) <= 64
    return None


def body_of(message: Message) -> bytes:
    return message.payload if isinstance(message, Published) else message.body


def with_body(message: Message, body: bytes) -> Message:
    if isinstance(message, Published):
        return msgspec.structs.replace(message, payload=body)
    return msgspec.structs.replace(message, body=body)


def encoding_of(body: bytes) -> str:
    """UTF-8, or what else Chinese vendors write."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return "gb18030"
    return "utf-8"


def readable(sent: tuple[Publish | Ask | Reply, ...]) -> list[Any]:
    """For comparing: a body that is JSON as what it says, any other as its bytes."""
    rows = []
    for one in sent:
        row = msgspec.structs.asdict(one)
        body = row.pop("payload", None) if isinstance(one, Publish) else row.pop("body")
        try:
            row["says"] = json.loads(body.decode(encoding_of(body)))
        except ValueError:
            row["says"] = body
        rows.append(row)
    return rows
