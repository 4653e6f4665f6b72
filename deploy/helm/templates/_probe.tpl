{{/* The endpoint is asked from within the container unless it is exposed: the kubelet does not reach its loopback. */}}
{{- define "interestream.probe" -}}
{{- $root := index . 0 -}}
{{- $path := index . 1 -}}
{{- if $root.Values.metrics.exposed -}}
httpGet:
  path: {{ $path }}
  port: metrics
{{- else -}}
exec:
  command:
    - python
    - -c
    - from urllib.request import urlopen; urlopen("http://127.0.0.1:9464{{ $path }}", timeout=8)
{{- end -}}
{{- end -}}
