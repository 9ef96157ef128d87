resource "roi_secret" "jwt" {
  name     = "shop/production/jwt"
  category = "jwt"
}

resource "roi_secret" "app" {
  name = "shop/production/app"

  keys = {
    SESSION_SECRET = { category = "session" }
    ENCRYPTION_KEY = { category = "encryption" }
  }
}

# Everything under a prefix. A report of its own root module needs no depends_on.
data "roi_rotation_report" "shop" {
  name_prefix = "shop/production/"
  due_within  = "720h"
  depends_on  = [roi_secret.jwt, roi_secret.app]
}

# A warning in every plan and apply until it is mended.
check "rotation" {
  assert {
    condition     = length(data.roi_rotation_report.shop.overdue) == 0
    error_message = "Overdue: ${join(", ", data.roi_rotation_report.shop.overdue)}."
  }
}

# For a comment on a pull request: terraform output -raw rotation_report
output "rotation_report" {
  value = data.roi_rotation_report.shop.markdown
}
