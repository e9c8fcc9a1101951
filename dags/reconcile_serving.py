"""Every ten minutes: make MLflow and Triton follow the ledger.

`voxloop reconcile` compares the route row of the ledger, which says what is in force, with the aliases in MLflow and
with what Triton serves. An alias moved by hand goes back, a model that Triton has lost is loaded again, a promotion
that was killed is finished or undone, models that no route needs are taken off. What only a person can put right fails
the task.

### Triage notes

* **`reconcile` failed, exit 4.** Bytes or the ledger are not as they were, or MLflow no longer knows the version that
  serves: the log names which. What is in force still serves. Approve nothing until it is known why.
* **`reconcile` failed, exit 3.** A promotion goes on at another machine, and does not end: the log has the command.
* **`reconcile` is retrying.** MLflow or Triton does not answer: `voxloop status`.
* **The log says `mended` every time for the same thing.** Somebody or something puts it back: an alias set by a script,
  a Triton that runs out of memory.
* Safe to start again at any time. `voxloop reconcile --dry-run` says what it would do.

More in docs/runbooks/reconcile_serving.md.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Param, dag, get_current_context, task

from voxloop.runners.command import DRAFT, run_command
from voxloop.runners.failure_notice import tell_on_call


@dag(
    dag_id="reconcile_serving",
    # Off the full minutes of the hour, when the nightly runs begin.
    schedule=CronTriggerTimetable("7-57/10 * * * *", timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    doc_md=__doc__,
    tags=["release"],
    default_args={
        "owner": "speech-models",
        "on_failure_callback": tell_on_call,
        "retries": 2,
        "retry_delay": timedelta(seconds=30),
        "execution_timeout": timedelta(minutes=15),
    },
    params={"task": Param(None, type=["null", "string"], description="one family; null: all of them", **DRAFT)},
)
def reconcile_serving() -> None:
    """Compare ledger, registry and Triton, and mend what can be mended."""

    @task
    def reconcile() -> str:
        family = get_current_context()["params"]["task"]
        return run_command(["reconcile", *(["--task", str(family)] if family is not None else [])])

    reconcile()


reconcile_serving()
