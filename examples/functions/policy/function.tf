# What the provider is configured with, in one place for both.
locals {
  environment = "production"
  policies = {
    partner_token = { base = "api_key", encoding = "alphanumeric", length = 60, rotation_days = 30 }
  }
}

# The policy of a category: 64 hexadecimal digits are a key of 256 bits.
output "encryption_key_bits" {
  value = provider::roi::policy("encryption", local.environment).entropy_bits
}

# With arguments, as on roi_secret. Below the floor of the environment it is an
# error.
output "long_jwt" {
  value = provider::roi::policy("jwt", local.environment, { length = 96 })
}

# A category of your own.
output "partner_token_rotation_days" {
  value = provider::roi::policy("partner_token", local.environment, local.policies["partner_token"]).rotation_days
}
