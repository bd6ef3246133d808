"""Models from scratch, equal to the library's. Nothing is loaded until you import the module that holds it.

- ``architectures.datasets``: the data of the course (NumPy)
- ``architectures.logistic_regression``: softmax regression (TensorFlow)
- ``architectures.rnn``, ``architectures.lstm``, ``architectures.gru``: recurrent layers equal to torch.nn's (PyTorch)
- ``architectures.exercises``: the checks of the exercises
"""
