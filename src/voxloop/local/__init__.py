"""The whole platform on one machine: MLflow, Triton and Airflow as one group of processes."""
