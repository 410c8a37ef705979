{{- define "crossfade.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "crossfade.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "crossfade.labels" -}}
{{ include "crossfade.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "crossfade.policies" -}}
{{ .Values.policies.configMap | default (printf "%s-policies" (include "crossfade.name" .)) }}
{{- end -}}

{{/* Whether the admin port can be reached from outside its pod: "yes" or nothing. */}}
{{- define "crossfade.hasAdmin" -}}
{{- if .Values.admin.tlsSecret -}}yes{{- end -}}
{{- end -}}
