resource "roi_secret" "session" {
  name     = "shop/production/session"
  category = "session"
}

# If the service is not healthy with the new value, the value before is made
# current again, and the apply fails.
resource "roi_secret_rotation" "session" {
  secret_id = roi_secret.session.id

  health_check = [{
    url               = "https://api.shop.example/health"
    healthy_threshold = 3
    deadline          = "2m"
  }]

  timeouts = {
    create = "10m"
  }
}
