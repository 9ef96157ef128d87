# terraform test: AWS is not asked, and nothing is made.

mock_provider "roi" {}

mock_provider "aws" {
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/shop-production-secrets-read" }
  }
}

mock_provider "aws" {
  alias = "replica"

  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }
}

variables {
  image             = "registry.shop.example/api:1.0"
  oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE"
  topic_arn         = "arn:aws:sns:eu-central-1:123456789012:on-call"
}

run "what_kubernetes_gets" {
  assert {
    condition     = module.environment.secret_name == "shop/production/app"
    error_message = "The secret has another name than the IAM policies expect."
  }

  assert {
    condition = sort([for document in split("---\n", output.manifests) : yamldecode(document).kind]) == tolist([
      "Deployment", "ExternalSecret", "Namespace", "NetworkPolicy", "Role", "RoleBinding", "SecretStore", "ServiceAccount", "ServiceAccount",
    ])
    error_message = "A manifest is missing, or one too many is there."
  }

  assert {
    condition     = yamldecode(split("---\n", output.manifests)[0]).kind == "Namespace"
    error_message = "kubectl applies from the first to the last: the namespace has to be there for the others."
  }

  assert {
    condition = alltrue([
      for document in split("---\n", output.manifests) : yamldecode(document).metadata.namespace == "shop"
      if yamldecode(document).kind != "Namespace"
    ])
    error_message = "A manifest is for another namespace."
  }

  assert {
    condition = one([
      for document in split("---\n", output.manifests) : yamldecode(document).metadata.annotations["eks.amazonaws.com/role-arn"]
      if can(yamldecode(document).metadata.annotations)
    ]) == "arn:aws:iam::123456789012:role/shop-production-secrets-read"
    error_message = "The service account of the store is not annotated with the role."
  }
}
