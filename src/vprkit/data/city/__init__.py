"""A procedural city: street scenes by day and night, in rain and snow, for tests, demos, training and benchmarks.

from vprkit.data.city import make_city

make_city("city", places=60, views=12, seed=0)
"""

from vprkit.data.city.generate import CitySummary, holds_city, make_city, make_city_from
from vprkit.data.city.options import CityOptions

__all__ = ["CityOptions", "CitySummary", "holds_city", "make_city", "make_city_from"]
