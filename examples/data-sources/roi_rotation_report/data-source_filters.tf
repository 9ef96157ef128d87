# Key material only, and what nobody has read for half a year.
data "roi_rotation_report" "critical" {
  name_prefix     = "shop/"
  classifications = ["critical"]
  unused_days     = 180
  depends_on      = [roi_secret.app]
}

# When each of its keys is due.
output "critical_due" {
  value = {
    for secret in data.roi_rotation_report.critical.secrets : secret.name => {
      for key in secret.keys : coalesce(key.key, "value") => key.due_at
    }
  }
}
