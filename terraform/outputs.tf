output "buckets" {
  description = "Bucket name by purpose: data (DVC remote), artifacts (MLflow), models (Triton's model repository)."
  value       = module.storage.buckets
}

output "repositories" {
  description = "Repository address by image."
  value       = module.registry.repositories
}

output "kms_key_arn" {
  description = "Key under which all of it is encrypted."
  value       = aws_kms_key.this.arn
}
