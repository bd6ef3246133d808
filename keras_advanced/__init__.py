"""Keras in depth, days 4 and 5. Nothing is loaded until you import the module that holds it.

- ``keras_advanced.layers``, ``keras_advanced.models``: layers and models that survive saving (Keras 3, on TensorFlow or
  PyTorch)
- ``keras_advanced.losses``, ``keras_advanced.metrics``: custom losses and metrics, registered for serialization
- ``keras_advanced.checks``: what they demand of their arguments
- ``keras_advanced.exercises``: the checks of the exercises
"""
