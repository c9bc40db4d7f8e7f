"""Take one photo of the city."""

from dataclasses import dataclass

from vprkit.data.city.light import draw_light, glow_table
from vprkit.data.city.randomness import generator
from vprkit.data.city.scene import City, View
from vprkit.data.city.shading import shade
from vprkit.data.city.shot import Shot
from vprkit.data.city.textures import U8
from vprkit.data.city.weather import develop


@dataclass(frozen=True)
class Photo:
    """A rendered shot: (H, W, 3) 8-bit pixels and what they show."""

    pixels: U8
    view: View
    lit_shops: bool


def take_photo(city: City, shot: Shot, anchor: tuple[float, float], rotation: float = 0.0) -> Photo:
    """Render one shot.

    Args:
        anchor: spot in local metres whose surroundings are used, at most some 30 m from the camera.
        rotation: counter-clockwise turn of the local axes against east and north, degrees; moves the sun.
    """
    rng = generator(city.plan.seed, "light", *shot.key)
    light = draw_light(rng, shot, rotation)
    table = glow_table(rng, light)
    view = city.view(shot, anchor)
    lit = shade(view, light, table, rng)
    return Photo(develop(lit, light, rng), view, light.lamps > 0.3)
