{{/* What workers and the job for topics have in common. */}}

{{- define "interestream.podSecurity" -}}
# A Service named interestream would put INTERESTREAM_PORT into every container: an unknown setting, which is refused.
enableServiceLinks: false
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "interestream.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "interestream.volumeMounts" -}}
- name: settings
  mountPath: /etc/interestream/settings
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- if .Values.caSecretName }}
- name: ca
  mountPath: /etc/interestream/ca
  readOnly: true
{{- end }}
{{- end -}}

{{- define "interestream.volumes" -}}
- name: tmp
  emptyDir: {}
{{- with .Values.caSecretName }}
- name: ca
  secret:
    secretName: {{ . }}
{{- end }}
{{- end -}}
