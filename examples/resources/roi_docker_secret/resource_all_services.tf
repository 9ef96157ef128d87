# Every service that uses the secret, whoever made it. There may be none yet: a
# service is made with the name of the current version, and moved from then on.
resource "roi_docker_secret" "session" {
  name       = "shop-session-secret"
  secret_id  = roi_secret.app.id
  key        = "SESSION_SECRET"
  version_id = roi_secret_rotation.session.version_id
  services   = ["*"]
}

resource "roi_secret_rotation" "session" {
  secret_id = roi_secret.app.id
  keys      = ["SESSION_SECRET"]
}

# For docker service create --secret source=…,target=session-secret.
output "session_secret" {
  value = roi_docker_secret.session.versioned_name
}
