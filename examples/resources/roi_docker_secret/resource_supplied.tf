# A value from outside. Terraform cannot see it change: raise the number with it.
variable "partner_token" {
  type      = string
  ephemeral = true
}

resource "roi_docker_secret" "partner" {
  name             = "shop-partner-token"
  value_wo         = var.partner_token
  value_wo_version = 1
  keep_versions    = 2
  services         = ["*"]

  labels = {
    team = "payments"
  }

  timeouts = {
    update = "5m"
  }
}
