"""Every Monday morning: what became of each family last week.

`voxloop week --tell` writes `reports/week-<year>-W<week>.html` in the state folder, from the ledger alone: verdicts,
approvals, promotions, rollbacks, what was decided about drift, each retraining and how it ended, what retrainings
brought, how worn the evaluation sets are. The audience on-call is told its lines (docs/notices.md).

### Triage notes

* **`report` failed, exit 4.** The ledger is not whole: see docs/runbooks/ledger.md.
* **`report` is retrying.** The ledger's database does not answer: `voxloop status`.
* **Nobody was told.** The log says so: no destination is named, or one did not take it. The page is there.
* Safe to start again at any time; the parameter `week` (`2026-W48`) writes that of another week.

More in docs/runbooks/weekly_report.md.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Param, dag, get_current_context, task

from voxloop.runners.command import DRAFT, run_command
from voxloop.runners.failure_notice import tell_on_call


@dag(
    dag_id="weekly_report",
    # After the nightly run, before people come.
    schedule=CronTriggerTimetable("30 5 * * 1", timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    doc_md=__doc__,
    tags=["monitoring"],
    default_args={
        "owner": "speech-models",
        "on_failure_callback": tell_on_call,
        "retries": 2,
        "retry_delay": timedelta(minutes=2),
        "execution_timeout": timedelta(minutes=10),
    },
    params={
        "week": Param(
            None, type=["null", "string"], description="such as 2026-W48; null: the last that is over", **DRAFT
        )
    },
)
def weekly_report() -> None:
    """Write the report of a week and tell it."""

    @task
    def report() -> str:
        week = get_current_context()["params"]["week"]
        return run_command(["week", *([str(week)] if week is not None else []), "--tell"])

    report()


weekly_report()
