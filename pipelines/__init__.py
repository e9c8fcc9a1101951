"""Kubeflow pipelines: composition only. What a step does stands in its job, what it gets in `configs/pipelines`."""
