"""The corridor: one batch of messages from gates, from facts to outcome. Pure: nothing here touches the database.

Each event is decided in order, against facts that the events before it have already changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from controllers import decide
from controllers.commands import Action, Reason
from controllers.decide import AtEntry, AtExit, Verdict
from controllers.events import Kind
from controllers.events import Outcome as Became
from controllers.passages import Decision, State
from controllers.unlicensed import is_unlicensed
from gateway.flows import corrected as corrected_passages
from gateway.flows import unlicensed
from gateway.flows.answer import plan
from gateway.flows.at_door import by_its_button, decide_door
from gateway.flows.batch import Batch
from gateway.flows.gather import MARK_AFTER_READ_MAX, corrected
from gateway.flows.inbound import FORGOTTEN, EventIn, Inbound, Rejected, ResultIn, StatusIn, digest
from gateway.flows.outcome import NewEvent, Outcomed, Situation
from gateway.flows.pricing import settled_by
from gateway.flows.settling import Settling
from gateway.flows.vehicle import Vehicle
from gateway.runtime.ids import derive
from gateway.store.facts import VehicleKey
from gateway.store.records import EventRecord, LaneFacts, StayRecord


class Corridor:
    """Decides one batch. `batch.outcome` is what came of it."""

    # What led to an answer, besides its read: a read is answered once.
    because: tuple[str, ...] = ()

    def __init__(self, batch: Batch, secret: str) -> None:
        self.batch = batch
        self.outcome = batch.outcome
        self._secret = secret
        self._vehicles: dict[VehicleKey, Vehicle] = {}

    def run(self, messages: Sequence[Inbound]) -> None:
        for message in messages:
            match message:
                case EventIn():
                    self._event(message)
                case ResultIn():
                    self._result(message)
                case StatusIn():
                    self.outcome.statuses.append(message)
                case Rejected():
                    self._reject(message)

    # ------------------------------------------------------------------ events

    def _event(self, message: EventIn) -> None:
        key = (message.site, message.device, message.event.id)
        what = digest(message.event)
        known = self.batch.facts.events.get(key)
        if known is not None:
            another_part = message.part and message.event.plate in {None, known.plate}
            self._repeat(message, same=another_part or known.digest in {what, FORGOTTEN})
            return
        refusal = self._refusal(message)
        if refusal is not None:
            self._quarantine(message, *refusal)
            return
        record = self._record(message, what)
        self.batch.facts.events[key] = record
        self.outcome.events.append(NewEvent(record=record, said=message.event, received_at=message.received_at))
        self.outcome.receipt_event(message.site, message.device, message.event.id)
        match message.event.kind:
            case Kind.PLATE:
                self._plate(record)
            case Kind.PASSED | Kind.REVERSED:
                self._mark(record)
            case Kind.OPENED_BY_HAND:
                if not by_its_button(self.batch, record):
                    self._situation("opened_by_hand", record, record.event)
            case Kind.ALARM:
                self._situation("alarm", record, record.event)
            case Kind.DOOR:
                decide_door(self.batch, record, message.event.credential)

    def _repeat(self, message: EventIn, *, same: bool) -> None:
        """A repeat changes nothing and is receipted again; the same id with other content: the first stands."""
        if same:
            self.outcome.repeats += 1
            self.outcome.receipt_event(message.site, message.device, message.event.id)
        else:
            self._quarantine(message, "other_content", "the same id came before with other content")

    def _refusal(self, message: EventIn) -> tuple[str, str] | None:
        estate = self.batch.estate
        if (message.site, message.device) not in estate.devices:
            return "unknown_device", "no such device in the site file"
        lane = estate.lanes.get((message.site, message.event.lane))
        if lane is None or lane.device != message.device:
            return "unknown_lane", f"lane {message.event.lane} is not one of this device's"
        if corrected(estate, message) - self.batch.now > decide.FUTURE_MAX:
            return "from_the_future", "more than 5 minutes ahead of our clock"
        return None

    def _record(self, message: EventIn, what: bytes) -> EventRecord:
        event, at = message.event, corrected(self.batch.estate, message)
        return EventRecord(
            site=message.site,
            device=message.device,
            event=event.id,
            lane=event.lane,
            kind=event.kind.value,
            at=at,
            plate=event.plate if event.kind is Kind.PLATE else None,
            plate_colour=event.plate_colour.value if event.plate_colour else None,
            vehicle=event.vehicle.value if event.vehicle else None,
            for_event=event.for_event,
            opening=event.opening.value if event.opening else None,
            buffered=event.buffered or self.batch.now - at > decide.LATE_AFTER,
            digest=what,
            decision=None,
            reason=None,
            completed=False,
            went=False,
            new=True,
        )

    def vehicle(self, key: VehicleKey) -> Vehicle:
        found = self._vehicles.get(key)
        if found is None:
            found = self._vehicles[key] = Vehicle(self.batch, key)
        return found

    # ------------------------------------------------------------------ a vehicle at the barrier

    def _plate(self, read: EventRecord) -> None:
        lane = self.batch.estate.lanes[read.site, read.lane]
        if read.plate is None:
            # One that somebody has claimed by the lane's code is read again, as any other that has to wait.
            read.plate = unlicensed.still_there(read, self.batch.facts.events.values())
        if read.plate is None:
            self._unreadable(read, lane)
            return
        vehicle = self.vehicle((read.site, read.plate))
        vehicle.events[read.site, read.device, read.event] = read
        self._adopt(vehicle, read)
        vehicle = self._as_corrected(read, vehicle)
        stay = None
        if lane.inward:
            verdict = self._let(read, self._entry_verdict(vehicle, read, lane))
            self._decide(read, verdict)
            vehicle.fold(read.at)
        else:
            vehicle.fold(read.at)
            stay = vehicle.stay_of(read)
            verdict = self._let(read, self._exit_verdict(vehicle, stay))
            self._decide(read, verdict)
            if read.decision == Decision.OPEN:
                vehicle.fold(read.at)
        if stay is None:
            stay = vehicle.stay_of(read)
        if not verdict.opens and verdict.reason in {Reason.BLOCKED, Reason.NOT_REGISTERED}:
            self._situation(verdict.reason.value, read, f"{read.plate}:{read.at:%Y-%m-%d}")
        self._answer(read, lane, verdict, stay)

    def _adopt(self, vehicle: Vehicle, read: EventRecord) -> None:
        """A `passed` or `reversed` that arrived before the read it completes now finds its vehicle."""
        for mark in self.batch.facts.orphans.pop((read.site, read.device, read.event), ()):
            if mark.lane != read.lane or mark.kind not in {Kind.PASSED, Kind.REVERSED}:
                continue
            mark.plate = read.plate
            read.completed = True
            self.outcome.changed(mark)
            vehicle.events[mark.site, mark.device, mark.event] = mark

    def _as_corrected(self, read: EventRecord, vehicle: Vehicle) -> Vehicle:
        """Whose the read is: what staff corrected holds for what is told late, too."""
        for key in corrected_passages.apply(self.batch):
            self.vehicle(key).fold(read.at)
        return vehicle if vehicle.plate == read.plate else self.vehicle((read.site, read.plate or ""))

    def _entry_verdict(self, vehicle: Vehicle, read: EventRecord, lane: LaneFacts) -> Verdict:
        site = self.batch.estate.sites[read.site]
        what = self.batch.standing(vehicle.key, read.plate_colour, read.at)
        policy = self.batch.policy(read.site, read.at)
        reason, truly = what.reason(self.batch.allowance_left(read.site, what.holders, policy, read.at))
        if truly == "pass" and what.household and not vehicle.space_free(what.household, read.plate_colour, read.at):
            reason, truly = Reason.TEMPORARY, "temporary"
        mine = any(stay.state == State.INSIDE and not stay.gone for stay in vehicle.stays)
        others = self.batch.facts.inside.get(read.site, 0) - int(mine)
        return decide.at_entry(
            AtEntry(
                free=what.free_class is not None,
                blocked=what.blocked,
                registered=what.registered,
                residents_only=lane.residents_only,
                full=others >= site.capacity,
                standing=reason,
                true_standing=truly,
            )
        )

    def _exit_verdict(self, vehicle: Vehicle, stay: StayRecord | None) -> Verdict:
        if stay is None or stay.entry_at is None:
            return decide.at_exit(AtExit(entry_known=False))
        settling = Settling(self.batch, vehicle.key, stay)
        standing = settling.standing_bill()
        plausible = standing is not None and stay.state != State.EXCEPTION
        reason, truly = settled_by(standing.bill if standing else None, settling.what, stay.paid_fen)
        return decide.at_exit(
            AtExit(
                plausible=plausible,
                due_fen=stay.due_fen,
                settled_by=reason,
                settled_truly_by=truly,
                may_pay_later=stay.due_fen > 0 and self._may_pay_later(vehicle, stay),
            )
        )

    def _may_pay_later(self, vehicle: Vehicle, stay: StayRecord) -> bool:
        """Sites where everybody leaves first, and vehicles by agreement; beyond the limit of arrears a vehicle is asked to pay."""
        if is_unlicensed(vehicle.plate):
            return False  # nobody would know whom to ask
        facts, policy = self.batch.facts, self.batch.policy(stay.site, stay.entry_at or stay.started_at)
        if policy is not None and policy.exit_mode == "leave_first":
            limit = policy.pay_later.arrears_limit_fen if policy.pay_later else None
            if limit is None or facts.arrears.get(vehicle.key, 0) <= limit:
                return True
        at = stay.exit_at or self.batch.now
        return any(agreed.covers(at) for agreed in facts.agreed.get(vehicle.key, ()))

    def _let(self, read: EventRecord, verdict: Verdict) -> Verdict:
        """In an emergency everybody passes. What is told later was decided by its gate, whatever was declared meanwhile."""
        if verdict.opens or read.buffered or read.site not in self.batch.estate.emergencies:
            return verdict
        return Verdict(True, Reason.EMERGENCY, "emergency")

    def _decide(self, read: EventRecord, verdict: Verdict) -> None:
        read.decision = Decision.OPEN if verdict.opens else Decision.REFUSE
        read.reason = verdict.reason.value

    def _unreadable(self, read: EventRecord, lane: LaneFacts) -> None:
        verdict = self._let(read, Verdict(False, Reason.UNREADABLE, "unreadable"))
        self._decide(read, verdict)
        self._situation("unreadable", read, unlicensed.subject(read))
        self._answer(read, lane, verdict, None)

    # ------------------------------------------------------------------ what the vehicle did

    def _mark(self, mark: EventRecord) -> None:
        read = self._completed_by(mark)
        if read is None:
            if mark.for_event is None:
                self._situation("opened_without_event", mark, mark.event)
            else:
                # Its read may come later in this same batch.
                self.batch.facts.orphans[mark.site, mark.device, mark.for_event].append(mark)
            return
        mark.for_event = read.event
        mark.plate = read.plate
        if read.plate is None:
            read.completed = True
            self.outcome.changed(read)
            return
        vehicle = self.vehicle((read.site, read.plate))
        if mark.kind == Kind.PASSED and self._passed_before(vehicle, read):
            # One opening, two vehicles: the second followed on the first one's heels.
            self._situation("tailgating", mark, mark.event)
        vehicle.events[mark.site, mark.device, mark.event] = mark
        vehicle.complete(read)
        self._as_corrected(read, vehicle).fold(mark.at)

    def _completed_by(self, mark: EventRecord) -> EventRecord | None:
        events = self.batch.facts.events
        if mark.for_event is not None:
            read = events.get((mark.site, mark.device, mark.for_event))
            return read if read is not None and read.kind == Kind.PLATE and read.lane == mark.lane else None
        named = self.batch.facts.unnamed.get((mark.site, mark.device, mark.event))
        candidates = [
            read
            for read in (*events.values(), *((named,) if named else ()))
            if read.kind == Kind.PLATE
            and (read.site, read.device, read.lane) == (mark.site, mark.device, mark.lane)
            and timedelta(0) <= mark.at - read.at <= MARK_AFTER_READ_MAX
        ]
        newest = max(candidates, key=lambda read: (read.at, read.event), default=None)
        if newest is None:
            return None
        return events.setdefault((newest.site, newest.device, newest.event), newest)

    @staticmethod
    def _passed_before(vehicle: Vehicle, read: EventRecord) -> bool:
        return any(
            one.kind == Kind.PASSED and one.for_event == read.event and one.device == read.device
            for one in vehicle.events.values()
        )

    def _result(self, message: ResultIn) -> None:
        result = message.result
        self.outcome.receipt_result(message.site, message.device, result.command)
        command = self.batch.facts.commands.get((message.site, result.command))
        if command is None or command.device != message.device:
            self.outcome.rejected.append(
                Rejected(
                    site=message.site,
                    device=message.device,
                    topic=message.topic,
                    payload=message.payload,
                    code="unknown_command",
                    detail="a result for a command that was never given to this device",
                    received_at=message.received_at,
                )
            )
            return
        # A bridge that died between publishing and noting it left its command to another, which held it for expired. Only the
        # device knows; it never says two things of one command.
        presumed = command.state == "expired" and result.outcome is not Became.EXPIRED
        moved = command.state == "accepted" and not message.accepted
        if command.state not in {"planned", "sent"} and not presumed and not moved:
            return  # answered before
        if presumed:
            self.outcome.resolved.append((message.site, "command_not_confirmed", result.command))
        command.state = message.state
        self.outcome.outcomes.append(
            Outcomed(
                site=message.site,
                command=result.command,
                outcome=message.state,
                at=_result_at(self.batch, message),
                detail=result.detail,
            )
        )
        if command.action == Action.OPEN and not (message.accepted and message.moves):
            self._opened(message, command.event, command.lane)

    def _opened(self, message: ResultIn, event: str | None, lane_id: str) -> None:
        """What the barrier did with an `open`: on a lane without a passage sensor, `done` stands for `passed`."""
        read = self.batch.facts.events.get((message.site, message.device, event or ""))
        lane = self.batch.estate.lanes.get((message.site, lane_id))
        if read is None or lane is None:
            return
        at = _result_at(self.batch, message)
        if message.result.outcome is Became.DONE:
            mistaken = read.decision == Decision.FAILED
            if mistaken:
                read.decision = Decision.OPEN
            if lane.passage_sensor and not mistaken:
                return
            if not lane.passage_sensor:
                read.completed = read.went = True
        else:
            kind = "barrier_fault" if message.result.outcome is Became.FAULT else "command_not_confirmed"
            self._situation(kind, read, message.result.command, message.result.outcome.value)
            if read.decision == Decision.OPEN:
                read.decision = Decision.FAILED
        self.outcome.changed(read)
        if read.plate is not None:
            self._as_corrected(read, self.vehicle((read.site, read.plate))).fold(at)

    # ------------------------------------------------------------------ answers

    def _answer(self, read: EventRecord, lane: LaneFacts, verdict: Verdict, stay: StayRecord | None) -> None:
        """The command for a read that is happening now. A buffered one never gets a command."""
        expires_at = decide.expiry(self.batch.now, read.at)
        if read.buffered or read.completed or expires_at <= self.batch.now:
            return
        command_id = derive("c", read.site, read.device, read.event, *self.because)
        self.outcome.commands.append(
            plan(self.batch, self._secret, read, lane, verdict, stay, command_id=command_id, expires_at=expires_at)
        )

    def _situation(self, kind: str, event: EventRecord, subject: str, detail: str = "") -> None:
        self.outcome.situations.append(
            Situation(
                site=event.site,
                kind=kind,
                subject=subject,
                at=event.at,
                lane=event.lane,
                # Nobody can be let in for what was shown at a door: whoever stands there shows it again.
                event=None if event.kind == Kind.DOOR else event.event,
                detail=detail,
            )
        )

    def _quarantine(self, message: EventIn, code: str, detail: str) -> None:
        self._reject(
            Rejected(
                site=message.site,
                device=message.device,
                topic=message.topic,
                payload=message.payload,
                code=code,
                detail=detail,
                received_at=message.received_at,
                event_id=message.event.id,
            )
        )

    def _reject(self, rejected: Rejected) -> None:
        """Into quarantine; receipted where its id could be read, so that the device does not send it for ever."""
        if self.batch.room is not None and not self.batch.room.takes(rejected):
            self.outcome.turned_away.append(rejected)
            return
        self.outcome.rejected.append(rejected)
        if rejected.event_id:
            self.outcome.receipt_event(rejected.site, rejected.device, rejected.event_id)
        if rejected.result_id:
            self.outcome.receipt_result(rejected.site, rejected.device, rejected.result_id)


def _result_at(batch: Batch, message: ResultIn) -> datetime:
    """When the barrier did it, on our clock; never in the future."""
    offset = timedelta(milliseconds=batch.estate.offsets_ms.get((message.site, message.device), 0))
    return min(message.result.at - offset, batch.now)
