# What AWS has beside the secret: the keys that encrypt it, and the role that reads
# it.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source                = "hashicorp/aws"
      version               = ">= 5.0"
      configuration_aliases = [aws.replica]
    }
  }
}

variable "name" {
  description = "Beginning of the names of what is made."
  type        = string
}

variable "environment" {
  description = "The environment of the provider roi: a dimension of its metrics."
  type        = string
}

variable "secret_arn" {
  description = "ARN of the secret that the role may read."
  type        = string
}

variable "secret_name" {
  description = "Name of the secret: a dimension of its metrics."
  type        = string
}

variable "oidc_provider_arn" {
  description = "ARN of the cluster's OIDC provider in IAM."
  type        = string
}

variable "service_account" {
  description = "NAMESPACE:NAME of the service account that may assume the role."
  type        = string
}

variable "topic_arn" {
  description = "SNS topic that is told when a rotation is due or has failed."
  type        = string
}

locals {
  issuer = element(split("oidc-provider/", var.oidc_provider_arn), 1)
}

resource "aws_kms_key" "secrets" {
  description             = "Encrypts the secrets of ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
}

resource "aws_kms_alias" "secrets" {
  name          = "alias/${var.name}-secrets"
  target_key_id = aws_kms_key.secrets.key_id
}

# A replica of a secret is encrypted with a key of its own region.
resource "aws_kms_key" "replica" {
  provider = aws.replica

  description             = "Encrypts the secrets of ${var.name} in the second region"
  enable_key_rotation     = true
  deletion_window_in_days = 30
}

resource "aws_iam_role" "read" {
  name = "${var.name}-secrets-read"

  # This one service account of this one cluster.
  # Source: https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = var.oidc_provider_arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = {
          "${local.issuer}:aud" = "sts.amazonaws.com"
          "${local.issuer}:sub" = "system:serviceaccount:${var.service_account}"
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "read" {
  name = "read"
  role = aws_iam_role.read.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
        Resource = var.secret_arn
      },
      {
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = aws_kms_key.secrets.arn
        Condition = { StringEquals = { "kms:EncryptionContext:SecretARN" = var.secret_arn } }
      },
    ]
  })
}

output "kms_key_arn" {
  description = "Key for the secret."
  value       = aws_kms_key.secrets.arn
}

output "replica_kms_key_arn" {
  description = "Key for its replica."
  value       = aws_kms_key.replica.arn
}

output "role_arn" {
  description = "Role that may read the secret."
  value       = aws_iam_role.read.arn
}
