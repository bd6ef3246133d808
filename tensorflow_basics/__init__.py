"""TensorFlow's core, days 1 to 3: what the notebooks teach, to import. Nothing is loaded until you import a module of it.

- ``tensorflow_basics.exercises``: the checks of the exercises, and `exercise`, which makes one
"""
