terraform {
  required_version = ">= 1.11"

  required_providers {
    roi = {
      source = "roi-systems/roi"
    }
  }
}

# The embedded store, so that this folder can be applied without an account. Docker
# is the daemon of this machine, or DOCKER_HOST; it must manage a swarm.
provider "roi" {
  environment = "development"
}
