# Take over a secret that was made by other means. Its value is neither read nor
# changed; the secret gets the tags that carry its policy.

terraform {
  required_version = ">= 1.11"

  required_providers {
    roi = {
      source = "roi-systems/roi"
    }
  }
}

provider "roi" {
  environment = "development"
}

import {
  to = roi_secret.jwt
  id = "shop/jwt" # or the ARN
}

resource "roi_secret" "jwt" {
  name     = "shop/jwt"
  category = "jwt"
}

# Where the same configuration must also create the secret if it isn't there yet,
# `adopt_existing` takes a live one over, or restores one that is scheduled for
# deletion.
resource "roi_secret" "session" {
  name           = "shop/session"
  category       = "session"
  adopt_existing = true
}
