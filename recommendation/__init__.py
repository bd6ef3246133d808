"""Recommender systems, day 13: ``datasets`` (MovieLens, splits), ``metrics``, ``models``, and the day's ``exercises``."""
