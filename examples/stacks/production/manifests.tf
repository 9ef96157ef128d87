# Manifests for a repository that Argo CD or Flux deploys, or for
#
#   terraform output -raw manifests | kubectl apply -f -
#
# They hold names, never a value.

variable "image" {
  description = "Image of the application."
  type        = string
}

locals {
  namespace = "shop"
  app       = "api"

  # Only External Secrets reads AWS, with this account's role. The pods have an
  # account without one, and no token.
  store_service_account = "shop-secrets"
  pod_service_account   = "shop-api"

  # Every pod in it has to be as restricted as those below.
  # Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
  namespace_object = {
    apiVersion = "v1"
    kind       = "Namespace"
    metadata = {
      name   = local.namespace
      labels = { "pod-security.kubernetes.io/enforce" = "restricted" }
    }
  }

  # All keys of the secret: as one Secret, those of before a rotation come and go in the
  # same step as those that are current.
  external = provider::roi::external_secret({
    name             = "app"
    namespace        = local.namespace
    secret_id        = module.environment.secret_name
    all_keys         = true
    refresh_interval = "5m"

    store = {
      name            = "app"
      region          = var.region
      service_account = local.store_service_account
    }
  })

  service_accounts = [
    {
      apiVersion = "v1"
      kind       = "ServiceAccount"
      metadata = {
        name        = local.store_service_account
        namespace   = local.namespace
        annotations = { "eks.amazonaws.com/role-arn" = module.aws.role_arn }
      }
      automountServiceAccountToken = false
    },
    {
      apiVersion                   = "v1"
      kind                         = "ServiceAccount"
      metadata                     = { name = local.pod_service_account, namespace = local.namespace }
      automountServiceAccountToken = false
    },
  ]

  # Who is on call sees whether the secrets arrive, and can ask for a refresh, but
  # not what is in them. Nobody else is given anything.
  rbac = [
    {
      apiVersion = "rbac.authorization.k8s.io/v1"
      kind       = "Role"
      metadata   = { name = "shop-secrets-on-call", namespace = local.namespace }
      rules = [
        {
          apiGroups     = ["external-secrets.io"]
          resources     = ["externalsecrets"]
          resourceNames = ["app"]
          verbs         = ["get", "patch"]
        },
        {
          apiGroups = ["external-secrets.io"]
          resources = ["externalsecrets", "secretstores"]
          verbs     = ["list", "watch"]
        },
      ]
    },
    {
      apiVersion = "rbac.authorization.k8s.io/v1"
      kind       = "RoleBinding"
      metadata   = { name = "shop-secrets-on-call", namespace = local.namespace }
      roleRef    = { apiGroup = "rbac.authorization.k8s.io", kind = "Role", name = "shop-secrets-on-call" }
      subjects   = [{ apiGroup = "rbac.authorization.k8s.io", kind = "Group", name = "shop-on-call" }]
    },
  ]

  # Requests come from the ingress controller only; the pods reach names and the
  # databases, not the internet and not the metadata service of their node.
  network_policy = {
    apiVersion = "networking.k8s.io/v1"
    kind       = "NetworkPolicy"
    metadata   = { name = local.app, namespace = local.namespace }
    spec = {
      podSelector = { matchLabels = { app = local.app } }
      policyTypes = ["Ingress", "Egress"]
      ingress = [{
        from  = [{ namespaceSelector = { matchLabels = { "kubernetes.io/metadata.name" = "ingress-nginx" } } }]
        ports = [{ protocol = "TCP", port = 8080 }]
      }]
      egress = [
        {
          to    = [{ namespaceSelector = { matchLabels = { "kubernetes.io/metadata.name" = "kube-system" } }, podSelector = { matchLabels = { "k8s-app" = "kube-dns" } } }]
          ports = [{ protocol = "UDP", port = 53 }, { protocol = "TCP", port = 53 }]
        },
        {
          to    = [{ namespaceSelector = { matchLabels = { "kubernetes.io/metadata.name" = "databases" } } }]
          ports = [{ protocol = "TCP", port = 5432 }, { protocol = "TCP", port = 6379 }]
        },
      ]
    }
  }

  # A mounted Secret follows a rotation without a restart; variables wouldn't. The files
  # of previous_keys are there during a grace period only.
  files = concat(keys(module.environment.version_ids), module.environment.previous_keys)

  deployment = {
    apiVersion = "apps/v1"
    kind       = "Deployment"
    metadata   = { name = local.app, namespace = local.namespace }
    spec = {
      replicas = 2
      selector = { matchLabels = { app = local.app } }
      strategy = { type = "RollingUpdate", rollingUpdate = { maxUnavailable = 0, maxSurge = 1 } }
      template = {
        metadata = { labels = { app = local.app } }
        spec = {
          serviceAccountName           = local.pod_service_account
          automountServiceAccountToken = false
          securityContext              = { runAsNonRoot = true, runAsUser = 1000, fsGroup = 1000, seccompProfile = { type = "RuntimeDefault" } }
          containers = [{
            name  = local.app
            image = var.image
            ports = [{ containerPort = 8080 }]
            env = concat(
              [for key in local.files : { name = "${key}_FILE", value = "/run/secrets/app/${key}" }],
              [
                { name = "LISTEN", value = ":8080" },
                # The kubelets of two pods are up to a minute and a half apart.
                { name = "SIGN_AFTER", value = "120" },
              ],
            )
            securityContext = { allowPrivilegeEscalation = false, readOnlyRootFilesystem = true, capabilities = { drop = ["ALL"] } }
            readinessProbe  = { httpGet = { path = "/health", port = 8080 }, periodSeconds = 5 }
            volumeMounts    = [{ name = "app", mountPath = "/run/secrets/app", readOnly = true }]
          }]
          volumes = [{ name = "app", secret = { secretName = "app", defaultMode = 288 } }] # 0440
        }
      }
    }
  }
}

output "manifests" {
  description = "Everything for Kubernetes, as one stream of YAML documents."
  value = join("---\n", concat(
    [for manifest in concat([local.namespace_object], local.service_accounts, local.rbac) : yamlencode(manifest)],
    [local.external.yaml, yamlencode(local.network_policy), yamlencode(local.deployment)],
  ))
}
