variable "name_prefix" {
  description = "Beginning of every repository's name, project and environment."
  type        = string
}

variable "images" {
  description = "One repository for each."
  type        = set(string)
}

variable "kms_key_arn" {
  description = "Key that encrypts every image."
  type        = string
}

variable "untagged_days" {
  description = "Days after which an image without a tag goes."
  type        = number
  default     = 14
}

variable "force_destroy" {
  description = "Whether destroying may delete repositories that hold images."
  type        = bool
  default     = false
}
