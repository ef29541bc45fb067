"""Every column of every table: whether it holds something of a person, and of which kind. One place, so that nothing is forgotten.

Exports, erasure and retention are tested against this page. A column that is not on it fails a test: whoever adds one says here
what it holds. `docs/privacy.md` says how long each kind is kept, and why.
"""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What a column may hold of a person."""

    PICTURE = "a picture of a vehicle"
    PLATE = "a number plate, or what leads to one"
    HOUSEHOLD = "a household's number: an address"
    NAME = "a name"
    EVIDENCE = "what a registration was proved with"
    CERTIFICATE = "a low-income certificate: sensitive, for registrar and finance only"
    SIGNATURE = "who took something of value, and the signature for it"
    AGREEMENT = "what a person agreed to"
    PAYLOAD = "bytes as they came from a device"
    ORIGIN = "a network address"
    STAFF = "who of the staff did it: kept as long as what was done"
    WORDS = "what staff or a program wrote in words: nothing of a person is asked for, and what is found is taken out"
    BUYER = "whose an invoice is"
    DOOR = "a member of a small gate: what opens it, and when it was opened"
    REQUEST = "what a person asked about their own data"


# Both together are all columns of all tables.
PERSONAL: dict[str, dict[str, Kind]] = {
    "allowance_balance": {"holder": Kind.HOUSEHOLD},
    "allowance_draw": {"holder": Kind.HOUSEHOLD},
    "audit_entry": {
        "operator": Kind.STAFF,
        "origin": Kind.ORIGIN,
        "subject": Kind.WORDS,
        "reason": Kind.WORDS,
        "detail": Kind.WORDS,
    },
    "arrears_credit": {"operator": Kind.STAFF},
    "arrears_reminder": {"operator": Kind.STAFF},
    "arrears_write_off": {
        "reason": Kind.WORDS,
        "decision": Kind.WORDS,
        "proposed_by": Kind.STAFF,
        "decided_by": Kind.STAFF,
    },
    # In its facts a household may stand as one of several whose minutes were drawn.
    "bill": {"holder": Kind.HOUSEHOLD, "facts": Kind.HOUSEHOLD},
    "blocked_vehicle": {"plate": Kind.PLATE, "reason": Kind.WORDS},
    "certificate": {
        "household_id": Kind.HOUSEHOLD,
        "number_digest": Kind.CERTIFICATE,
        "number_encrypted": Kind.CERTIFICATE,
        "issuer": Kind.CERTIFICATE,
        "valid_from": Kind.CERTIFICATE,
        "valid_to": Kind.CERTIFICATE,
        "reviewed_at": Kind.CERTIFICATE,
    },
    "channel_statement": {"imported_by": Kind.STAFF},
    "charge": {
        "household_id": Kind.HOUSEHOLD,
        "reversal": Kind.WORDS,
        "charged_by": Kind.STAFF,
        "reversed_by": Kind.STAFF,
    },
    "charge_payment": {"reference": Kind.WORDS, "operator": Kind.STAFF},
    "command": {"payload": Kind.PLATE, "detail": Kind.WORDS, "operator": Kind.STAFF},
    "day_close": {"operator": Kind.STAFF},
    # Keyed: what opens a door can be tried against it only with `secret_key`.
    "door_credential": {"digest": Kind.DOOR},
    "door_member": {"name": Kind.NAME, "registered_by": Kind.STAFF},
    "door_passage": {"member_id": Kind.DOOR},
    "emergency": {
        "declared_by": Kind.STAFF,
        "ended_by": Kind.STAFF,
        "reason": Kind.WORDS,
        "end_reason": Kind.WORDS,
    },
    "exception_item": {
        "subject": Kind.WORDS,
        "detail": Kind.WORDS,
        "resolution": Kind.WORDS,
        "resolved_by": Kind.STAFF,
        "claimed_by": Kind.STAFF,
    },
    "free_vehicle": {"plate": Kind.PLATE},
    "household": {"id": Kind.HOUSEHOLD, "name": Kind.NAME, "area_m2": Kind.HOUSEHOLD},
    "image": {"jpeg": Kind.PICTURE},
    "invoice": {
        "buyer_title": Kind.BUYER,
        "buyer_tax_number": Kind.BUYER,
        "buyer_email": Kind.BUYER,
        "buyer_phone": Kind.BUYER,
        "plate": Kind.PLATE,
        "problem": Kind.WORDS,
        "requested_by": Kind.STAFF,
        "red_requested_by": Kind.STAFF,
    },
    "invoice_file": {"pdf": Kind.BUYER},
    "job_run": {"outcome": Kind.WORDS},
    "ledger_transaction": {"operator": Kind.STAFF},
    "offline_list": {"entries": Kind.PLATE, "digest": Kind.PLATE},
    "parking_pass": {"household_id": Kind.HOUSEHOLD, "created_by": Kind.STAFF},
    "pass_held": {"plate": Kind.PLATE},
    "pass_period": {"created_by": Kind.STAFF},
    "pass_refund": {
        "reason": Kind.WORDS,
        "decision": Kind.WORDS,
        "proposed_by": Kind.STAFF,
        "decided_by": Kind.STAFF,
        "paid_by": Kind.STAFF,
    },
    "pass_vehicle": {"plate": Kind.PLATE, "reason": Kind.WORDS, "operator": Kind.STAFF},
    "pay_later_agreement": {
        "plate": Kind.PLATE,
        "evidence": Kind.AGREEMENT,
        "reason": Kind.WORDS,
        "proposed_by": Kind.STAFF,
        "decided_by": Kind.STAFF,
        "ended_by": Kind.STAFF,
    },
    "payment": {"reference": Kind.WORDS, "operator": Kind.STAFF},
    "cash_refund": {
        "reason": Kind.WORDS,
        "decision": Kind.WORDS,
        "proposed_by": Kind.STAFF,
        "decided_by": Kind.STAFF,
        "paid_by": Kind.STAFF,
    },
    "payment_order": {"ordered_by": Kind.STAFF},
    "payment_refund": {
        "reason": Kind.WORDS,
        "decision": Kind.WORDS,
        "problem": Kind.WORDS,
        "proposed_by": Kind.STAFF,
        "decided_by": Kind.STAFF,
    },
    "personal_data_request": {
        "digest": Kind.REQUEST,
        "sealed": Kind.REQUEST,
        "identity": Kind.REQUEST,
        "reason": Kind.WORDS,
        "asked_by": Kind.STAFF,
        "decided_by": Kind.STAFF,
    },
    "plate_event": {
        "plate": Kind.PLATE,
        "plate_raw": Kind.PLATE,
        "image": Kind.PLATE,
        # It is a hash of what the event said, and there are few plates to try.
        "digest": Kind.PLATE,
        # Of events from before revision 0025, which empties it.
        "credential_digest": Kind.DOOR,
    },
    "presence": {"plate": Kind.PLATE},
    "quarantine": {"topic": Kind.PAYLOAD, "payload": Kind.PAYLOAD, "detail": Kind.PAYLOAD, "digest": Kind.PAYLOAD},
    "reconciliation_break": {"owner": Kind.STAFF},
    "reconciliation_run": {"operator": Kind.STAFF},
    "reconciliation_step": {"operator": Kind.STAFF, "reason": Kind.WORDS},
    "register_change": {
        # A digest of the entry's key: there are few plates and households to try.
        "entry": Kind.PLATE,
        "before": Kind.WORDS,
        "after": Kind.WORDS,
        "reason": Kind.WORDS,
        "file": Kind.WORDS,
        "digest": Kind.PLATE,
        "request_key": Kind.WORDS,
        "origin": Kind.ORIGIN,
        "operator": Kind.STAFF,
    },
    "relative": {
        "plate": Kind.PLATE,
        "household_id": Kind.HOUSEHOLD,
        "relation": Kind.EVIDENCE,
        "name": Kind.NAME,
        "resident": Kind.NAME,
        "evidence": Kind.EVIDENCE,
        "approver": Kind.STAFF,
    },
    "resident_vehicle": {"plate": Kind.PLATE, "household_id": Kind.HOUSEHOLD},
    "lane_code": {"rotated_by": Kind.STAFF},
    "shift": {"cashier": Kind.STAFF, "closed_by": Kind.STAFF},
    "shift_step": {"operator": Kind.STAFF, "other": Kind.STAFF, "reason": Kind.WORDS},
    "staff_command": {
        "operator": Kind.STAFF,
        "reason": Kind.WORDS,
        "note": Kind.WORDS,
        "idempotency_key": Kind.STAFF,
    },
    "stay": {"plate": Kind.PLATE, "household_id": Kind.HOUSEHOLD},
    "stay_correction": {"reason": Kind.WORDS, "operator": Kind.STAFF},
    "stay_correction_read": {"plate": Kind.PLATE, "from_plate": Kind.PLATE, "to_plate": Kind.PLATE},
    "recovery_code": {"user_name": Kind.STAFF, "digest": Kind.STAFF},
    "user_account": {"name": Kind.STAFF, "password_hash": Kind.STAFF, "second_factor": Kind.STAFF},
    "voucher_book": {"title": Kind.WORDS, "operator": Kind.STAFF},
    # A merchant or a firm.
    "voucher_buyer": {"name": Kind.WORDS},
    "voucher_issue": {
        "household_id": Kind.HOUSEHOLD,
        "taker": Kind.SIGNATURE,
        "signature": Kind.SIGNATURE,
        "content_hash": Kind.SIGNATURE,
        "purpose": Kind.WORDS,
        "operator": Kind.STAFF,
    },
    "voucher_movement": {"reason": Kind.WORDS, "operator": Kind.STAFF},
    "voucher_redemption": {"detail": Kind.WORDS, "operator": Kind.STAFF},
    "voucher_statement": {"operator": Kind.STAFF},
    "zombie_step": {"operator": Kind.STAFF, "note": Kind.WORDS},
}

NOTHING: dict[str, str] = {
    "account_sum": "site_id day account debit_fen credit_fen",
    "allowance_balance": "site_id month limit_minutes drawn_minutes",
    "allowance_draw": "site_id stay_id sequence month minutes at",
    "arrears_credit": "site_id id stay_id collected_at_site amount_fen at",
    "arrears_reminder": "site_id stay_id sequence batch at sender amount_fen",
    "arrears_write_off": "site_id id stay_id kind amount_fen state proposed_at decided_at transaction_id",
    "audit_entry": "id at action site_id",
    "bill": "site_id stay_id sequence kind fixed_at until policy_id policy_version minutes gross_fen payable_fen drawn lines",
    "balance_sum": "site_id day account fen",
    "blocked_vehicle": "site_id valid_from valid_to registered_at lifted",
    "certificate": "id site_id registered_at",
    "channel_statement": "site_id id merchant_id channel kind day account digest rows orphans payments payments_fen refunds"
    " refunds_fen fee_millifen imported_at replaced_by",
    # Numbers of orders, which lead to stays and never to a person by themselves; who paid is not taken over.
    "channel_statement_row": "site_id statement_id line kind status order_number channel_number refund_number at amount_fen"
    " fee_millifen settled_fen",
    "charge": "site_id id month kind pass_id period_id gross_fen waived_fen paid_fen credited_fen rule policy_id policy_version"
    " charged_at transaction_id reversed_at",
    "charge_payment": "site_id id purpose subject channel amount_fen at shift_id idempotency_key content_hash",
    "command": "site_id id device_id lane_id event_id stay_id action reason true_reason planned_at expires_at state outcome_at planner",
    "day_close": "site_id kind sequence day previous_hash hash canonical lines sealed_at",
    "day_sum": "site_id day came went quarters lengths",
    "device": "site_id id vendor password_hash serial features address login login_sealed enabled",
    "device_spell": "site_id device_id since until online",
    "device_state": "site_id device_id online seen_at clock_offset_ms barrier buffered list_version firmware",
    "door_credential": "site_id member_id kind",
    "door_member": "site_id id gate_id valid_to blocked registered_at",
    "door_passage": "site_id device_id event_id lane_id at by opened reason unknown",
    "emergency": "site_id id declared_at ended_at",
    "erasing": "id since",
    "exception_item": "site_id id kind state opened_at count lane_id stay_id event_id resolved_at claimed_at",
    "export_delivery": "target day digest delivered_at files",
    "free_vehicle": "site_id class_id valid_from valid_to registered_at",
    "gate": "site_id id tier residents_only staffed hours enabled",
    "household": "site_id valid_from valid_to",
    "image": "site_id device_id event_id received_at",
    # Its row hash is over none of what is a person's.
    "invoice": "site_id id stay_id merchant_id state requested_at buyer_kind amount_fen tax_fen rate goods seller premises place"
    " entry_at exit_at submitted_at number issued_at red_cause red_requested_at red_number red_issued_at replaces look_at looks row_hash",
    "income_sum": "site_id day lane account fen",
    "invoice_file": "site_id invoice_id part received_at",
    "job_lease": "name holder until",
    "job_run": "name started_at finished_at next_at",
    "lane_code": "site_id lane_id generation rotated_at",
    "lane": "site_id id gate_id device_id direction loop passage_sensor offline_exit channel relay close_relay enabled",
    "lane_sum": "site_id day lane entries exits",
    "late_change": "id site_id stay_id at",
    "ledger_transaction": "site_id id business_day belongs_to at kind reference_kind reference idempotency_key content_hash reverses",
    # Whose secret was tried from where stands in it as a keyed digest, for minutes.
    "login_attempt": "digest since count",
    "merchant": "id name seller enabled",
    "offline_list": "site_id version previous_version changed_at",
    "parking_pass": "site_id id offer_id anchor_day billed state created_at",
    "pass_income": "site_id period_id day run_id income_fen waived_fen",
    "pass_income_run": "site_id id day sequence periods income_fen waived_fen transaction_id",
    "pass_period": "site_id id pass_id first_day end_day ended_day gross_fen waived_fen policy_id policy_version next_day created_at"
    " idempotency_key content_hash",
    "pass_refund": "site_id id pass_id state wanted_from ended_day amount_fen proposed_at decided_at channel shift_id paid_at",
    "pass_vehicle": "site_id pass_id sequence since until",
    "pay_later_agreement": "site_id id limit_fen valid_from valid_to state proposed_at decided_at ended_at",
    "pass_held": "site_id pass_id valid_from valid_to registered_at exact",
    "payment": "site_id id stay_id channel amount_fen at shift_id idempotency_key content_hash",
    "payment_notice": "site_id id subject at",
    "cash_refund": "site_id id payment_id stay_id amount_fen given_up_fen state proposed_at decided_at paid_at shift_id"
    " transaction_id idempotency_key",
    "payment_order": "site_id id stay_id merchant_id channel amount_fen state code quoted_at expires_at look_at looks trade paid_at"
    " told_at paid_fen applied_fen refunded_fen payment_id",
    "payment_refund": "site_id id order_id stay_id amount_fen off_stay_fen given_up_fen state proposed_at decided_at look_at looks"
    " sent_at done_at off_transaction_id idempotency_key",
    "personal_data_request": "site_id id about sites state asked_at decided_at done",
    "plate_event": "site_id device_id event_id lane_id kind at device_at received_at plate_colour confidence certainties vehicle for_event opening"
    " buffered decision reason completed went",
    "policy_version": "policy_id version effective_from text digest applied_at",
    "posting": "site_id transaction_id line account amount_fen",
    "presence": "site_id newest_at history_from reads corrected_until",
    "quarantine": "id site_id device_id code event_id count received_at",
    # Ids and numbers of orders: evidence names records, never what they say of a person.
    "reconciliation_break": "site_id id key day kind about channel account order_number refund_number stay_id shift_id subject"
    " amount_fen difference_fen suspense_fen waits_for evidence found_at found_by state carried_to resolution cleared_by ended_at"
    " version",
    "reconciliation_run": "site_id day sequence at statements missing totals breaks digest",
    "reconciliation_step": "site_id break_id sequence at action state run resolution other_id carried_to amount_fen difference_fen"
    " transaction_id moved_fen offer idempotency_key content_hash",
    "register_change": "site_id kind sequence at action source",
    "relative": "site_id valid_from valid_to registered_at",
    "resident_vehicle": "site_id vehicle valid_from valid_to registered_at",
    "retention_run": "day kind started_at finished_at older_than deleted unfinished",
    "shift": "site_id id drawer opened_at float_fen from_shift closed_at",
    "shift_step": "site_id shift_id sequence kind at place amount_fen expected_fen counted_fen pieces code break_id transaction_id"
    " next_shift idempotency_key content_hash",
    "site": "id name capacity policy_id merchant_id premises zombie_days enabled",
    "site_books": "site_id opened_on closed_through",
    "staff_command": "site_id command_id lane_id action at role content_hash",
    "stay": "site_id id vehicle plate_colour state started_at entry_at exit_at entry_lane exit_lane entry_device entry_event"
    " exit_device exit_event confirmed exit_reason holds_space policy_id policy_version gross_fen payable_fen paid_fen bills"
    " settlements posted corrections",
    "stay_correction": "site_id id step state stay_id stay_after part new_plate entry_before entry_after payable_before payable_after at"
    " idempotency_key",
    "stay_correction_read": "site_id correction_id device_id event_id sequence anchor at to_at",
    "summed": "site_id zone through books_through",
    "user_account": "role sites generation enabled created_at second_factor_step second_factor_at",
    "voucher": "site_id serial book_id kind value state movements issue_id redemption_id stay_id presented_at",
    "voucher_book": "site_id id kind value first_serial last_serial valid_from valid_to buyer_id made_at idempotency_key content_hash",
    "voucher_buyer": "site_id id kind enabled registered_at",
    "voucher_issue": "site_id id book_id first_serial last_serial month at idempotency_key",
    "voucher_movement": "site_id serial sequence book_id kind from_state to_state at business_day fen stay_id issue_id redemption_id",
    "voucher_redemption": "site_id id serial lane_id at received_at state stay_id",
    "voucher_statement": "site_id id buyer_id month used fen transaction_id made_at",
    "zombie_step": "site_id zombie_id sequence at step",
    # A stay leads to its plate, and the plate goes by its own time.
    "zombie_vehicle": "site_id id stay_id since found_at state ended_at",
}


def kind_of(table: str, column: str) -> Kind | None:
    """None where it holds nothing of a person. Raises `KeyError` for a column that nobody has said anything of."""
    found = PERSONAL.get(table, {}).get(column)
    if found is None and column not in NOTHING.get(table, "").split():
        raise KeyError(f"{table}.{column}")
    return found


def columns_of(table: str, *kinds: Kind) -> tuple[str, ...]:
    """The columns of a table that hold something of these kinds."""
    return tuple(column for column, kind in PERSONAL.get(table, {}).items() if kind in kinds)
