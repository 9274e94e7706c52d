{{- define "ig.selector" -}}
app.kubernetes.io/name: intelgraph
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ig.labels" -}}
{{ include "ig.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* One container. Takes root, role, command (a line for sh), port, owner (mount the owner's secret). */}}
{{- define "ig.container" -}}
{{- $root := .root }}
name: {{ .role }}
image: "{{ $root.Values.image.repository }}@{{ $root.Values.image.digest }}"
imagePullPolicy: Always
# A container that starts again has the same process number; what its forerunner counted must not be taken for its own.
command: [sh, -c, {{ printf "rm -rf \"$IG_VAR/metrics\" && exec %s" .command | quote }}]
env:
  - {name: IG_MODE, value: production}
  - {name: IG_VAR, value: /var/lib/intelgraph}
  - {name: PYTHONDONTWRITEBYTECODE, value: "1"}
  {{- if eq .port "side" }}
  - {name: IG_SIDE_LISTEN, value: "0.0.0.0:9000"}
  {{- end }}
  {{- range $name, $value := $root.Values.settings }}
  - {name: {{ $name }}, value: {{ $value | quote }}}
  {{- end }}
  {{- range $root.Values.secrets.keys }}
  - {name: {{ . }}_FILE, value: /run/secrets/intelgraph/{{ . }}}
  {{- end }}
  {{- if .owner }}
  - {name: DATABASE_OWNER_URL_FILE, value: /run/secrets/owner/DATABASE_OWNER_URL}
  {{- end }}
resources: {{- toYaml (index $root.Values .role).resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  capabilities: {drop: [ALL]}
  seccompProfile: {type: RuntimeDefault}
volumeMounts:
  - {name: var, mountPath: /var/lib/intelgraph}
  - {name: tmp, mountPath: /tmp}
  - {name: secrets, mountPath: /run/secrets/intelgraph, readOnly: true}
  {{- if .owner }}
  - {name: owner, mountPath: /run/secrets/owner, readOnly: true}
  {{- end }}
{{- end }}

{{- define "ig.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "ig.volumes" -}}
- {name: var, emptyDir: {sizeLimit: 1Gi}}
- {name: tmp, emptyDir: {sizeLimit: 1Gi}}
- name: secrets
  secret: {secretName: {{ .Values.secrets.name }}, defaultMode: 0440}
{{- end }}

{{/* One deployment. Takes root, role, command, port (web or side), replicas (left out when KEDA decides). */}}
{{- define "ig.deployment" -}}
{{- $root := .root }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $root.Release.Name }}-{{ .role }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "ig.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
spec:
  {{- if not .scaled }}
  replicas: {{ .replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  {{- if eq .role "scheduler" }}
  strategy: {type: Recreate}
  {{- else }}
  strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  {{- end }}
  selector:
    matchLabels: {{- include "ig.selector" $root | nindent 6 }}
      app.kubernetes.io/component: {{ .role }}
  template:
    metadata:
      labels: {{- include "ig.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .role }}
    spec:
      serviceAccountName: {{ $root.Release.Name }}
      terminationGracePeriodSeconds: {{ (index $root.Values .role).terminationGracePeriodSeconds }}
      {{- include "ig.pod" $root | nindent 6 }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{- include "ig.selector" $root | nindent 14 }}
              app.kubernetes.io/component: {{ .role }}
      containers:
        - {{- include "ig.container" (merge (dict "owner" false) .) | nindent 10 }}
          ports:
            - {name: {{ .port }}, containerPort: {{ eq .port "web" | ternary 8000 9000 }}}
          startupProbe:
            httpGet: {path: /healthz, port: {{ .port }}}
            periodSeconds: 3
            failureThreshold: 40
          livenessProbe:
            httpGet: {path: /healthz, port: {{ .port }}}
            periodSeconds: 10
            timeoutSeconds: 3
            failureThreshold: 6
          readinessProbe:
            httpGet: {path: {{ eq .port "web" | ternary "/readyz" "/healthz" }}, port: {{ .port }}}
            periodSeconds: 5
            timeoutSeconds: 4
            failureThreshold: 3
          {{- if eq .role "web" }}
          lifecycle:
            preStop: {exec: {command: [sleep, "5"]}}  # until no load balancer sends here any more
          {{- end }}
      volumes: {{- include "ig.volumes" $root | nindent 8 }}
{{- end }}
