"""One step of a pipeline, as every pipeline here wants it."""

from kfp.dsl import PipelineTask


def step(display_name: str, task: PipelineTask) -> PipelineTask:
    """Name a task for the picture people see, and keep Kubeflow's cache out of it.

    The job store is the only cache: Kubeflow's answers with deleted or changed bytes (kubeflow/pipelines#7939).
    """
    return task.set_display_name(display_name).set_caching_options(False)
