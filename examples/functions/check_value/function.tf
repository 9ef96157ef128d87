# A token that a partner issues. The variable is ephemeral, not only sensitive:
# otherwise Terraform prints its value where the validation fails.
variable "partner_token" {
  type      = string
  sensitive = true
  ephemeral = true

  validation {
    condition     = provider::roi::check_value(var.partner_token, "external").valid
    error_message = "The token of the partner is too weak. Ask for one of at least 20 random characters."
  }
}

# Each rule that a value breaks has a name.
output "broken_rules" {
  value = provider::roi::check_value("changeme", "external").rules
}
