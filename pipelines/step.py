"""One step of a pipeline, as every pipeline here wants it."""

from kfp.dsl import PipelineTask

BACKOFF = {"backoff_duration": "30s", "backoff_factor": 2.0, "backoff_max_duration": "600s"}
"""Between two tries: a machine that was taken away is seldom replaced at once."""


def step(display_name: str, task: PipelineTask, *, retries: int = 0) -> PipelineTask:
    """Name a task for the picture people see, and keep Kubeflow's cache out of it.

    The job store is the only cache: Kubeflow's answers with deleted or changed bytes (kubeflow/pipelines#7939).

    Args:
        display_name: The name.
        task: The task.
        retries: How often it is tried again, whatever it ended with: Kubeflow's launcher exits with 1 for every
            failure, so that an interrupted training (85) looks like any other.
    """
    task = task.set_display_name(display_name).set_caching_options(False)
    return task.set_retry(retries, **BACKOFF) if retries else task
