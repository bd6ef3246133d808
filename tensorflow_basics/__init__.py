"""TensorFlow's core, days 1 to 3: what the notebooks teach, to import. Nothing is loaded until you import a module of it.

- ``tensorflow_basics.exercises``: the checks of the exercises, and `exercise`, which makes one
- ``tensorflow_basics.workers``: `Workers`, processes that train together on this machine; `check_tf_config`
"""
