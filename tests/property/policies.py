"""Random valid policies, stays and benefits, as an operator could write them: TOML text and batch lines."""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

KINDS = ("workday", "weekend", "holiday")
UNIT_MINUTES = st.sampled_from([1, 7, 15, 30, 60, 90, 240, 480, 1440])
FEN = st.one_of(st.integers(0, 1000), st.integers(50, 500), st.sampled_from([100, 200, 400, 500]))
CLOCKS = st.sampled_from(["00:00", "00:01", "06:30", "08:00", "12:00", "17:59", "20:00", "22:00", "23:59"])

# Around make-up days, holidays, the ends of months and an ordinary week.
DAYS = st.sampled_from(
    [
        "2026-01-03",
        "2026-02-13",
        "2026-02-22",
        "2026-02-27",
        "2026-03-31",
        "2026-05-08",
        "2026-06-18",
        "2026-09-30",
        "2026-11-20",
        "2026-11-28",
        "2026-11-30",
    ]
)


def toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def toml_table(name: str, table: dict[str, Any]) -> list[str]:
    return [f"[[{name}]]", *(f"{key} = {toml_value(value)}" for key, value in table.items())]


def policy_text(policy: dict[str, Any]) -> str:
    """The rules file of a policy given as plain data."""
    head = {
        "id": "random",
        "version": 1,
        "timezone": "Asia/Shanghai",
        "plausible_days_max": 7,
        "payable_step_fen": policy["step"],
    }
    lines = [f"free_day = {toml_value(policy['free_day'])}"] if policy["free_day"] else []
    lines += ["[policy]", "effective_from = 2026-01-01T00:00:00+08:00"]
    lines += [f"{key} = {toml_value(value)}" for key, value in head.items()]
    for tariff in policy["tariffs"]:
        lines += toml_table("tariff", {key: value for key, value in tariff.items() if key != "band"})
        for band in tariff.get("band", []):
            lines += toml_table("tariff.band", band)
    for discount in policy["discounts"]:
        lines += toml_table("discount", discount)
    lines += ["[relative_allowance]", "minutes_per_month = 3600", 'per = "household"', 'relations = ["parent"]']
    return "\n".join(lines) + "\n"


@st.composite
def _prices(draw: st.DrawFn, band_caps: bool) -> dict[str, Any]:
    """What a band charges: its first units, its unit, its tolerance, its cap."""
    unit = {"minutes": draw(UNIT_MINUTES), "fen": draw(FEN)}
    if draw(st.integers(0, 3)) == 0:
        unit["tolerance_minutes"] = draw(st.integers(0, 20))
    band: dict[str, Any] = {}
    firsts = draw(st.lists(st.fixed_dictionaries({"minutes": UNIT_MINUTES, "fen": FEN}), max_size=3))
    if firsts:
        band["first"] = firsts[0] if len(firsts) == 1 and draw(st.booleans()) else firsts
    band["unit"] = unit
    if band_caps and draw(st.integers(0, 2)) == 0:
        band["cap_fen"] = draw(st.integers(0, 3000))
    return band


@st.composite
def _bands(draw: st.DrawFn, band_caps: bool) -> list[dict[str, Any]]:
    """Bands that cover each kind of day once: cut the clock, then split some pieces by kind of day."""
    cuts = sorted(draw(st.lists(CLOCKS, min_size=1, max_size=4, unique=True)))
    pieces = list(zip(cuts, cuts[1:] + cuts[:1], strict=True))
    bands: list[dict[str, Any]] = []
    for begin, end in pieces:
        how = draw(st.sampled_from(["all", "all", "implied", "kinds"]))
        if how == "kinds":
            bands += [{"from": begin, "to": end, "days": kind} | draw(_prices(band_caps)) for kind in KINDS]
        else:
            days = {"days": "all"} if how == "all" else {}
            bands.append({"from": begin, "to": end} | days | draw(_prices(band_caps)))
    return draw(st.permutations(bands)) if draw(st.booleans()) else bands


@st.composite
def _tariff(draw: st.DrawFn, selectors: dict[str, str], vehicles: list[str], band_caps: bool) -> dict[str, Any]:
    free = draw(st.sampled_from([0, 15, 30, 60]))
    tariff: dict[str, Any] = {"vehicles": vehicles, **selectors}
    tariff["free_minutes"] = free
    tariff["free_minutes_deducted"] = draw(st.booleans())
    tariff["leave_within_minutes"] = 15
    per = draw(st.sampled_from(["", "24h", "calendar_day", "across"]))
    if per:
        cap = {
            "per": "calendar_day" if per == "across" else per,
            "fen": draw(st.one_of(st.integers(0, 4000), st.integers(500, 4000))),
        }
        tariff["cap"] = cap | ({"across_stays": True} if per == "across" else {})
    if draw(st.integers(0, 5)) == 0:
        tariff["month_cap_fen"] = draw(st.integers(0, 8000))
    if draw(st.integers(0, 5)) == 0:
        tariff["free_stays_per_day"] = draw(st.integers(0, 3))
    if draw(st.integers(0, 7)) == 0:
        tariff["visit_fen"] = draw(FEN)
    else:
        tariff["band"] = draw(_bands(band_caps))
    return tariff


@st.composite
def policies(draw: st.DrawFn, *, band_caps: bool = True, discounts: bool = True) -> str:
    """A valid policy's text. The first tariff serves small vehicles and everything that nobody names."""
    kinds = [({}, ["small"])]
    kinds += draw(
        st.lists(
            st.sampled_from(
                [
                    ({}, ["large"]),
                    ({}, ["motorcycle", "large"]),
                    ({"energy": "new"}, ["small"]),
                    ({"energy": "new"}, ["small", "large"]),
                    ({"who": "tenant"}, ["small"]),
                    ({"who": "registered_visitor"}, ["small", "motorcycle"]),
                    ({"energy": "new", "who": "tenant"}, ["small"]),
                ]
            ),
            max_size=3,
            unique_by=repr,
        )
    )
    granted = draw(
        st.lists(
            st.one_of(
                st.fixed_dictionaries({"percent": st.integers(1, 100)}),
                st.fixed_dictionaries({"percent": st.integers(1, 100), "vehicles": st.just(["large"])}),
                st.fixed_dictionaries({"percent": st.integers(1, 100), "vehicles": st.just(["small", "motorcycle"])}),
            ),
            max_size=2 if discounts else 0,
        )
    )
    return policy_text(
        {
            "step": draw(st.sampled_from([1, 1, 10, 50, 100])),
            "free_day": draw(st.sampled_from([[], [], ["spring_festival"], ["national_day", "spring_festival"]])),
            "tariffs": [draw(_tariff(selectors, vehicles, band_caps)) for selectors, vehicles in kinds],
            "discounts": [{"id": f"d{place}"} | discount for place, discount in enumerate(granted)],
        }
    )


def _minutes_of_stay() -> st.SearchStrategy[int]:
    return st.one_of(
        st.integers(0, 200), st.integers(31, 400), st.integers(0, 1600), st.integers(0, 5000), st.just(1440)
    )


VOUCHERS = st.one_of(
    st.builds("minutes:{}".format, st.integers(1, 300)),
    st.builds("minutes:{}".format, st.integers(1, 300)),
    st.builds("amount:{}".format, st.integers(1, 700)),
    st.builds("{}:{}".format, st.sampled_from(["minutes", "amount"]), st.integers(1, 60)),
    st.builds(lambda often: "minutes:45" if often else "whole_stay", st.integers(0, 4)),
)


@st.composite
def stays(draw: st.DrawFn, *, benefits: bool = True) -> dict[str, Any]:
    """A batch line as a dict, with offset or without, with seconds or without."""
    entry = datetime.fromisoformat(draw(DAYS)) + timedelta(minutes=draw(st.integers(0, 1439)))
    leaves = entry + timedelta(minutes=draw(_minutes_of_stay()), seconds=draw(st.sampled_from([0, 0, 59])))
    offset = draw(st.sampled_from(["", "+08:00"]))
    stay: dict[str, Any] = {"entry": entry.isoformat() + offset, "exit": leaves.isoformat() + offset}
    stay["vehicle"] = draw(st.sampled_from(["small", "small", "large", "motorcycle"]))
    if draw(st.booleans()):
        stay["energy"] = "new"
    who = draw(st.sampled_from([None, None, "tenant", "registered_visitor"]))
    if who:
        stay["who"] = who
    if draw(st.booleans()):
        stay["free_stays_used"] = draw(st.integers(0, 3))
    if draw(st.booleans()):
        days = {(entry + timedelta(days=day)).date().isoformat() for day in (-1, 0, 1)}
        stay["charged"] = {day: draw(st.integers(0, 3000)) for day in sorted(days)}
    if benefits:
        months = sorted({f"{at:%Y-%m}" for at in (entry, leaves)} | {"2026-12"})
        if draw(st.integers(0, 2)):
            stay["allowance"] = {month: draw(st.one_of(st.integers(0, 300), st.integers(0, 3600))) for month in months}
        stay["vouchers"] = draw(st.lists(VOUCHERS, max_size=5))
    return stay
