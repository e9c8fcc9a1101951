variable "project" {
  description = "First word of every name."
  type        = string
  default     = "voxloop"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,15}$", var.project))
    error_message = "project must be 2 to 16 lower-case letters and digits, a letter first: bucket names allow no more."
  }
}

variable "environment" {
  description = "Which of the environments this state describes; it stands in every name."
  type        = string

  validation {
    condition     = contains(["dev", "staging", "prod"], var.environment)
    error_message = "environment must be dev, staging or prod; pass -var-file=envs/<environment>.tfvars."
  }
}

variable "region" {
  description = "AWS region of every resource."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be an AWS region such as eu-central-1."
  }
}

variable "images" {
  description = "Images that have a repository of their own."
  type        = set(string)
  default     = ["voxloop"] # those components/images.py names

  validation {
    condition     = length(var.images) > 0 && alltrue([for image in var.images : can(regex("^[a-z0-9]+(-[a-z0-9]+)*$", image))])
    error_message = "images must name at least one image, in lower-case letters, digits and single hyphens."
  }
}

variable "noncurrent_days" {
  description = "Days for which an overwritten or deleted object can be brought back."
  type        = number
  default     = 90

  validation {
    condition     = var.noncurrent_days >= 7 && floor(var.noncurrent_days) == var.noncurrent_days
    error_message = "noncurrent_days must be a whole number of at least 7: a mistake made before a holiday must be mendable after it."
  }
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may delete buckets and repositories that still hold something."
  type        = bool
  default     = false

  validation {
    condition     = !(var.force_destroy && var.environment == "prod")
    error_message = "force_destroy must stay false in prod; empty the bucket by hand if that is what you mean."
  }
}
