resource "roi_secret" "app" {
  name = "shop/production/app"

  keys = {
    JWT_SECRET     = { category = "jwt" }
    DB_PASSWORD    = { category = "database" }
    ENCRYPTION_KEY = { category = "encryption" }
  }
}

# Everything under a prefix, without reading values. A report of its own root
# module needs no depends_on.
data "roi_compliance_report" "shop" {
  name_prefix = "shop/production/"
  depends_on  = [roi_secret.app]
}

# A warning in every plan and apply until it is mended.
check "compliance" {
  assert {
    condition = data.roi_compliance_report.shop.totals.fail == 0
    error_message = join("\n", [
      for r in data.roi_compliance_report.shop.results : "${r.name} ${coalesce(r.key, "-")}: ${r.id}: ${r.reason}" if r.status == "fail"
    ])
  }
}

# For a comment on a pull request: terraform output -raw compliance_report
output "compliance_report" {
  value = data.roi_compliance_report.shop.markdown
}
