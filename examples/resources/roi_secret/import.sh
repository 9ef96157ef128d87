# By name or by ARN. The value stays as it is and is not read.
terraform import roi_secret.jwt shop/production/jwt
terraform import roi_secret.app arn:aws:secretsmanager:eu-central-1:111122223333:secret:shop/production/app-AbCdEf
