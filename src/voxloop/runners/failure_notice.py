"""What a DAG's task does when it has failed for good: people on call are told, with where to look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voxloop.notices.notice import Notice

LONGEST_REASON = 500
"""Characters of what a task failed with: the rest is in its log."""


def tell_on_call(context: Mapping[str, Any]) -> None:
    """Tell the audience on-call of a task that will not be tried again; Airflow's `on_failure_callback`.

    A task has failed already when this is called, so whatever goes wrong here is printed and goes no further.

    Args:
        context: As Airflow gives it.
    """
    from voxloop.jobs.notify import tell_people

    try:
        tell_people(describe_failure(context))
    except Exception as trouble:  # noqa: BLE001 - the failure of the task is what counts, and Airflow shows it
        print(f"nobody was told: {type(trouble).__name__}: {trouble}", flush=True)


def describe_failure(context: Mapping[str, Any]) -> Notice:
    """Return the notice of a task that has failed.

    Args:
        context: As Airflow gives it: `task_instance`, `run_id`, and `exception` where there is one.
    """
    from voxloop.notices.notice import Audience, Notice
    from voxloop.settings import get_settings

    task = context["task_instance"]
    reason = str(context.get("exception") or "it was ended from outside").strip().splitlines()[0][:LONGEST_REASON]
    url = get_settings().airflow_url
    name, place = _tell_apart(task)
    lines = [
        f"{name} of {task.dag_id} has failed for good, in run {context['run_id']}, try {task.try_number}.",
        reason,
        f"Its log: {url}/dags/{task.dag_id}/runs/{context['run_id']}/tasks/{place}",
        f"What to do: the triage notes of the DAG ({url}/dags/{task.dag_id}), and docs/runbooks.",
    ]
    about = f"failure/{task.dag_id}/{name}"
    return Notice(Audience.ON_CALL, about, f"voxloop: {task.dag_id} failed", "\n".join(lines), counts=True)


def _tell_apart(task: Any) -> tuple[str, str]:
    """Return a task's name and its place in Airflow's addresses; of a task that is there once a family, that one's."""
    number = getattr(task, "map_index", -1)
    if number is None or number < 0:
        return task.task_id, task.task_id
    label = getattr(task, "rendered_map_index", None) or number
    return f"{task.task_id} ({label})", f"{task.task_id}/mapped/{number}"
