"""Every minute: put what a person has approved into service.

`voxloop deploy` asks MLflow for the newest approved version that is not yet in force, claims its promotion in the
ledger, loads it into Triton beside the champion, compares its answers with the golden ones, and only then writes the
route row that puts it into service; MLflow's aliases follow. With nothing approved it ends at once. Asking by the
minute needs no event that could be lost: a run does all that is waiting. While the family is frozen (`voxloop freeze`)
the task is skipped.

### Triage notes

* **`deploy` was skipped.** The family is frozen: its log says until when and why. `voxloop unfreeze` ends it before.
* **`deploy` failed, exit 2 or 3.** The last line of the log says which rule the version breaks: not approved, or
  approved for other bytes than those in the registry. The champion still serves. Correct it in MLflow.
* **`deploy` failed, exit 4.** The bytes in the registry or in the model repository are not those that were judged, or
  the server answers otherwise than the export. Do not approve anything until it is known why. The version is not tried
  again by itself: `voxloop deploy --version N` does, once the reason is gone.
* **`deploy` is retrying.** MLflow or Triton does not answer: `voxloop status`.
* **An approved version is not served after two minutes.** Look at the log of the last run: it names the version it
  looked at and what it decided.
* Safe to start again at any time: what is in force already is left alone.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from voxloop.runners.command import run_command
from voxloop.runners.freezes import describe_freeze


@dag(
    dag_id="deploy_approved",
    schedule=CronTriggerTimetable("* * * * *", timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    doc_md=__doc__,
    tags=["release", "emotion"],
    default_args={
        "owner": "speech-models",
        "retries": 2,
        "retry_delay": timedelta(seconds=10),
        "execution_timeout": timedelta(minutes=10),
    },
    params={"task": Param("emotion", type="string", description="the task family")},
)
def deploy_approved() -> None:
    """Deploy the newest approved version, if there is one that does not serve yet."""

    @task
    def deploy() -> str:
        family = str(get_current_context()["params"]["task"])
        if freeze := describe_freeze(family):
            raise AirflowSkipException(freeze)
        return run_command(["deploy", "--task", family])

    deploy()


deploy_approved()
