# A policy for a target with rules of its own: at most 40 characters, a letter
# first, and only these special characters.
resource "roi_secret" "legacy_database" {
  name       = "shop/production/legacy-db"
  kms_key_id = "alias/shop-secrets"

  category           = "database"
  length             = 34 # fewer characters to choose from than "database" has
  max_length         = 40
  first_character    = "letter"
  special_characters = "!#*+-_"
  min_digits         = 2
  rotation_days      = 30
}
