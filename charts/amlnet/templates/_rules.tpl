{{/* What the controller may do; deploy/rbac says the same, and a test compares them with its requests. */}}

{{- define "amlnet.ownRules" -}}
# patch is for the finalizer amlnet.dev/cleanup; the rest of an AmlNetwork is its owner's.
- apiGroups: [amlnet.dev]
  resources: [amlnetworks]
  verbs: [get, list, watch, patch]
- apiGroups: [amlnet.dev]
  resources: [servicetagfeeds]
  verbs: [get, list, watch]
- apiGroups: [amlnet.dev]
  resources: [amlnetworks/status, servicetagfeeds/status]
  verbs: [update]
# Nothing here may make or change an approval: that is a person's.
- apiGroups: [amlnet.dev]
  resources: [planapprovals]
  verbs: [list, watch]
# Documents, what is remembered of each target, and the lists, which every replica watches.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, update, delete]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, create, update]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}

{{- define "amlnet.watchedRules" -}}
- apiGroups: [amlnet.dev]
  resources: [amlnetworks]
  verbs: [get, list, watch, patch]
- apiGroups: [amlnet.dev]
  resources: [amlnetworks/status]
  verbs: [update]
- apiGroups: [amlnet.dev]
  resources: [planapprovals]
  verbs: [list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}

{{- define "amlnet.subjects" -}}
- kind: ServiceAccount
  name: {{ include "amlnet.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}
