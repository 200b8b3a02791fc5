{{/* The environment of the container, and the volumes that its files come from. */}}

{{- define "amlnet.tokenPath" -}}/var/run/secrets/azure/tokens{{- end }}

{{- define "amlnet.scopesMap" -}}{{ include "amlnet.fullname" . }}-scopes{{- end }}

{{- define "amlnet.caMap" -}}
{{- .Values.caBundle.configMap.name | default (printf "%s-ca" (include "amlnet.fullname" .)) }}
{{- end }}

{{- define "amlnet.caKey" -}}
{{- if .Values.caBundle.configMap.name }}{{ .Values.caBundle.configMap.key }}{{ else }}ca.crt{{ end }}
{{- end }}

{{- define "amlnet.hasCa" -}}
{{- if or .Values.caBundle.pem .Values.caBundle.configMap.name }}true{{ end }}
{{- end }}

{{/* Whether the chart mounts the token for Azure: "true" or nothing. */}}
{{- define "amlnet.ownToken" -}}
{{- if and (eq .Values.azure.auth "workloadIdentity") (not .Values.azure.webhook) }}true{{ end }}
{{- end }}

{{/* Variables with a plain value, as JSON: {NAME: value}. */}}
{{- define "amlnet.variables" -}}
{{- $env := dict "AMLNET_INSTALLATION_ID" .Values.installationId "AMLNET_CLOUD" .Values.cloud }}
{{- $_ := set $env "AMLNET_HTTP_LISTEN" (printf "0.0.0.0:%d" (int .Values.http.port)) }}
{{- $_ := set $env "AMLNET_RESYNC" .Values.resync }}
{{- $_ := set $env "AMLNET_LOG" .Values.log.level }}
{{- $_ := set $env "AMLNET_LOG_FORMAT" .Values.log.format }}
{{- $_ := set $env "AMLNET_LEASE_DURATION" .Values.lease.duration }}
{{- $_ := set $env "AMLNET_LEASE_RENEW_DEADLINE" .Values.lease.renewDeadline }}
{{- $_ := set $env "AMLNET_LEASE_RETRY_PERIOD" .Values.lease.retryPeriod }}
{{- if .Values.readOnly }}{{ $_ := set $env "AMLNET_READ_ONLY" "true" }}{{ end }}
{{- with .Values.watchNamespaces }}
{{- $_ := set $env "AMLNET_WATCH_NAMESPACES" (ternary "*" (join "," .) (has "*" .)) }}
{{- end }}
{{- if .Values.scopes }}{{ $_ := set $env "AMLNET_SCOPES" "/etc/amlnet/scopes/scopes.yaml" }}{{ end }}
{{- if .Values.allowAnyScope }}{{ $_ := set $env "AMLNET_ALLOW_ANY_SCOPE" "true" }}{{ end }}
{{- if include "amlnet.hasCa" . }}{{ $_ := set $env "AMLNET_CA_FILE" "/etc/amlnet/ca/ca.crt" }}{{ end }}
{{- if .Values.http.tls.secretName }}
{{- $_ := set $env "AMLNET_HTTP_CERTIFICATE" "/etc/amlnet/tls/tls.crt" }}
{{- $_ := set $env "AMLNET_HTTP_KEY" "/etc/amlnet/tls/tls.key" }}
{{- end }}
{{- if .Values.http.credentials.secretName }}{{ $_ := set $env "AMLNET_HTTP_CREDENTIALS" "/etc/amlnet/credentials/credentials" }}{{ end }}
{{- with .Values.proxy.https }}{{ $_ := set $env "HTTPS_PROXY" . }}{{ end }}
{{- with .Values.proxy.noProxy }}{{ $_ := set $env "NO_PROXY" . }}{{ end }}
{{- with .Values.azure }}
{{- with .armEndpoint }}{{ $_ := set $env "AMLNET_ARM_ENDPOINT" . }}{{ end }}
{{- with .authorityHost }}{{ $_ := set $env "AMLNET_AUTHORITY_HOST" . }}{{ end }}
{{- if ne .auth "none" }}
{{- with .clientId }}{{ $_ := set $env "AZURE_CLIENT_ID" . }}{{ end }}
{{- if ne .auth "managedIdentity" }}{{ with .tenantId }}{{ $_ := set $env "AZURE_TENANT_ID" . }}{{ end }}{{ end }}
{{- $kinds := dict "workloadIdentity" "WorkloadIdentityCredential" "managedIdentity" "ManagedIdentityCredential" }}
{{- $_ := set $env "AZURE_TOKEN_CREDENTIALS" (get $kinds .auth | default "EnvironmentCredential") }}
{{- end }}
{{- if eq .auth "clientCertificate" }}{{ $_ := set $env "AZURE_CLIENT_CERTIFICATE_PATH" "/etc/amlnet/azure/certificate.pem" }}{{ end }}
{{- end }}
{{- if include "amlnet.ownToken" . }}
{{- $_ := set $env "AZURE_FEDERATED_TOKEN_FILE" (printf "%s/azure-identity-token" (include "amlnet.tokenPath" .)) }}
{{- end }}
{{- $env | toJson }}
{{- end }}

{{- define "amlnet.env" -}}
{{- range $name, $value := include "amlnet.variables" . | fromJson }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
- name: AMLNET_IDENTITY
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- if eq .Values.azure.auth "clientSecret" }}
- name: AZURE_CLIENT_SECRET
  valueFrom: {secretKeyRef: {name: {{ .Values.azure.secret.name | quote }}, key: {{ .Values.azure.secret.key | quote }}}}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Volumes and, at the same names, where they are mounted, as JSON: {"volumes": […], "mounts": […]}. */}}
{{- define "amlnet.files" -}}
{{- $volumes := list }}
{{- $paths := dict }}
{{- if .Values.scopes }}
{{- $volumes = append $volumes (dict "name" "scopes" "configMap" (dict "name" (include "amlnet.scopesMap" .))) }}
{{- $_ := set $paths "scopes" "/etc/amlnet/scopes" }}
{{- end }}
{{- if include "amlnet.hasCa" . }}
{{- $items := list (dict "key" (include "amlnet.caKey" .) "path" "ca.crt") }}
{{- $volumes = append $volumes (dict "name" "ca" "configMap" (dict "name" (include "amlnet.caMap" .) "items" $items)) }}
{{- $_ := set $paths "ca" "/etc/amlnet/ca" }}
{{- end }}
{{- with .Values.http.tls.secretName }}
{{- $volumes = append $volumes (dict "name" "tls" "secret" (dict "secretName" .)) }}
{{- $_ := set $paths "tls" "/etc/amlnet/tls" }}
{{- end }}
{{- with .Values.http.credentials }}
{{- if .secretName }}
{{- $items := list (dict "key" .key "path" "credentials") }}
{{- $volumes = append $volumes (dict "name" "credentials" "secret" (dict "secretName" .secretName "items" $items)) }}
{{- $_ := set $paths "credentials" "/etc/amlnet/credentials" }}
{{- end }}
{{- end }}
{{- if eq .Values.azure.auth "clientCertificate" }}
{{- $items := list (dict "key" .Values.azure.secret.key "path" "certificate.pem") }}
{{- $volumes = append $volumes (dict "name" "azure" "secret" (dict "secretName" .Values.azure.secret.name "items" $items)) }}
{{- $_ := set $paths "azure" "/etc/amlnet/azure" }}
{{- end }}
{{- if include "amlnet.ownToken" . }}
{{- $token := dict "audience" "api://AzureADTokenExchange" "expirationSeconds" 3600 "path" "azure-identity-token" }}
{{- $sources := list (dict "serviceAccountToken" $token) }}
{{- $volumes = append $volumes (dict "name" "azure-token" "projected" (dict "sources" $sources)) }}
{{- $_ := set $paths "azure-token" (include "amlnet.tokenPath" .) }}
{{- end }}
{{- $mounts := list }}
{{- range $volumes }}
{{- $mounts = append $mounts (dict "name" .name "mountPath" (get $paths .name) "readOnly" true) }}
{{- end }}
{{- dict "volumes" (concat $volumes .Values.extraVolumes) "mounts" (concat $mounts .Values.extraVolumeMounts) | toJson }}
{{- end }}
