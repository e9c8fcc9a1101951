terraform {
  # 1.10 is the first version that locks S3 state with a lock file beside it, without a DynamoDB table;
  # 1.9 the first whose validations may look at another variable.
  required_version = ">= 1.10, < 2.0"

  # Everything that differs between environments is given with -backend-config (see README.md).
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0" # exact, because the dependency lock file is not committed (see .gitignore)
    }
  }
}
