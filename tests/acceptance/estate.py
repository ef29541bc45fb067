"""The estate that the acceptance tests run: sites, policy and registers, in the forms that the contracts give."""

from datetime import date, timedelta
from pathlib import Path

from tests.acceptance.deployment import Parkgate
from tests.acceptance.trade import PASSWORD

# site → (capacity, [(gate, residents_only, [(lane, direction, device, passage_sensor)])])
SITES = {
    "xinyi": (
        900,
        [
            ("east", False, [("in-1", "in", "d1", True), ("out-1", "out", "d2", True)]),
            ("west", True, [("in-2", "in", "d3", True), ("out-2", "out", "d4", False)]),
            ("north", False, [("in-3", "in", "d5", True), ("out-3", "out", "d5", True)]),
        ],
    ),
    "tiny": (
        1,
        [
            ("east", False, [("in-1", "in", "d1", True), ("out-1", "out", "d2", True)]),
            ("west", True, [("in-2", "in", "d3", True)]),
        ],
    ),
    "annex": (100, [("east", False, [("in-1", "in", "d1", True), ("out-1", "out", "d2", True)])]),
    "archive": (100, [("east", False, [("in-1", "in", "d1", True), ("out-1", "out", "d2", True)])]),
}
LANES = {
    f"{site}.{lane}": device
    for site, (_, gates) in SITES.items()
    for _, _, lanes in gates
    for lane, _, device, _ in lanes
}
ROLES = {"cashier": "xinyi", "console": None, "registrar": None, "finance": None, "manager": None, "auditor": None}
MINUTES_PER_MONTH = 200

POLICY = f"""
[policy]
id = "test-street"
version = 1
effective_from = 2020-01-01T00:00:00+08:00
timezone = "Asia/Shanghai"
plausible_days_max = 7

[[tariff]]
vehicles = ["small"]
free_minutes = 30
leave_within_minutes = 15
cap = {{ per = "24h", fen = 2000 }}

  [[tariff.band]]
  from = "00:00"
  to = "00:00"
  first = {{ minutes = 60, fen = 400 }}
  unit = {{ minutes = 30, fen = 200 }}

[[free_class]]
id = "emergency"
plates = ["police", "emergency", "armed_police", "military"]
[[free_class]]
id = "ambulance"
register = true

[relative_allowance]
minutes_per_month = {MINUTES_PER_MONTH}
per = "household"
relations = ["parent", "child", "grandparent", "grandchild", "child_in_law"]

[low_income]
exempts = ["parking", "pass", "property_fee"]

[pay_later]
arrears_limit_fen = 5000
[exit]
mode = "pay_first"

[[pass]]
id = "resident-monthly"
vehicles = ["small"]
fen = 20000
spaces_per_household = 1
grace_days = 3
"""

PASS = [f"浙A1000{number}" for number in range(1, 8)]  # residents with a pass, a household each
LOW_INCOME = ["浙A20001", "浙A20002", "浙A20003"]  # households with a certificate
RELATIVES = ["浙A30001", "浙A30002"]  # relatives of two other households
AMBULANCE = "浙A40001"
BLOCKED = "浙A50001"
BLOCKED_RESIDENT = "浙A50002"
BLOCKED_AMBULANCE = "浙A50003"
TINY_PASS = "浙A60001"


def site_file() -> str:
    lines = ["[[merchant]]", 'id = "hushu"', 'name = "湖墅街道"']
    for site, (capacity, gates) in SITES.items():
        lines += ["[[site]]", f'id = "{site}"', f'name = "{site} 小区"', f"capacity = {capacity}"]
        lines += ['policy = "test-street"', 'merchant = "hushu"']
        for gate, residents_only, lanes in gates:
            lines += ["[[site.gate]]", f'id = "{gate}"', 'tier = "main"', "staffed = true"]
            lines += [f"residents_only = {str(residents_only).lower()}"]
            for lane, direction, device, sensor in lanes:
                lines += ["[[site.gate.lane]]", f'id = "{lane}"', f'direction = "{direction}"', f'device = "{device}"']
                lines += ["loop = true", f"passage_sensor = {str(sensor).lower()}"]
        for device in sorted({device for _, _, lanes in gates for _, _, device, _ in lanes}):
            lines += ["[[site.device]]", f'id = "{device}"', 'vendor = "native"']
    return "\n".join(lines) + "\n"


def registers(today: date) -> dict[str, list[str]]:
    """Each register's CSV lines, its header first."""
    since, until = today - timedelta(days=40), today + timedelta(days=300)
    households = ["site,household,name,area_m2"]
    vehicles = ["site,household,plate,vehicle"]
    relatives = ["site,household,plate,relation,valid_from,valid_to"]
    certificates = ["site,household,number,issuer,valid_from,valid_to"]
    passes = ["site,plate,pass,valid_from,valid_to"]
    holders = [("xinyi", plate) for plate in [*PASS, BLOCKED_RESIDENT]] + [("tiny", TINY_PASS)]
    for place, (site, plate) in enumerate(holders):
        households.append(f"{site},p{place},住户{place},88.5")
        vehicles.append(f"{site},p{place},{plate},small")
        passes.append(f"{site},{plate},resident-monthly,{since},{until}")
    for place, plate in enumerate(LOW_INCOME):
        households.append(f"xinyi,l{place},低保{place},52")
        vehicles.append(f"xinyi,l{place},{plate},small")
        certificates.append(f"xinyi,l{place},HZ-{place:04d},民政局,{since},{until}")
    for place, plate in enumerate(RELATIVES):
        households.append(f"xinyi,r{place},亲属{place},70")
        relatives.append(f"xinyi,r{place},{plate},parent,{since},{until}")
    free = ["site,plate,class,valid_to"] + [
        f"xinyi,{plate},ambulance,{until}" for plate in (AMBULANCE, BLOCKED_AMBULANCE)
    ]
    blocked = [(plate, "xinyi") for plate in (BLOCKED, BLOCKED_RESIDENT, BLOCKED_AMBULANCE)] + [(BLOCKED, "tiny")]
    return {
        "households": households,
        "vehicles": vehicles,
        "relatives": relatives,
        "certificates": certificates,
        "passes": passes,
        "free-vehicles": free,
        "blocklist": [
            "site,plate,reason,valid_to",
            *(f"{site},{plate},unpaid damage,{until}" for plate, site in blocked),
        ],
    }


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def prepare(parkgate: Parkgate, today: date) -> str:
    """Everything before `serve`; returns what `site apply --json` printed."""
    folder = parkgate.folder
    parkgate.run("db", "upgrade")
    applied = parkgate.run("site", "apply", write(folder / "sites.toml", site_file()), "--json")
    parkgate.run("policy", "apply", write(folder / "policy.toml", POLICY))
    for kind, lines in registers(today).items():
        parkgate.run("registry", "import", kind, write(folder / f"{kind}.csv", "\n".join(lines) + "\n"))
    for role, site in ROLES.items():
        only = ["--site", site] if site else []
        parkgate.run("user", "add", role, "--role", role, *only, "--password-stdin", given=f"{PASSWORD}\n")
    return applied.stdout
