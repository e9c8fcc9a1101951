"""The MLflow server app: who is asking, what they may write, and the approval."""
