"""Kubeflow components, one a file: a signature, a docstring, one call of the job of the same name.

A body travels to its container as source, so it imports what it needs itself. Annotations must stay real objects
(no postponed evaluation): Kubeflow reads them to build the interface.
"""
