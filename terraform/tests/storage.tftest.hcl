mock_provider "aws" {
  mock_resource "aws_s3_bucket" {
    defaults = { id = "a-bucket", arn = "arn:aws:s3:::a-bucket" }
  }
}

variables {
  name_prefix     = "voxloop-dev"
  name_suffix     = "123456789012"
  kms_key_arn     = "arn:aws:kms:eu-central-1:123456789012:key/1"
  noncurrent_days = 30
}

run "every_bucket_is_guarded" {
  command = apply

  module {
    source = "./modules/storage"
  }

  assert {
    condition     = toset(keys(aws_s3_bucket.this)) == toset(["artifacts", "data", "models"])
    error_message = "there must be one bucket each for artifacts, data and models"
  }

  assert {
    condition     = alltrue([for v in aws_s3_bucket_versioning.this : v.versioning_configuration[0].status == "Enabled"])
    error_message = "every bucket must be versioned"
  }

  assert {
    condition = length(aws_s3_bucket_server_side_encryption_configuration.this) == 3 && alltrue(flatten([
      for e in aws_s3_bucket_server_side_encryption_configuration.this : [
        for rule in e.rule : [
          for by_default in rule.apply_server_side_encryption_by_default :
          by_default.sse_algorithm == "aws:kms" && by_default.kms_master_key_id == var.kms_key_arn
        ]
      ]
    ]))
    error_message = "every bucket must be encrypted with the environment's key"
  }

  assert {
    condition = length(aws_s3_bucket_public_access_block.this) == 3 && alltrue([
      for b in aws_s3_bucket_public_access_block.this :
      b.block_public_acls && b.block_public_policy && b.ignore_public_acls && b.restrict_public_buckets
    ])
    error_message = "every bucket must be closed to the public in all four ways"
  }

  assert {
    condition     = alltrue([for b in aws_s3_bucket.this : !b.force_destroy])
    error_message = "force_destroy must be off unless asked for"
  }

  assert {
    condition = alltrue([
      for l in aws_s3_bucket_lifecycle_configuration.this : l.rule[0].noncurrent_version_expiration[0].noncurrent_days == 30
    ])
    error_message = "noncurrent versions must go after noncurrent_days"
  }
}

run "plain_http_and_old_tls_are_refused" {
  command = apply

  module {
    source = "./modules/storage"
  }

  assert {
    condition = length(aws_s3_bucket_policy.this) == 3 && alltrue([
      for p in aws_s3_bucket_policy.this : anytrue([
        for s in jsondecode(p.policy).Statement :
        s.Effect == "Deny" && try(s.Condition.Bool["aws:SecureTransport"], "") == "false"
      ])
    ])
    error_message = "every bucket must refuse plain HTTP"
  }

  assert {
    condition = alltrue([
      for p in aws_s3_bucket_policy.this : anytrue([
        for s in jsondecode(p.policy).Statement :
        s.Effect == "Deny" && try(s.Condition.NumericLessThan["s3:TlsVersion"], "") == "1.2"
      ])
    ])
    error_message = "every bucket must refuse TLS older than 1.2"
  }

  assert {
    condition = alltrue([
      for purpose, p in aws_s3_bucket_policy.this : alltrue([
        for s in jsondecode(p.policy).Statement :
        contains(s.Resource, "arn:aws:s3:::voxloop-dev-${purpose}-123456789012/*")
      ])
    ])
    error_message = "a bucket's policy must speak of that bucket's objects"
  }
}
