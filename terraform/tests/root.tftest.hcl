mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/1" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { id = "a-bucket", arn = "arn:aws:s3:::a-bucket" }
  }
}

variables {
  environment = "dev"
  region      = "eu-central-1"
}

run "names_carry_the_environment" {
  command = apply

  assert {
    condition = tomap(output.buckets) == tomap({
      data      = "voxloop-dev-data-123456789012"
      artifacts = "voxloop-dev-artifacts-123456789012"
      models    = "voxloop-dev-models-123456789012"
    })
    error_message = "bucket names must be <project>-<environment>-<purpose>-<account>"
  }

  assert {
    condition     = aws_kms_alias.this.name == "alias/voxloop-dev"
    error_message = "the key's alias must name the environment"
  }

  assert {
    condition     = toset(keys(output.repositories)) == toset(["voxloop"])
    error_message = "every image must have a repository"
  }
}

run "prod_has_other_names" {
  command = apply

  variables {
    environment = "prod"
  }

  assert {
    condition     = alltrue([for name in values(output.buckets) : startswith(name, "voxloop-prod-")])
    error_message = "environments must not share a bucket"
  }
}

run "the_key_rotates" {
  command = plan

  assert {
    condition     = aws_kms_key.this.enable_key_rotation && aws_kms_key.this.deletion_window_in_days == 30
    error_message = "the key must rotate, and its deletion must leave a month to think again"
  }
}

run "an_unknown_environment_is_refused" {
  command = plan

  variables {
    environment = "production"
  }

  expect_failures = [var.environment]
}

run "a_region_that_is_none_is_refused" {
  command = plan

  variables {
    region = "Frankfurt"
  }

  expect_failures = [var.region]
}

run "a_project_that_no_bucket_can_carry_is_refused" {
  command = plan

  variables {
    project = "Vox_Loop"
  }

  expect_failures = [var.project]
}

run "no_images_is_refused" {
  command = plan

  variables {
    images = []
  }

  expect_failures = [var.images]
}

run "too_short_a_memory_is_refused" {
  command = plan

  variables {
    noncurrent_days = 1
  }

  expect_failures = [var.noncurrent_days]
}

run "prod_cannot_be_destroyed_by_force" {
  command = plan

  variables {
    environment   = "prod"
    force_destroy = true
  }

  expect_failures = [var.force_destroy]
}
