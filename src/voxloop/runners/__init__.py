"""Who calls the jobs: a pipeline on this machine or on a Kubeflow cluster, chosen by the settings."""
