# Alarms on what the provider's metrics argument publishes: seven days before a
# secret is due, and when a rotation has failed.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
    roi = {
      source = "roi-systems/roi"
    }
  }
}

variable "topic_arn" {
  description = "SNS topic that is told."
  type        = string
}

variable "environment" {
  description = "The environment of the provider that publishes. It is a dimension of every metric."
  type        = string
  default     = "production"
}

provider "aws" {}

provider "roi" {}

data "roi_rotation_report" "shop" {
  name_prefix = "shop/"
}

locals {
  namespace = "ROI-Systems/Security"
  secrets   = toset([for secret in data.roi_rotation_report.shop.secrets : secret.name if secret.due_at != null])
}

# Published once a day, by a report with publish_metrics = true, and after each
# rotation. The value only falls, except by a rotation: of a day the largest is the
# newest.
resource "aws_cloudwatch_metric_alarm" "due" {
  for_each = local.secrets

  alarm_name        = "secret-due-${each.key}"
  alarm_description = "${each.key} is due for rotation in less than 7 days."

  namespace   = local.namespace
  metric_name = "SecretRotationDaysRemaining"
  dimensions = {
    Secret      = each.key
    Environment = var.environment
  }

  statistic           = "Maximum"
  period              = 86400
  evaluation_periods  = 1
  comparison_operator = "LessThanThreshold"
  threshold           = 7

  alarm_actions = [var.topic_arn]
  ok_actions    = [var.topic_arn]
  # Nobody publishes any longer.
  insufficient_data_actions = [var.topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "failed" {
  for_each = local.secrets

  alarm_name        = "secret-rotation-failed-${each.key}"
  alarm_description = "A rotation of ${each.key} has failed. The value before it is still current; the next apply tries again."

  namespace   = local.namespace
  metric_name = "SecretRotationFailure"
  dimensions = {
    Secret      = each.key
    Environment = var.environment
  }

  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"

  alarm_actions = [var.topic_arn]
}
