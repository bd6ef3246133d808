"""Recommender systems, day 13: ratings data, metrics, models. Its modules come with that day."""
