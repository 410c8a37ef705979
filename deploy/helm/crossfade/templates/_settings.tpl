{{/* crossfade.yaml: `settings`, and what the chart writes itself. */}}
{{- define "crossfade.settings" -}}
{{- $files := "/etc/crossfade/secrets" -}}
{{- $secret := .Values.secret -}}
{{- $server := dict
  "listen" "0.0.0.0:8080"
  "admin" "127.0.0.1:8081"
  "tls" "front-proxy"
  "drain" (printf "%ds" (int .Values.drainSeconds)) -}}
{{- if .Values.tlsSecret -}}
{{- $_ := set $server "tls" (dict "cert" "/etc/crossfade/tls/tls.crt" "key" "/etc/crossfade/tls/tls.key") -}}
{{- end -}}
{{- if include "crossfade.hasAdmin" . -}}
{{- $_ := set $server "admin" "0.0.0.0:8081" -}}
{{- $_ := set $server "admin_tls" (dict "cert" "/etc/crossfade/admin-tls/tls.crt" "key" "/etc/crossfade/admin-tls/tls.key") -}}
{{- end -}}
{{- with $secret.adminToken }}{{ $_ := set $server "admin_token_file" (printf "%s/%s" $files .) }}{{ end -}}
{{- with $secret.adminViewerToken }}{{ $_ := set $server "admin_viewer_token_file" (printf "%s/%s" $files .) }}{{ end -}}
{{- $ours := dict "server" $server "data" "/data/crossfade" "policies" "/etc/crossfade/policies" -}}
{{- with .Values.state.url }}{{ $_ := set $ours "state" . }}{{ end -}}
{{- with $secret.stateKey }}{{ $_ := set $ours "state_key_file" (printf "%s/%s" $files .) }}{{ end -}}
{{- with $secret.statePassword }}{{ $_ := set $ours "state_password_file" (printf "%s/%s" $files .) }}{{ end -}}
{{- with $secret.stateCa }}{{ $_ := set $ours "state_ca_file" (printf "%s/%s" $files .) }}{{ end -}}
{{- with $secret.pepper }}{{ $_ := set $ours "keys" (dict "pepper_file" (printf "%s/%s" $files .)) }}{{ end -}}
{{- with $secret.journalKey }}{{ $_ := set $ours "capture" (dict "journal_key_file" (printf "%s/%s" $files .)) }}{{ end -}}
{{- mergeOverwrite (deepCopy .Values.settings) $ours | toYaml -}}
{{- end -}}
