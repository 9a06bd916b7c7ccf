"""Classifiers of epochs that speak scikit-learn, and their one-window kernels.

Estimators (``xdawn``, ``mdm``) are imported where something is fitted; ``covariance_scorers`` needs numpy and numba alone and is what a
decoder runs with.
"""
