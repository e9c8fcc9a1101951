mock_provider "aws" {}

variables {
  name_prefix = "voxloop-dev"
  images      = ["train", "platform"]
  kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1"
}

run "every_repository_is_guarded" {
  command = apply

  module {
    source = "./modules/registry"
  }

  assert {
    condition     = sort([for r in aws_ecr_repository.this : r.name]) == tolist(["voxloop-dev/platform", "voxloop-dev/train"])
    error_message = "there must be one repository an image, named by environment"
  }

  assert {
    condition     = alltrue([for r in aws_ecr_repository.this : r.image_tag_mutability == "IMMUTABLE"])
    error_message = "a pushed tag must never name other bytes"
  }

  assert {
    condition     = alltrue([for r in aws_ecr_repository.this : r.image_scanning_configuration[0].scan_on_push])
    error_message = "every image must be scanned when pushed"
  }

  assert {
    condition = alltrue([
      for r in aws_ecr_repository.this :
      r.encryption_configuration[0].encryption_type == "KMS" && r.encryption_configuration[0].kms_key == var.kms_key_arn
    ])
    error_message = "every repository must be encrypted with the environment's key"
  }

  assert {
    condition     = alltrue([for r in aws_ecr_repository.this : !r.force_delete])
    error_message = "force_delete must be off unless asked for"
  }

  assert {
    condition = length(aws_ecr_lifecycle_policy.this) == 2 && alltrue([
      for l in aws_ecr_lifecycle_policy.this : alltrue([
        for rule in jsondecode(l.policy).rules : rule.selection.tagStatus == "untagged"
      ])
    ])
    error_message = "images without a tag must go by age, and none with one"
  }
}
