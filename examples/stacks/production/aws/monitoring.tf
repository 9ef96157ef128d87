# Alarms and a dashboard on the metrics of the provider roi. Rotations publish them;
# `roi_rotation_report` with publish_metrics = true does so once a day: see ../../ci.

locals {
  namespace  = "ROI-Systems/Security"
  dimensions = { Secret = var.secret_name, Environment = var.environment }
}

resource "aws_cloudwatch_metric_alarm" "due" {
  alarm_name        = "${var.name}-secret-due"
  alarm_description = "${var.secret_name} is due for rotation in less than 7 days."

  namespace   = local.namespace
  metric_name = "SecretRotationDaysRemaining"
  dimensions  = local.dimensions

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
  alarm_name        = "${var.name}-secret-rotation-failed"
  alarm_description = "A rotation of ${var.secret_name} has failed. The value before it is still current; the next apply tries again."

  namespace   = local.namespace
  metric_name = "SecretRotationFailure"
  dimensions  = local.dimensions

  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"

  alarm_actions = [var.topic_arn]
}

data "aws_region" "here" {}

resource "aws_cloudwatch_dashboard" "secrets" {
  dashboard_name = "${var.name}-secrets"

  dashboard_body = jsonencode({
    widgets = [
      for i, widget in [
        { title = "Days until the first key is due", metrics = ["SecretRotationDaysRemaining"], stat = "Maximum", period = 86400 },
        { title = "Rotations", metrics = ["SecretRotationSuccess", "SecretRotationFailure"], stat = "Sum", period = 3600 },
        ] : {
        type   = "metric"
        x      = 12 * i
        y      = 0
        width  = 12
        height = 6
        properties = {
          title   = widget.title
          region  = data.aws_region.here.name
          metrics = [for name in widget.metrics : [local.namespace, name, "Secret", var.secret_name, "Environment", var.environment]]
          stat    = widget.stat
          period  = widget.period
        }
      }
    ]
  })
}
