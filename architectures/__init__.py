"""Models from scratch, equal to the library's. Nothing is loaded until you import the module that holds it.

- ``architectures.datasets``: the data of the course (NumPy)
- ``architectures.logistic_regression``: softmax, binary and multilabel regression (TensorFlow)
- ``architectures.diagnostics``: which layers of a network do not learn, and why (Keras models and tf.Modules)
- ``architectures.convolution``: convolution and pooling with a backward pass by hand, equal to TensorFlow's (TensorFlow)
- ``architectures.rnn``, ``architectures.lstm``, ``architectures.gru``: recurrent layers equal to torch.nn's (PyTorch)
- ``architectures.sentence_classifier``: characters, a recurrent layer, and the class of the state it ends in (PyTorch)
- ``architectures.transformer``, ``architectures.objectives``, ``architectures.lora``: language models, what they are asked
  to predict, and fine-tuning by low-rank updates (PyTorch)
- ``architectures.exercises``: the checks of the exercises
"""
