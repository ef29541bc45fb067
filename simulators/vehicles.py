"""Invented vehicles: plates by the grammar of GA 36, and what a camera makes of them when it misreads."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from controllers.events import PlateColour, VehicleType
from simulators.journeys import Vehicle

SERIAL = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
DIGITS = "0123456789"
ELSEWHERE = ("浙B", "浙C", "浙D", "浙E", "浙F", "浙G", "沪A", "沪B", "苏A", "苏E", "赣E", "闽D", "京N")
# Characters that cameras take for one another (devices' vendors name these groups).
CONFUSED = ("0DQ", "1LT7", "2Z", "5S", "8B", "6GC", "UVY", "MNW", "KX")
ATTEMPTS_MAX = 1_000


class Plates:
    """Deals plates that nobody else in this world has."""

    def __init__(self, taken: frozenset[str] = frozenset()) -> None:
        self._taken = set(taken)

    @property
    def taken(self) -> frozenset[str]:
        return frozenset(self._taken)

    def civil(
        self, random: Random, *, local: float = 0.9, green: float = 0.3, elsewhere: Sequence[str] = ELSEWHERE
    ) -> tuple[str, PlateColour]:
        """A private vehicle's plate: `local` of them from Hangzhou, `green` of them new energy."""
        for _ in range(ATTEMPTS_MAX):
            office = "浙A" if random.random() < local else random.choice(elsewhere)
            if random.random() < green:
                serial = random.choice("DDDAF") + random.choice(SERIAL) + "".join(random.choices(DIGITS, k=4))
                dealt = office + serial, PlateColour.GREEN
            else:
                dealt = office + self._serial(random, 5), PlateColour.BLUE
            if self._take(dealt[0]):
                return dealt
        raise ValueError("the plates of this world are used up")

    def police(self, random: Random) -> tuple[str, PlateColour]:
        for _ in range(ATTEMPTS_MAX):
            if self._take(plate := "浙A" + self._serial(random, 4) + "警"):
                return plate, PlateColour.WHITE
        raise ValueError("the plates of this world are used up")

    def yellow(self, random: Random) -> tuple[str, PlateColour]:
        """A large vehicle's plate."""
        for _ in range(ATTEMPTS_MAX):
            if self._take(plate := "浙A" + self._serial(random, 5)):
                return plate, PlateColour.YELLOW
        raise ValueError("the plates of this world are used up")

    def _serial(self, random: Random, length: int) -> str:
        letters = random.choice((0, 1, 1, 2))
        places = set(random.sample(range(length), letters))
        return "".join(random.choice(SERIAL[:24] if place in places else DIGITS) for place in range(length))

    def _take(self, plate: str) -> bool:
        if plate in self._taken:
            return False
        self._taken.add(plate)
        return True


def misread(plate: str, random: Random) -> str:
    """One character of the serial taken for another: a look-alike where there is one, else any digit."""
    places = list(range(2, len(plate)))
    random.shuffle(places)
    for place in places:
        for group in CONFUSED:
            if plate[place] in group:
                other = random.choice([letter for letter in group if letter != plate[place]])
                return plate[:place] + other + plate[place + 1 :]
    place = places[0]
    other = random.choice([digit for digit in DIGITS if digit != plate[place]])
    return plate[:place] + other + plate[place + 1 :]


def unlicensed(name: str) -> Vehicle:
    """A vehicle without a plate (无牌车); `name` tells it from others in the truth."""
    return Vehicle(plate=None, colour=None, kind="unlicensed", vehicle=VehicleType.SMALL, known_as=name)
