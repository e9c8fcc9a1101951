"""Every day: free what no model and no retraining needs.

`voxloop gc` removes stored results, run folders, served models and artifacts that nothing in force, nothing waiting for
approval and no recent retraining was made from, and profiles of callers' speakers whom nobody heard for long. How long
is kept stands in `configs/retention.yaml`. It may run beside everything else, and what it was killed in the middle of
the next run finishes.

### Triage notes

* **`free` failed, exit 2.** `configs/retention.yaml` holds a value that cannot be: the last line of the log names it.
* **`free` is retrying, or ended with exit 75.** MLflow does not answer, or an alias names a version that is not there:
  nothing was freed that might be in force. `voxloop status`.
* **`profiles stay` in the log, exit 75 or 4.** Feast's online store or the journal of profiles did not answer, or is
  none: the line says which.
* **The disk is full all the same.** The log lists what is kept and why; the runbook says what to do about each reason.
* Safe to start again at any time. `voxloop gc --dry-run` shows the plan and removes nothing.

More in docs/runbooks/retention.md.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from voxloop.runners.command import run_command
from voxloop.runners.failure_notice import tell_on_call


@dag(
    dag_id="free_disk",
    # After the nightly run and its morning readers; a run folder of today is kept whatever the hour.
    schedule=CronTriggerTimetable("40 10 * * *", timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    doc_md=__doc__,
    tags=["retention"],
    default_args={
        "owner": "speech-models",
        "on_failure_callback": tell_on_call,
        "retries": 3,
        "retry_delay": timedelta(minutes=5),
        "execution_timeout": timedelta(hours=2),
    },
)
def free_disk() -> None:
    """Free what is no longer needed."""

    @task
    def free() -> str:
        return run_command(["gc"])

    free()


free_disk()
