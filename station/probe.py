"""Look at a whole machine (being filled in). `Medium` and `medium_at` are here for those who look at one drive."""

from station.media import Medium, medium_at

__all__ = ["Medium", "medium_at"]
