{{/* Names and labels. */}}

{{- define "amlnet.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Of objects in a namespace. A Service's name has no dots. */}}
{{- define "amlnet.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | replace "." "-" | trunc 53 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | replace "." "-" | trunc 53 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Of objects that another release may have in the same place: no other release has both. */}}
{{- define "amlnet.uniqueName" -}}
{{- printf "%s.%s" .Release.Namespace (include "amlnet.fullname" .) }}
{{- end }}

{{- define "amlnet.serviceAccount" -}}
{{- default (include "amlnet.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{- define "amlnet.selector" -}}
app.kubernetes.io/name: {{ include "amlnet.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Of an object; with .more, further ones, of which none replaces those of the chart. */}}
{{- define "amlnet.labelsWith" -}}
{{- $ours := include "amlnet.selector" .context | fromYaml }}
{{- $_ := set $ours "app.kubernetes.io/version" .context.Chart.AppVersion }}
{{- $_ := set $ours "app.kubernetes.io/managed-by" .context.Release.Service }}
{{- $_ := set $ours "helm.sh/chart" (printf "%s-%s" .context.Chart.Name .context.Chart.Version | replace "+" "_") }}
{{- merge $ours .more .context.Values.commonLabels | toYaml }}
{{- end }}

{{- define "amlnet.labels" -}}
{{- include "amlnet.labelsWith" (dict "context" . "more" dict) }}
{{- end }}

{{- define "amlnet.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* Whether all namespaces are watched: "true" or nothing. */}}
{{- define "amlnet.everywhere" -}}
{{- if has "*" .Values.watchNamespaces }}true{{ end }}
{{- end }}

{{/* The watched namespaces besides that of the release, as JSON: {"namespaces": […]}. */}}
{{- define "amlnet.watched" -}}
{{- dict "namespaces" (without (.Values.watchNamespaces | uniq) .Release.Namespace "*") | toJson }}
{{- end }}

{{/* Whether the API of the CRDs is served: "true" or nothing. */}}
{{- define "amlnet.served" -}}
{{- if .Capabilities.APIVersions.Has "amlnet.dev/v1alpha1/ServiceTagFeed" }}true{{ end }}
{{- end }}
