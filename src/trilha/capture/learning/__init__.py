"""What integrations of learning frameworks say, in the same words whatever the framework.

`terms` are the words: types, and common names of hyperparameters. `data` states data sets, their
preparation and their parts; `architecture` a model's layers; `fit` one training from its begin to its end.
A framework's integration translates its own callbacks into these, so that a question about a model has one
answer whether it was trained with PyTorch, Keras or scikit-learn.
"""
