output "versions" {
  description = "What has to be deployed again when it changes."
  value = {
    jwt = roi_secret_rotation.jwt.version_id
    app = roi_secret_rotation.app.version_id
  }
}
