variable "application" {
  description = "Name of the application. The secret is APPLICATION/ENVIRONMENT/app."
  type        = string
  default     = "shop"
}

variable "environment" {
  description = "The environment of the provider."
  type        = string

  validation {
    condition     = contains(["development", "staging", "production"], var.environment)
    error_message = "environment must be development, staging or production."
  }
}

variable "kms_key_id" {
  description = "KMS key that encrypts the secret: id, ARN or alias. Production demands a customer-managed one."
  type        = string
  default     = null
}

variable "replicas" {
  description = "Other regions that hold a copy of the secret, each with a key of its region."
  type = set(object({
    region     = string
    kms_key_id = optional(string)
  }))
  default = null
}

variable "recovery_window_in_days" {
  description = "How long the deleted secret can be restored."
  type        = number
  default     = 30
}

variable "incidents" {
  description = "By category, such as { jwt = \"INC-42\" }: a new text rotates the keys of the category in the next apply."
  type        = map(string)
  default     = {}
}

variable "rotate_encryption_key" {
  description = "Whether ENCRYPTION_KEY is rotated as well: every 180 days, and in an incident. Only for an application that encrypts again, or reads the earlier keys under the labels roi-keep-N."
  type        = bool
  default     = false
}
