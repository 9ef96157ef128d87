# A certificate that is renewed by hand, a month before it ends.
locals {
  certificate_issued_at = "2026-11-01T00:00:00Z"
  certificate_due_at    = provider::roi::rotation_due(local.certificate_issued_at, 397, "720h")
}

output "certificate_due_at" {
  value = local.certificate_due_at
}

# A warning in every plan from then on.
check "certificate_is_current" {
  assert {
    condition     = timecmp(plantimestamp(), local.certificate_due_at) < 0
    error_message = "The certificate is due for renewal since ${local.certificate_due_at}."
  }
}
