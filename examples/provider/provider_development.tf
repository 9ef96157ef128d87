# Development: an encrypted file under .roi/, no account, shorter floors.
provider "roi" {
  alias       = "development"
  environment = "development"
}
