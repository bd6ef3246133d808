"""TensorFlow's core, days 1 to 3: what the notebooks teach, to import. Nothing is loaded until you import a module of it.

- ``tensorflow_basics.exercises``: the checks of the exercises, and `exercise`, which makes one
- ``tensorflow_basics.checks``: `check_int`, of an argument
- ``tensorflow_basics.modules``: `Dense` and `MLP`, made of tf.Module
- ``tensorflow_basics.federated``: federated averaging
- ``tensorflow_basics.workers``: `Workers`, processes that train together on this machine; `check_tf_config`
"""
