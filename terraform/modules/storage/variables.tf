variable "name_prefix" {
  description = "Beginning of every bucket's name, project and environment."
  type        = string
}

variable "name_suffix" {
  description = "End of every bucket's name, which makes it unique in the world."
  type        = string
}

variable "purposes" {
  description = "One bucket for each."
  type        = set(string)
  default     = ["data", "artifacts", "models"]
}

variable "kms_key_arn" {
  description = "Key that encrypts every object."
  type        = string
}

variable "noncurrent_days" {
  description = "Days after which a version that is no longer the current one goes."
  type        = number
}

variable "force_destroy" {
  description = "Whether destroying may delete buckets that hold objects."
  type        = bool
  default     = false
}
