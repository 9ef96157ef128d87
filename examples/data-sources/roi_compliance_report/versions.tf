terraform {
  required_version = ">= 1.11"

  required_providers {
    roi = {
      source = "roi-systems/roi"
    }
  }
}

# The embedded store, so that this folder can be applied without an account.
provider "roi" {
  environment = "development"
}
