provider "aws" {
  region = var.region

  default_tags {
    tags = {
      project     = var.project
      environment = var.environment
      managed_by  = "terraform"
    }
  }
}

data "aws_caller_identity" "current" {}

locals {
  name       = "${var.project}-${var.environment}"
  account_id = data.aws_caller_identity.current.account_id
}

# One key an environment: whoever loses the right to it loses data, models and images at once.
resource "aws_kms_key" "this" {
  description             = "Data, artifacts, models and images of ${local.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AccountAdministersByIam"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${local.account_id}:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
  })
}

resource "aws_kms_alias" "this" {
  name          = "alias/${local.name}"
  target_key_id = aws_kms_key.this.key_id
}

module "storage" {
  source = "./modules/storage"

  name_prefix     = local.name
  name_suffix     = local.account_id # bucket names are shared by all accounts of the world
  kms_key_arn     = aws_kms_key.this.arn
  noncurrent_days = var.noncurrent_days
  force_destroy   = var.force_destroy
}

module "registry" {
  source = "./modules/registry"

  name_prefix   = local.name
  images        = var.images
  kms_key_arn   = aws_kms_key.this.arn
  force_destroy = var.force_destroy
}
