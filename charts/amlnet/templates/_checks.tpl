{{/* Values that are of the right form but make no sense together. All mistakes are said at once. */}}

{{- define "amlnet.seconds" -}}
{{- $units := dict "s" 1 "m" 60 "h" 3600 "d" 86400 }}
{{- mul (regexFind "^[0-9]+" . | int) (get $units (regexFind "[smhd]$" .)) }}
{{- end }}

{{/* Null takes a default away, and templates would stumble over its absence. A value is of its right kind here, or none. */}}
{{- define "amlnet.checkNulls" -}}
{{- $needed := list "cloud" "replicas" "image.repository" "image.pullPolicy" "azure.auth" "azure.webhook" "azure.secret" }}
{{- $needed = concat $needed (list "watchNamespaces" "scopes" "resync" "log.level" "log.format" "lease.duration" "lease.renewDeadline" "lease.retryPeriod") }}
{{- $needed = concat $needed (list "http.port" "http.tls" "http.credentials.key" "caBundle.configMap.key" "proxy" "crds.install" "peopleRoles.create") }}
{{- $needed = concat $needed (list "approvals.policy" "rbac.create" "serviceAccount.create" "serviceAccount.annotations" "service.type") }}
{{- $needed = concat $needed (list "networkPolicy.dnsPorts" "networkPolicy.apiServerPorts" "podDisruptionBudget.enabled" "serviceMonitor.interval" "serviceMonitor.scrapeTimeout") }}
{{- $needed = concat $needed (list "serviceMonitor.labels" "prometheusRule.labels" "terminationGracePeriodSeconds" "podAnnotations" "podLabels") }}
{{- $needed = concat $needed (list "commonLabels" "extraVolumes" "extraVolumeMounts") }}
{{- range $path := $needed }}
{{- $value := deepCopy $.Values }}
{{- range splitList "." $path }}
{{- if kindIs "map" $value }}{{ $value = get $value . }}{{ end }}
{{- end }}
{{- $value = toJson $value }}
{{- if or (eq $value "null") (eq $value "\"\"") }}
{{- fail (printf "\n\n%s is null or empty: leave it out for the default, or write a value (README.md)\n" $path) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "amlnet.checks" -}}
{{- include "amlnet.checkNulls" . }}
{{- $wrong := list }}
{{- $v := .Values }}
{{- if not $v.installationId }}
{{- $wrong = append $wrong "installationId is missing: it is the owner part of the name of everything that amlnet writes to Azure. Write a lower-case letter and 1 to 11 lower-case letters or digits, such as --set installationId=prod1; choose it once and keep it for ever" }}
{{- end }}
{{- if and $v.watchNamespaces (not $v.scopes) (not $v.allowAnyScope) }}
{{- $wrong = append $wrong "watchNamespaces is set, and nothing says what the AmlNetworks there may name in Azure: write scopes (docs/scopes.md), or allowAnyScope: true if nobody is to be restricted" }}
{{- end }}
{{- if and $v.scopes $v.allowAnyScope }}
{{- $wrong = append $wrong "scopes and allowAnyScope exclude each other: remove one of them" }}
{{- end }}
{{- if and (has "*" $v.watchNamespaces) (gt (len $v.watchNamespaces) 1) }}
{{- $wrong = append $wrong "watchNamespaces has \"*\", which is all namespaces, beside others: leave only \"*\"" }}
{{- end }}
{{- with $v.azure }}
{{- if and (has .auth (list "workloadIdentity" "clientSecret" "clientCertificate")) (not .clientId) }}
{{- $wrong = append $wrong (printf "azure.clientId is missing: azure.auth is %s. Write the client id of the identity, or azure.auth: managedIdentity for that of the node, or azure.auth: none to set the AZURE_ variables by extraEnv" .auth) }}
{{- end }}
{{- if and (has .auth (list "clientSecret" "clientCertificate")) (not .tenantId) }}
{{- $wrong = append $wrong (printf "azure.tenantId is missing: azure.auth is %s. Write the id of the tenant" .auth) }}
{{- end }}
{{- if and (eq .auth "workloadIdentity") (not .webhook) (not .tenantId) }}
{{- $wrong = append $wrong "azure.tenantId is missing: without the webhook (azure.webhook: false) nobody else tells it. Write the id of the tenant" }}
{{- end }}
{{- if and (has .auth (list "clientSecret" "clientCertificate")) (not (and .secret.name .secret.key)) }}
{{- $wrong = append $wrong (printf "azure.secret is incomplete: azure.auth is %s. Write name and key of the Secret that holds it" .auth) }}
{{- end }}
{{- if and (has .auth (list "workloadIdentity" "managedIdentity" "none")) (or .secret.name .secret.key) }}
{{- $wrong = append $wrong (printf "azure.secret is set, and azure.auth is %s, which has none: write azure.auth: clientSecret or clientCertificate, or remove azure.secret" .auth) }}
{{- end }}
{{- if and (eq .auth "none") (or .clientId .tenantId) }}
{{- $wrong = append $wrong "azure.auth is none, so azure.clientId and azure.tenantId would count for nothing: remove them, or write how amlnet logs in" }}
{{- end }}
{{- end }}
{{- if and $v.caBundle.pem $v.caBundle.configMap.name }}
{{- $wrong = append $wrong "caBundle.pem and caBundle.configMap.name exclude each other: remove one of them" }}
{{- end }}
{{- if and $v.caBundle.pem (not (contains "-----BEGIN CERTIFICATE-----" $v.caBundle.pem)) }}
{{- $wrong = append $wrong "caBundle.pem holds no certificate: it has to have lines from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE----- (--set-file caBundle.pem=ca.pem)" }}
{{- end }}
{{- if and $v.proxy.noProxy (not $v.proxy.https) }}
{{- $wrong = append $wrong "proxy.noProxy is set without proxy.https: write the proxy, or remove it" }}
{{- end }}
{{- with $v.podDisruptionBudget }}
{{- if .enabled }}
{{- $min := not (kindIs "invalid" .minAvailable) }}
{{- $max := not (kindIs "invalid" .maxUnavailable) }}
{{- if eq $min $max }}
{{- $wrong = append $wrong "podDisruptionBudget needs one of maxUnavailable and minAvailable: write null for the other" }}
{{- else if and $min (not (kindIs "string" .minAvailable)) (ge (int .minAvailable) (int $v.replicas)) }}
{{- $wrong = append $wrong (printf "podDisruptionBudget.minAvailable is %d of %d replicas, so no node could ever be drained: write fewer, more replicas, or podDisruptionBudget.enabled: false" (int .minAvailable) (int $v.replicas)) }}
{{- else if and $min (kindIs "string" .minAvailable) (eq .minAvailable "100%") }}
{{- $wrong = append $wrong "podDisruptionBudget.minAvailable is 100%, so no node could ever be drained: write less, or podDisruptionBudget.enabled: false" }}
{{- else if and $max (has (toString .maxUnavailable) (list "0" "0%")) }}
{{- $wrong = append $wrong "podDisruptionBudget.maxUnavailable is 0, so no node could ever be drained: write 1, or podDisruptionBudget.enabled: false" }}
{{- end }}
{{- end }}
{{- end }}
{{- with $v.lease }}
{{- $duration := include "amlnet.seconds" .duration | int }}
{{- $deadline := include "amlnet.seconds" .renewDeadline | int }}
{{- $period := include "amlnet.seconds" .retryPeriod | int }}
{{- if not (and (lt $period $deadline) (lt $deadline $duration)) }}
{{- $wrong = append $wrong (printf "the times of the lease have to grow: lease.retryPeriod (%s) < lease.renewDeadline (%s) < lease.duration (%s)" .retryPeriod .renewDeadline .duration) }}
{{- end }}
{{- end }}
{{- if and (not $v.serviceAccount.create) (not $v.serviceAccount.name) }}
{{- $wrong = append $wrong "serviceAccount.create is false and serviceAccount.name is missing: write the name of the one that is there" }}
{{- end }}
{{- if and $v.approvals.exemptUsers (not $v.approvals.policy) }}
{{- $wrong = append $wrong "approvals.exemptUsers is set and approvals.policy is false, so there is nothing to be exempt from: remove one of them" }}
{{- end }}
{{- $set := include "amlnet.variables" . | fromJson }}
{{- range $v.extraEnv }}
{{- if or (hasKey $set .name) (eq .name "AMLNET_IDENTITY") (and (eq .name "AZURE_CLIENT_SECRET") (eq $v.azure.auth "clientSecret")) }}
{{- $wrong = append $wrong (printf "extraEnv has %s, which the chart sets already: use the value that is for it (README.md), or remove it" .name) }}
{{- end }}
{{- end }}
{{- if and $v.serviceMonitor.enabled $v.http.tls.secretName (not $v.serviceMonitor.tlsConfig) }}
{{- $wrong = append $wrong "http.tls is set and serviceMonitor.tlsConfig is empty: Prometheus would verify the certificate against the pod's address. Write its serverName and ca" }}
{{- end }}
{{- $monitoring := .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }}
{{- range $value := list "serviceMonitor" "prometheusRule" }}
{{- if and (get $v $value).enabled (not $monitoring) }}
{{- $wrong = append $wrong (printf "%s.enabled is true, and the cluster has no CRDs of the Prometheus operator (monitoring.coreos.com/v1): install the operator first, or write false. helm template is told of it by --api-versions monitoring.coreos.com/v1" $value) }}
{{- end }}
{{- end }}
{{- if $wrong }}
{{- fail (printf "\n\nThe values do not fit together:\n- %s\n" (join "\n- " $wrong)) }}
{{- end }}
{{- end }}

{{/* What is in the cluster already, and would be lost or refused without a word about why. */}}
{{- define "amlnet.checkCluster" -}}
{{- $deployment := lookup "apps/v1" "Deployment" .Release.Namespace (include "amlnet.fullname" .) }}
{{- $before := dig "metadata" "labels" "amlnet.dev/installation" "" $deployment }}
{{- if and $before (ne $before .Values.installationId) }}
{{- fail (printf "\n\ninstallationId was %s and would become %s. What amlnet wrote to Azure as %s would be somebody else's to it, and stay for ever. Write installationId: %s; if you want another one all the same, uninstall the release first" $before .Values.installationId $before $before) }}
{{- end }}
{{- end }}

{{/*
Helm 3 does not change a custom resource in the upgrade that adopts it, and says nothing. The Deployment tells which feeds the
release had already.
*/}}
{{- define "amlnet.checkFeeds" -}}
{{- if include "amlnet.served" . }}
{{- range $name, $_ := .Values.feeds }}
{{- include "amlnet.checkOwner" (dict "apiVersion" "amlnet.dev/v1alpha1" "kind" "ServiceTagFeed" "namespace" $.Release.Namespace "name" $name "write" (printf "feeds.%s: null" $name) "context" $) }}
{{- end }}
{{- end }}
{{- if and (include "amlnet.served" .) (hasPrefix "v3" .Capabilities.HelmVersion.Version) }}
{{- $deployment := lookup "apps/v1" "Deployment" .Release.Namespace (include "amlnet.fullname" .) }}
{{- $had := splitList "," (dig "metadata" "annotations" "amlnet.dev/feeds" "" $deployment) }}
{{- range $name, $spec := .Values.feeds }}
{{- if not (has $name $had) }}
{{- $live := lookup "amlnet.dev/v1alpha1" "ServiceTagFeed" $.Release.Namespace $name }}
{{- if $live }}
{{- $wanted := merge dict $spec (dict "cloud" $.Values.cloud) }}
{{- $other := dict }}
{{- range $key, $value := $wanted }}
{{- if ne (toJson $value) (toJson (get $live.spec $key)) }}{{ $_ := set $other $key $value }}{{ end }}
{{- end }}
{{- if $other }}
{{- fail (printf "\n\nThe feed %s is there and is not as feeds.%s says. Helm 3 takes it over now, and cannot change it in the same step. Change it, then run this again:\n  kubectl -n %s patch servicetagfeed %s --type merge -p '%s'\n" $name $name $.Release.Namespace $name (dict "spec" $other | toJson)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* For an object that somebody else may have made: .apiVersion, .kind, .namespace, .name, .write (which leaves it alone), .context. */}}
{{- define "amlnet.checkOwner" -}}
{{- $found := lookup .apiVersion .kind .namespace .name }}
{{- $release := .context.Release }}
{{- if $found }}
{{- $annotations := $found.metadata.annotations | default dict }}
{{- $owner := get $annotations "meta.helm.sh/release-name" }}
{{- $namespace := get $annotations "meta.helm.sh/release-namespace" }}
{{- if not (and (eq $owner $release.Name) (eq $namespace $release.Namespace)) }}
{{- $whose := "was not installed by Helm" }}
{{- if $owner }}{{ $whose = printf "belongs to the release %s in the namespace %s" $owner $namespace }}{{ end }}
{{- $object := printf "%s %s" (lower .kind) .name }}
{{- with .namespace }}{{ $object = printf "-n %s %s" . $object }}{{ end }}
{{- fail (printf "\n\nThe %s %s is there and %s. Write %s to leave it alone; or, if nobody else needs it, hand it over:\n  kubectl label %s app.kubernetes.io/managed-by=Helm --overwrite\n  kubectl annotate %s meta.helm.sh/release-name=%s meta.helm.sh/release-namespace=%s --overwrite\n" .kind .name $whose .write $object $object $release.Name $release.Namespace) }}
{{- end }}
{{- end }}
{{- end }}
