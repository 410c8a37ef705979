{{/* What no single value is wrong about; each message says what to do. */}}
{{- define "crossfade.checks" -}}
{{- $several := or (gt (int .Values.replicas) 1) .Values.autoscaling.enabled -}}
{{- if $several -}}
{{- if not .Values.state.url -}}
{{- fail "several pods need a shared state: set state.url to redis://… or rediss://…, or replicas: 1 without autoscaling" -}}
{{- end -}}
{{- if not .Values.secret.stateKey -}}
{{- fail "several pods need one key for their shared state: put `openssl rand -hex 32` into a Secret, and set secret.name and secret.stateKey" -}}
{{- end -}}
{{- end -}}
{{- range $name, $key := omit .Values.secret "name" -}}
{{- if and $key (not $.Values.secret.name) -}}
{{- fail (printf "secret.%s names a key of a Secret: set secret.name" $name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.admin.tlsSecret (not .Values.secret.adminToken) -}}
{{- fail "an admin port that can be reached needs a token: set secret.adminToken, or leave admin.tlsSecret empty" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor (not .Values.admin.tlsSecret) -}}
{{- fail "Prometheus cannot reach a loopback port: set admin.tlsSecret and secret.adminToken, or metrics.serviceMonitor: false" -}}
{{- end -}}
{{- if and .Values.policies.files .Values.policies.configMap -}}
{{- fail "policies.files and policies.configMap: set one of them" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) -}}
{{- fail "an Ingress needs a name: set ingress.host" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "an HTTPRoute belongs to a Gateway: set httpRoute.parentRefs" -}}
{{- end -}}
{{- end -}}
