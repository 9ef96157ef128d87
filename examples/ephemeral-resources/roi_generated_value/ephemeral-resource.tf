# A new value in every run, stored nowhere by this provider.
ephemeral "roi_generated_value" "token" {
  category = "api_key"
  length   = 64
}

# For a target that keeps the value itself, here roi_secret; a write-only argument
# of any other resource does as well. Only the version decides when it is set.
resource "roi_secret" "token" {
  name     = "shop/token"
  category = "api_key"

  value_wo         = ephemeral.roi_generated_value.token.value
  value_wo_version = 1
}
