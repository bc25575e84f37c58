"""A graph that grows every night: `nightly.sh`, each step a task of Airflow 3.

Set the variables of Airflow `pfn_kg_nightly` (the path of nightly.sh), `pfn_kg_directory` (the
output folder) and `pfn_kg_corpus` (the corpus; white space separates files, folders and globs).
"""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

_SCRIPT = (
    "{{ var.value.pfn_kg_nightly }} {{ var.value.pfn_kg_directory }} {{ var.value.pfn_kg_corpus }}"
)

with DAG(
    "pfn_kg_nightly",
    description="Adds new documents to a knowledge graph, checks it and loads it",
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # Two nights would meet in one folder; the second would be refused.
    max_active_runs=1,
) as dag:
    last = None
    for step in ("extract", "build", "verify", "load"):
        task = BashOperator(
            task_id=step,
            bash_command=_SCRIPT,
            env={"STEPS": step},
            append_env=True,
            # A graph that is wrong is wrong again; a build or a load may have met a busy server.
            retries=0 if step == "verify" else 1,
            retry_delay=timedelta(minutes=10),
        )
        if last is not None:
            last >> task
        last = task
