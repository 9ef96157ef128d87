# A root module of its own, so that the role that runs it needs no right to a secret:
# it lists, and keeps no state worth keeping.

terraform {
  required_version = ">= 1.11"

  required_providers {
    roi = {
      source = "roi-systems/roi"
    }
  }
}

variable "publish_metrics" {
  description = "Whether to publish in CloudWatch when each secret is due: once a day, not in pull requests."
  type        = bool
  default     = false
}

provider "roi" {
  metrics = {}
}

data "roi_rotation_report" "shop" {
  name_prefix     = "shop/"
  due_within      = "720h"
  publish_metrics = var.publish_metrics
}

check "nothing_is_overdue" {
  assert {
    condition     = length(data.roi_rotation_report.shop.overdue) == 0
    error_message = "Overdue: ${join(", ", data.roi_rotation_report.shop.overdue)}."
  }
}

output "rotation_report" {
  description = "Markdown, for a comment on a pull request."
  value       = data.roi_rotation_report.shop.markdown
}

output "overdue" {
  description = "Names of the secrets that are overdue."
  value       = data.roi_rotation_report.shop.overdue
}
