"""Keras in depth, days 4 and 5: losses, metrics and models that survive saving. Its modules come with those days."""
