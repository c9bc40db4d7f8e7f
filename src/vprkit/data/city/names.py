"""Words and colours of the city: walls, doors, shops."""

from vprkit.data.city.textures import Colour

BRICKS: tuple[tuple[str, Colour], ...] = (
    ("red-brick", (152, 74, 58)),
    ("brown-brick", (112, 78, 62)),
    ("yellow-brick", (196, 164, 108)),
    ("grey-brick", (126, 122, 120)),
    ("dark-brick", (84, 60, 54)),
    ("orange-brick", (186, 104, 66)),
)
PLASTERS: tuple[tuple[str, Colour], ...] = (
    ("white", (230, 226, 218)),
    ("cream", (228, 210, 168)),
    ("ochre", (208, 160, 88)),
    ("salmon", (216, 144, 118)),
    ("pink", (222, 170, 174)),
    ("sky-blue", (146, 178, 206)),
    ("mint-green", (162, 200, 174)),
    ("olive", (146, 148, 102)),
    ("light-grey", (176, 176, 174)),
    ("terracotta", (184, 102, 72)),
    ("lilac", (174, 160, 196)),
    ("butter-yellow", (238, 210, 122)),
    ("slate-blue", (98, 116, 144)),
    ("burgundy", (126, 56, 62)),
)
STONES: tuple[tuple[str, Colour], ...] = (
    ("sandstone", (200, 176, 136)),
    ("limestone", (212, 206, 190)),
    ("granite", (138, 138, 140)),
    ("basalt", (92, 92, 98)),
)
CONCRETES: tuple[tuple[str, Colour], ...] = (
    ("concrete", (160, 158, 152)),
    ("pale-concrete", (190, 188, 182)),
    ("dark-concrete", (118, 118, 116)),
)
GLASSES: tuple[tuple[str, Colour], ...] = (
    ("blue-glass", (92, 124, 152)),
    ("green-glass", (96, 134, 124)),
    ("bronze-glass", (122, 104, 84)),
)
TIMBERS: tuple[tuple[str, Colour], ...] = (
    ("half-timbered white", (234, 226, 208)),
    ("half-timbered yellow", (226, 198, 132)),
    ("half-timbered rose", (214, 164, 150)),
)
BOARDS: tuple[tuple[str, Colour], ...] = (
    ("blue-boarded", (112, 144, 170)),
    ("red-boarded", (146, 62, 52)),
    ("green-boarded", (108, 138, 108)),
    ("white-boarded", (224, 222, 216)),
)
WALLS: dict[str, tuple[tuple[str, Colour], ...]] = {
    "brick": BRICKS,
    "plaster": PLASTERS,
    "stone": STONES,
    "concrete": CONCRETES,
    "glass": GLASSES,
    "timber": TIMBERS,
    "boards": BOARDS,
}
# How often each kind of wall occurs, by the character of a block.
DISTRICTS: tuple[tuple[str, ...], ...] = (
    ("brick", "brick", "brick", "plaster", "stone"),
    ("plaster", "plaster", "plaster", "stone", "brick"),
    ("plaster", "timber", "timber", "plaster", "boards"),
    ("concrete", "glass", "brick", "concrete", "plaster"),
    ("stone", "stone", "plaster", "brick", "glass"),
)

PAINTS: tuple[tuple[str, Colour], ...] = (
    ("green", (38, 92, 58)),
    ("red", (158, 38, 36)),
    ("blue", (40, 72, 138)),
    ("black", (34, 34, 38)),
    ("white", (226, 226, 222)),
    ("brown", (98, 62, 38)),
    ("yellow", (214, 170, 48)),
    ("turquoise", (44, 134, 138)),
    ("grey", (112, 114, 118)),
    ("orange", (206, 104, 40)),
)
ROOFS: tuple[tuple[str, Colour], ...] = (
    ("red-tiled", (150, 74, 54)),
    ("slate", (78, 82, 92)),
    ("brown-tiled", (104, 74, 58)),
    ("copper-green", (104, 148, 130)),
)

SHOPS: tuple[tuple[str, str], ...] = (
    ("bakery", "BAKERY"),
    ("cafe", "CAFE"),
    ("bookshop", "BOOKS"),
    ("pharmacy", "PHARMACY"),
    ("barber", "BARBER"),
    ("florist", "FLOWERS"),
    ("restaurant", "GRILL"),
    ("bicycle shop", "CYCLES"),
    ("bar", "BAR"),
    ("hotel", "HOTEL"),
    ("grocery", "MARKET"),
    ("shoe shop", "SHOES"),
    ("bank", "BANK"),
    ("tailor", "TAILOR"),
    ("record shop", "RECORDS"),
    ("laundry", "LAUNDRY"),
)
_HEADS = (
    "No", "Lu", "Bel", "Mar", "Ori", "Cas", "Ver", "Tal", "Sol", "Kas", "Fen", "Gal", "Hel", "Ivo", "Jar", "Pel",
    "Qui", "Ros", "San", "Ulm", "Vik", "Wes", "Zor", "Ald", "Bru", "Cor", "Dor", "Emi", "Fab", "Gri",
)  # fmt: skip
_TAILS = ("va", "na", "mo", "ri", "dell", "ton", "ka", "ssa", "ro", "ling", "mer", "bo", "tta", "gano", "wick", "nar")

STOREYS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def shop_name(number: int) -> str:
    """One of 480 invented names."""
    return _HEADS[number % len(_HEADS)] + _TAILS[(number // len(_HEADS)) % len(_TAILS)]


SHOP_NAMES = len(_HEADS) * len(_TAILS)
