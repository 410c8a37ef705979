{{/* How the kubelet asks (chart, path): over the network where the admin port can be reached, else from inside. */}}
{{- define "crossfade.probe" -}}
{{- $path := index . 1 -}}
{{- if include "crossfade.hasAdmin" (index . 0) -}}
httpGet: {path: {{ $path }}, port: admin, scheme: HTTPS}
{{- else -}}
exec:
  command:
    - python
    - -c
    - "import urllib.request as r; r.urlopen('http://127.0.0.1:8081{{ $path }}', timeout=4)"
{{- end -}}
{{- end -}}
