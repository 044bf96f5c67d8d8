package integration_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const deployFolder = "../../examples/api/deploy"

func deployFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deployFolder, name))
	require.NoError(t, err)
	return string(text)
}

// TestEveryVariableOfTheDeploymentFilesIsASetting: a misspelt one would be ignored.
func TestEveryVariableOfTheDeploymentFilesIsASetting(t *testing.T) {
	settings := map[string]bool{"ECOLAURA_SECRET_KEY": true, "ECOLAURA_FERNET_KEYS": true}
	source, err := os.ReadFile("../../examples/api/settings.go")
	require.NoError(t, err)
	for _, flag := range regexp.MustCompile(`flags\.\w+Var\(&[\w.]+, "([a-z-]+)"`).FindAllSubmatch(source, -1) {
		settings["ECOLAURA_"+strings.ToUpper(strings.ReplaceAll(string(flag[1]), "-", "_"))] = true
	}
	require.Greater(t, len(settings), 15)
	files, err := filepath.Glob(deployFolder + "/*")
	require.NoError(t, err)
	found := 0
	for _, file := range files {
		for _, name := range regexp.MustCompile(`ECOLAURA_[A-Z_]+`).FindAllString(deployFile(t, filepath.Base(file)), -1) {
			assert.True(t, settings[strings.TrimSuffix(name, "_FILE")], "%s: %s", file, name)
			found++
		}
	}
	assert.Greater(t, found, 15)
}

// systemd itself reads the unit, and says how little its service may do.
func TestTheUnitIsOneThatSystemdTakes(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		missing(t, "systemd", "run `make services`: this test has systemd-analyze read a unit")
	}
	text := regexp.MustCompile(`(?m)^ExecStart=\S+`).ReplaceAllString(deployFile(t, "ecolaura-api.service"), "ExecStart=/bin/true")
	unit := filepath.Join(t.TempDir(), "ecolaura-api.service")
	require.NoError(t, os.WriteFile(unit, []byte(text), 0o644))
	out, err := exec.CommandContext(t.Context(), analyze, "verify", unit).CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.NotContains(t, string(out), "ecolaura-api.service", "no warning")
	out, err = exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--threshold=20", unit).CombinedOutput()
	assert.NoError(t, err, "%s", out)
}

func TestTheImageHoldsNothingButTheServer(t *testing.T) {
	var stages [][]string
	for line := range strings.Lines(deployFile(t, "Dockerfile")) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "FROM ") {
			stages = append(stages, nil)
		}
		if line != "" && !strings.HasPrefix(line, "#") {
			last := len(stages) - 1
			stages[last] = append(stages[last], line)
		}
	}
	require.Len(t, stages, 2)
	assert.Regexp(t, `^FROM golang:1\.\d+\S* AS build$`, stages[0][0], "a version, not latest")
	assert.Contains(t, stages[0], "RUN CGO_ENABLED=0 go build -trimpath -ldflags=-s -o /out/api ./examples/api", "it needs no library at run time")
	assert.Equal(t, "FROM scratch", stages[1][0])
	assert.Contains(t, stages[1], "COPY --from=build /out/api /api")
	assert.Contains(t, stages[1], "USER 65532:65532", "a number, which runAsNonRoot can check")
	assert.Contains(t, stages[1], `ENTRYPOINT ["/api"]`, "no shell, so signals arrive")
}

// What the files for Kubernetes say, by the names of its API reference; an unknown one
// is a mistake.
type (
	kubeMeta struct {
		Name   string            `yaml:"name"`
		Labels map[string]string `yaml:"labels"`
	}
	kubeSelector struct {
		MatchLabels map[string]string `yaml:"matchLabels"`
	}
	kubeProbe struct {
		HTTPGet struct {
			Path, Port string
		} `yaml:"httpGet"`
		PeriodSeconds    int `yaml:"periodSeconds"`
		FailureThreshold int `yaml:"failureThreshold"`
	}
	kubeContainer struct {
		Name, Image string
		Env         []struct{ Name, Value string }
		Ports       []struct {
			Name          string
			ContainerPort int `yaml:"containerPort"`
		}
		LivenessProbe  kubeProbe `yaml:"livenessProbe"`
		ReadinessProbe kubeProbe `yaml:"readinessProbe"`
		Lifecycle      struct {
			PreStop struct {
				Sleep struct{ Seconds int }
			} `yaml:"preStop"`
		}
		Resources       struct{ Requests, Limits map[string]string }
		SecurityContext struct {
			AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
			ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
			Capabilities             struct{ Drop []string }
		} `yaml:"securityContext"`
		VolumeMounts []struct {
			Name      string
			MountPath string `yaml:"mountPath"`
			ReadOnly  bool   `yaml:"readOnly"`
		} `yaml:"volumeMounts"`
	}
	kubeObject struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   kubeMeta
		Spec       struct {
			Replicas     int
			MinAvailable int `yaml:"minAvailable"`
			Selector     kubeSelector
			Strategy     struct {
				Type          string
				RollingUpdate struct {
					MaxUnavailable *int `yaml:"maxUnavailable"`
					MaxSurge       int  `yaml:"maxSurge"`
				} `yaml:"rollingUpdate"`
			}
			Template struct {
				Metadata kubeMeta
				Spec     struct {
					AutomountServiceAccountToken  *bool `yaml:"automountServiceAccountToken"`
					TerminationGracePeriodSeconds int   `yaml:"terminationGracePeriodSeconds"`
					SecurityContext               struct {
						RunAsNonRoot   bool `yaml:"runAsNonRoot"`
						RunAsUser      int  `yaml:"runAsUser"`
						FSGroup        int  `yaml:"fsGroup"`
						SeccompProfile struct {
							Type string
						} `yaml:"seccompProfile"`
					} `yaml:"securityContext"`
					Containers []kubeContainer
					Volumes    []struct {
						Name   string
						Secret struct {
							SecretName  string `yaml:"secretName"`
							DefaultMode int    `yaml:"defaultMode"`
						}
					}
				}
			}
		}
	}
)

func TestTheDeploymentForKubernetesFitsTheServer(t *testing.T) {
	decoder := yaml.NewDecoder(bytes.NewReader([]byte(deployFile(t, "kubernetes.yaml"))))
	decoder.KnownFields(true)
	var deployment, budget kubeObject
	require.NoError(t, decoder.Decode(&deployment))
	require.NoError(t, decoder.Decode(&budget))
	assert.Equal(t, "apps/v1 Deployment", deployment.APIVersion+" "+deployment.Kind)
	assert.Equal(t, "policy/v1 PodDisruptionBudget", budget.APIVersion+" "+budget.Kind)
	spec, labels := deployment.Spec, map[string]string{"app": "ecolaura-api"}
	for _, got := range []map[string]string{spec.Selector.MatchLabels, spec.Template.Metadata.Labels, budget.Spec.Selector.MatchLabels} {
		assert.Equal(t, labels, got)
	}
	assert.Less(t, budget.Spec.MinAvailable, spec.Replicas, "else no node can be drained")
	assert.Zero(t, *spec.Strategy.RollingUpdate.MaxUnavailable)

	pod := spec.Template.Spec
	assert.False(t, *pod.AutomountServiceAccountToken)
	assert.True(t, pod.SecurityContext.RunAsNonRoot)
	require.Len(t, pod.Containers, 1)
	c := pod.Containers[0]
	assert.False(t, *c.SecurityContext.AllowPrivilegeEscalation)
	assert.True(t, c.SecurityContext.ReadOnlyRootFilesystem)
	assert.Equal(t, []string{"ALL"}, c.SecurityContext.Capabilities.Drop)
	ports := map[string]bool{}
	for _, p := range c.Ports {
		ports[p.Name] = true
	}
	assert.True(t, ports[c.LivenessProbe.HTTPGet.Port] && ports[c.ReadinessProbe.HTTPGet.Port])
	assert.Equal(t, "/livez", c.LivenessProbe.HTTPGet.Path, "a database that is away is no reason to restart")
	assert.Equal(t, "/healthz", c.ReadinessProbe.HTTPGet.Path)
	env := map[string]string{}
	for _, e := range c.Env {
		env[e.Name] = e.Value
		if strings.HasSuffix(e.Name, "_FILE") {
			assert.True(t, strings.HasPrefix(e.Value, c.VolumeMounts[0].MountPath+"/"), e.Value)
		}
	}
	assert.Equal(t, "3s", env["ECOLAURA_DRAIN"])
	assert.Greater(t, pod.TerminationGracePeriodSeconds, c.Lifecycle.PreStop.Sleep.Seconds+3+8)
	assert.Equal(t, 0o440, pod.Volumes[0].Secret.DefaultMode, "the server refuses a file that everybody can read")
	assert.Equal(t, pod.SecurityContext.RunAsUser, pod.SecurityContext.FSGroup)
}
