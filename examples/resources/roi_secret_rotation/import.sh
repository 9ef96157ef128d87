# By name or by ARN of the secret, followed by the keys that the rotation names.
terraform import roi_secret_rotation.jwt shop/production/jwt
terraform import roi_secret_rotation.app_jwt shop/production/app,JWT_SECRET
