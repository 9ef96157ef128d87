# All keys of a JSON secret, under their own names, beside plain values.
locals {
  settings = {
    LOG_LEVEL = "debug"
    PORT      = "8080"
  }
}

resource "roi_env_file" "test" {
  path = "${path.root}/.env.test"

  entries = concat(
    [for name, value in local.settings : { name = name, value = value }],
    [for key in roi_secret.app.key_names : {
      name       = key
      secret_id  = roi_secret.app.id
      key        = key
      version_id = roi_secret_rotation.app.version_id
    }],
  )
}
