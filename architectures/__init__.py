"""Models from scratch, equal to the library's. Nothing is loaded until you import the module that holds it.

- ``architectures.datasets``: the data of the course (NumPy)
- ``architectures.logistic_regression``: softmax regression (TensorFlow)
- ``architectures.rnn``, ``architectures.lstm``, ``architectures.gru``: recurrent layers equal to torch.nn's (PyTorch)
- ``architectures.sentence_classifier``: characters, a recurrent layer, and the class of the state it ends in (PyTorch)
- ``architectures.exercises``: the checks of the exercises
"""
