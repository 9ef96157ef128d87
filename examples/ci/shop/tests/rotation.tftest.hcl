# terraform test: on the embedded store, so that no account is needed.

variables {
  recovery_window_in_days = 0
}

provider "roi" {
  environment = "development"
}

# Three months later. With "warn" nothing is replaced, and the check says so.
provider "roi" {
  alias       = "later"
  environment = "development"

  rotation = {
    overdue    = "warn"
    plan_as_of = "+91d"
  }
}

run "first_apply" {
  assert {
    condition     = roi_secret_rotation.jwt.overdue == false
    error_message = "A new secret is overdue."
  }

  assert {
    condition     = roi_secret.jwt.entropy_bits >= 128
    error_message = "The policy of the JWT secret guarantees too little entropy."
  }

  assert {
    condition     = timecmp(roi_secret_rotation.app.rotation_due_at, timeadd(roi_secret_rotation.app.rotated_at, "${24 * 30}h")) == 0
    error_message = "The secret with a webhook must be due after 30 days, with the first of its keys."
  }
}

run "an_incident_rotates_everything" {
  variables {
    incident = "INC-42"
    before   = run.first_apply.versions # OpenTofu knows run.NAME in variables only
  }

  assert {
    condition     = output.versions.jwt != var.before.jwt && output.versions.app != var.before.app
    error_message = "The incident did not rotate every secret."
  }
}

run "a_quarter_later" {
  command = plan

  providers = {
    roi = roi.later
  }

  variables {
    incident = "INC-42"
  }

  expect_failures = [check.nothing_is_overdue]
}
