# terraform test: applied for real, on an embedded store and with a file beside those
# of `terraform apply`, and removed in the end.

variables {
  file = ".env.test"
}

provider "roi" {
  environment = "development"

  local = {
    path = ".roi-test"
  }
}

run "first_apply" {
  assert {
    condition     = roi_env_file.development.mode == "0600" && roi_env_file.development.content_matches
    error_message = "The file is not as it was written, or others can read it."
  }

  assert {
    condition     = output.due_at["ENCRYPTION_KEY"] == null && length([for key, at in output.due_at : key if at != null]) == 7
    error_message = "Every key but ENCRYPTION_KEY must be due some day."
  }
}

run "an_incident_writes_the_file_anew" {
  variables {
    incidents = { jwt = "INC-42" }
    before    = run.first_apply.version_ids # OpenTofu knows run.NAME in variables only
  }

  assert {
    condition     = output.version_ids["JWT_SECRET"] != var.before["JWT_SECRET"]
    error_message = "The incident did not rotate JWT_SECRET."
  }

  assert {
    condition     = output.version_ids["SESSION_SECRET"] == var.before["SESSION_SECRET"]
    error_message = "The incident rotated SESSION_SECRET, which is none of its category."
  }
}
