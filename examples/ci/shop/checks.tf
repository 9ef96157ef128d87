# Checks are warnings in every plan and apply. `terraform test` can expect them.

check "nothing_is_overdue" {
  assert {
    condition     = !roi_secret_rotation.jwt.overdue && !roi_secret_rotation.app.overdue
    error_message = "A secret is overdue: apply, or find out why the nightly job did not."
  }
}

check "everything_is_due_within_a_quarter" {
  assert {
    condition = alltrue([
      for rotation in [roi_secret_rotation.jwt, roi_secret_rotation.app] :
      timecmp(rotation.rotation_due_at, timeadd(rotation.rotated_at, "${24 * 92}h")) <= 0
    ])
    error_message = "A secret is rotated less often than every 92 days."
  }
}
