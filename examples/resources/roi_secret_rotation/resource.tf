resource "roi_secret" "jwt" {
  name     = "shop/production/jwt"
  category = "jwt"
}

# Due after 90 days by its category. The plan then shows a replacement, and
# whatever depends on version_id follows in the same plan.
resource "roi_secret_rotation" "jwt" {
  secret_id = roi_secret.jwt.id
}

# Stands for something that has to read the secret again: a deployment, a task.
resource "terraform_data" "api" {
  lifecycle {
    replace_triggered_by = [roi_secret_rotation.jwt.version_id]
  }
}
