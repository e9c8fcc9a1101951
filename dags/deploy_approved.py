"""Woken by an approval, and every five minutes: put what a person has approved into service, in every family.

The triggerer looks at the ledger every two seconds; an approval that is not served yet starts a run within ten. The
event only wakes: each task asks `voxloop deploy` for its family until nothing approved is left, so that no event can
be lost for good, and the slow schedule comes anyway.

`voxloop deploy` takes the version approved last, claims its promotion in the ledger, loads it into Triton beside the
champion, compares its answers, time and memory, and only then writes the route row that puts it into service; MLflow's
aliases follow. With nothing approved it ends at once. While a family is frozen (`voxloop freeze`) its task is skipped.

### Triage notes

* **`deploy_…` was skipped.** The family is frozen: its log says until when and why; `voxloop unfreeze` ends it before.
  Or the run was asked for another family (its parameter `task`).
* **`deploy_…` failed, exit 2 or 3.** The last line of the log says which rule the version breaks: not approved, or
  approved for other bytes than those in the registry. The champion still serves. Correct it in MLflow.
* **`deploy_…` failed, exit 4.** The bytes in the registry or in the model repository are not those that were judged, or
  the server answers otherwise than export or evaluation. Do not approve anything until it is known why. The version is
  not tried again by itself: `voxloop deploy --version N` does, once the reason is gone.
* **`deploy_…` failed, exit 1.** The version takes more time or memory than `configs/release.yaml` allows, or that
  cannot be told; the log has the figures. The champion still serves; `voxloop deploy --version N` tries again.
* **`deploy_…` is retrying.** MLflow or Triton does not answer, or the champion is not served: `voxloop status`.
* **The log says `waits; … a canary … goes on`.** The canary decides. `voxloop canary FAMILY --abort` ends it, and the
  approval of what it tries with it.
* **An approved version is not served after two minutes.** Look at the log of the last run: it names the version it
  looked at and what it decided. No run began within ten seconds: is `airflow-triggerer` healthy, and what does its log
  say of `approval_trigger`?
* **Runs begin again and again, at growing distances up to five minutes.** An approval waits that `deploy` passes over:
  the log says why. Decline it, or train again.
* Safe to start again at any time: what is in force already is left alone.
"""

from datetime import timedelta

from airflow.sdk import (
    Asset,
    AssetOrTimeSchedule,
    AssetWatcher,
    CronTriggerTimetable,
    Param,
    dag,
    get_current_context,
    task,
)
from airflow.sdk.exceptions import AirflowSkipException

from voxloop.runners.approval_trigger import ApprovalTrigger
from voxloop.runners.command import DRAFT, run_command
from voxloop.runners.failure_notice import tell_on_call
from voxloop.runners.waiting_approvals import FAMILIES, deploy_waiting

# For an event that was lost, and to see to it that what is in force is served.
SLOW_PATH = "*/5 * * * *"

approvals = Asset(
    "approvals",
    uri="voxloop://ledger/approvals",
    watchers=[AssetWatcher(name="approvals_waiting", trigger=ApprovalTrigger())],
)


@dag(
    dag_id="deploy_approved",
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable(SLOW_PATH, timezone="UTC", run_immediately=timedelta(0)), assets=approvals
    ),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    doc_md=__doc__,
    tags=["release"],
    default_args={
        "owner": "speech-models",
        "on_failure_callback": tell_on_call,
        "retries": 2,
        "retry_delay": timedelta(seconds=10),
        "execution_timeout": timedelta(minutes=10),
    },
    params={"task": Param(None, type=["null", "string"], description="one family; null: all of them", **DRAFT)},
)
def deploy_approved() -> None:
    """Deploy what is approved and does not serve yet, a task a family."""

    @task
    def deploy(family: str) -> str:
        wanted = get_current_context()["params"]["task"]
        if wanted not in (None, family):
            raise AirflowSkipException(f"asked for {wanted} alone")
        return deploy_waiting(family)

    @task
    def tell_approvers() -> str:
        return run_command(["notify"])

    tell_approvers()
    for family in FAMILIES:
        deploy.override(task_id=f"deploy_{family}")(family)


deploy_approved()
