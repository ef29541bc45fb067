"""The words of requests about personal data (个人信息), in Chinese and English: key, Chinese, English."""

from __future__ import annotations

from typing import Final

_SAID: Final = (
    ("desk.personal_data", "个人信息", "Personal data"),
    ("desk.identity", "身份核验", "Proof of identity"),
    ("desk.whose_data", "对象", "Whose"),
    ("desk.held", "所存数据", "What is held"),
    ("desk.pieces", "条数", "Rows"),
    ("desk.decided", "复核", "Decided"),
    (
        "personal.how",
        "个人信息保护法：本人可查阅、复制（第四十五条），也可要求删除（第四十七条）。受理前须核验身份；删除须第二人复核。",
        "By law a person may have a copy of what is held (art. 45), or have it erased (art. 47). Check who asks first; a second person decides before anything is erased.",
    ),
    ("personal.new", "受理申请", "New request"),
    ("personal.none", "没有申请。", "Nobody has asked."),
    ("personal.of_plate", "车牌", "Plate"),
    ("personal.either", "填写车牌，或者小区和房号。", "A plate; or a site and a household of it."),
    ("personal.plate.how", "该车辆的数据，不含所属住户。", "What that vehicle did, and nothing of its household."),
    (
        "personal.household.how",
        "该户的登记、自有车辆及其停车记录。",
        "Its registrations, its vehicles and what these did.",
    ),
    (
        "personal.identity.how",
        "核验记录的编号，例如：核验单 2026-031。不要写姓名和证件号码。",
        "Where the check is on record, such as the number of a form. No name, no number of a document.",
    ),
    ("personal.look", "查看所存数据", "Look what is held"),
    ("personal.export", "导出文件", "Export as a file"),
    (
        "personal.export.how",
        "压缩包内有表格、CSV、JSON 和图片，交给本人；导出会记录在案。",
        "A ZIP with a workbook, CSV, JSON and the pictures, for the person; the export is put on record.",
    ),
    (
        "personal.export.part",
        "其中不含低收入证明与包月；完整副本由登记人员导出。",
        "Certificates and passes are not in it; a registrar's copy is whole.",
    ),
    ("personal.erase", "申请删除…", "Propose to erase…"),
    (
        "personal.erase.how",
        "由第二人复核后删除，不能恢复。账目依法保留，但不再与本人相关联。",
        "A second person decides; then it cannot be taken back. What the law makes us keep stays, without the person.",
    ),
    ("personal.erase.go", "提交申请", "Propose"),
    ("personal.holds", "现在不能删除", "It cannot be erased yet"),
    ("personal.free", "没有妨碍删除的事项。", "Nothing stands in an erasure's way."),
    ("personal.about.plate", "车牌", "plate"),
    ("personal.about.household", "住户", "household"),
    ("personal.rows", "条", "rows"),
    ("personal.unreadable", "密钥已更换，无法读取", "another secret_key: cannot be read"),
    (
        "personal.unreadable.how",
        "系统密钥（secret_key）更换后，标明的申请已看不出是谁的：请点“不删除”结束它，再向申请人核实并重新受理。若恢复当时的密钥，即可照常办理。",
        "The secret_key has changed since the marked requests were made, and nobody can tell whose they are: reject each, ask the person again and propose anew. With the key of that time they can be decided as they are.",
    ),
    ("personal_state.exported", "已导出", "exported"),
    ("personal_state.proposed", "待复核", "proposed"),
    ("personal_state.erased", "已删除", "erased"),
    ("personal_state.rejected", "未删除", "not erased"),
    ("personal_state.expired", "逾期未复核", "nobody decided"),
    ("personal.act.approval", "同意删除…", "Approve…"),
    ("personal.act.rejection", "不删除…", "Reject…"),
    (
        "personal.how.approval",
        "立即删除，不能恢复。请核对对象与身份核验记录。",
        "It is erased now and cannot be taken back. Check whose it is, and the proof of identity.",
    ),
    (
        "personal.how.rejection",
        "请说明原因；申请人本人也可以撤回。",
        "Say why. Whoever proposed it may take it back so.",
    ),
    ("personal.go.approval", "确认删除", "Erase"),
    ("personal.go.rejection", "不删除", "Do not erase"),
    ("said.personal_data_proposed", "已提出，等待第二人复核。", "Proposed; a second person decides."),
    ("said.personal_data_approval", "已删除。", "Erased."),
    ("said.personal_data_rejection", "已记录为不删除。", "It is not erased."),
    ("wrong.identity", "请写明身份核验记录的编号。", "Say where the check of who asks is on record."),
)
# Of the sheets of an export; these have Chinese titles of their own.
_HELD: Final = (
    ("stays", "Stays"),
    ("bills", "Lines of bills"),
    ("payments", "Payments"),
    ("orders", "Payment orders"),
    ("refunds", "Refunds"),
    ("corrections", "Corrections of stays"),
    ("draws", "Draws of free minutes"),
    ("events", "Events"),
    ("changes", "Changes of registrations"),
    ("pictures", "Pictures"),
    ("household", "Household"),
    ("resident_vehicle", "Resident's vehicles"),
    ("relative", "Relatives' vehicles"),
    ("certificate", "Low-income certificates"),
    ("pass_held", "Passes"),
    ("free_vehicle", "Free vehicles"),
    ("blocked_vehicle", "Blocklist"),
    ("voucher_issue", "Vouchers taken"),
    ("pass_vehicle", "Vehicles of passes"),
    ("parking_pass", "Passes as sold"),
    ("charge", "Monthly charges"),
    ("pay_later_agreement", "Agreements to pay later"),
    ("invoice", "Electronic invoices"),
)

PERSONAL: Final[dict[str, dict[str, str]]] = {
    "zh": {key: zh for key, zh, _ in _SAID},
    "en": {key: en for key, _, en in _SAID},
}
HELD: Final[dict[str, str]] = dict(_HELD)
