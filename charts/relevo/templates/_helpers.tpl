{{/* Names and blocks that several templates share. */}}

{{- define "relevo.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "relevo.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "relevo.labels" -}}
{{ include "relevo.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "relevo.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "relevo.name" .) .Values.serviceAccount.name }}{{ else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{- define "relevo.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}

{{/* What both kinds of pod may and may not do. */}}
{{- define "relevo.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "relevo.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* One variable from a Secret: dict name, secret, key. */}}
{{- define "relevo.fromSecret" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
{{- end }}

{{/* How S3 is reached, for orchestrators and workers alike. */}}
{{- define "relevo.s3" -}}
{{- with .Values.s3 }}
{{- if .enabled }}
{{- if .endpoint }}
- name: RELEVO_S3_ENDPOINT
  value: {{ .endpoint | quote }}
{{- end }}
- name: RELEVO_S3_REGION
  value: {{ .region | quote }}
- name: RELEVO_S3_BUCKET
  value: {{ .bucket | quote }}
{{ include "relevo.fromSecret" (dict "name" "RELEVO_S3_ACCESS_KEY" "secret" .secret "key" .accessKeyKey) }}
{{ include "relevo.fromSecret" (dict "name" "RELEVO_S3_SECRET_KEY" "secret" .secret "key" .secretKeyKey) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Where pods of one kind may run: its part of the values. */}}
{{- define "relevo.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
