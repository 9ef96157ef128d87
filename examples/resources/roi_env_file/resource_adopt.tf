# In place of a file that was written by hand or by a script. What it holds is kept
# as a copy in the folder .env.roi, and is not taken over: its secrets are made anew.
resource "roi_env_file" "local" {
  path  = "${path.root}/.env"
  adopt = true

  entries = [
    {
      name       = "JWT_SECRET"
      secret_id  = roi_secret.app.id
      key        = "JWT_SECRET"
      version_id = roi_secret_rotation.app.version_id
    },
  ]
}

# Runs again whenever the file was written.
resource "terraform_data" "restart" {
  triggers_replace = roi_env_file.local.revision
}
