package deptest_test

import (
	"archive/zip"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// released are the modules that users get, by their folders. They have no
// replace: what users get would not have it either.
var released = []string{".", "cmd/rampart", "gateway", "monitor/otel", "monitor/prom"} // read-only

// outside is a program of a user's, in a module of its own.
const outside = `package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/ecolaura/rampart/gateway"
)

func main() {
	g, err := gateway.New(gateway.Config{})
	if err != nil {
		panic(err)
	}
	defer g.Close()
	err = g.Use(context.Background(), []byte("_format_version: '3.0'\nplugins: [{name: request-termination, config: {status_code: 418}}]"))
	if err != nil {
		panic(err)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	fmt.Print(w.Code)
}
`

// TestAModuleOutsideTheTreeUsesTheGateway publishes the working tree, with the
// versions that scripts/release.sh writes, to a module proxy that is a folder.
func TestAModuleOutsideTheTreeUsesTheGateway(t *testing.T) {
	// The machine's module cache has what this module depends on, and it is
	// compiled, too. A version that is no other's can be taken out of it again;
	// one that goes by what it holds is compiled only once.
	version := "v0.1.0-test." + fingerprint(t)
	release := releaseCopy(t, version)
	proxy := t.TempDir()
	for _, dir := range released {
		publish(t, proxy, dir, version, filepath.Join(release, dir, "go.mod"))
	}

	user := t.TempDir()
	goMod := "module example.com/user\n\ngo 1.26.0\n\nrequire " + module + "/gateway " + version + "\n"
	var sums strings.Builder // of the modules that are ours to trust already
	for _, dir := range released {
		text, err := os.ReadFile(filepath.Join(root(t), dir, "go.sum"))
		if err != nil {
			t.Fatal(err)
		}
		sums.Write(text)
	}
	for name, text := range map[string]string{"go.mod": goMod, "go.sum": sums.String(), "main.go": outside} {
		if err := os.WriteFile(filepath.Join(user, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := strings.Fields(run(t, user, nil, "go", "env", "GOPROXY", "GOMODCACHE"))
	if len(env) != 2 {
		t.Fatalf("go env says %q", env)
	}
	settings := append(os.Environ(), "GOPROXY=file://"+proxy+","+env[0], "GONOSUMDB="+module+","+os.Getenv("GONOSUMDB"),
		"GOWORK=off", "GOFLAGS=-mod=mod -modcacherw")
	t.Cleanup(func() { forget(t, env[1], version) })
	binary := filepath.Join(user, "user")
	run(t, user, settings, "go", "build", "-o", binary, ".")
	if got := run(t, user, nil, binary); got != "418" {
		t.Errorf("the program prints %q", got)
	}
	linked := run(t, user, nil, "go", "version", "-m", binary)
	if strings.Contains(linked, "redis/go-redis") {
		t.Error("package gateway links a driver")
	}
	for _, dir := range []string{".", "gateway", "monitor/prom"} {
		if want := strings.TrimSuffix(module+"/"+dir, "/.") + "\t" + version; !strings.Contains(linked, want) {
			t.Errorf("the program does not link %q:\n%s", want, linked)
		}
	}
}

// fingerprint tells the working trees apart.
func fingerprint(t *testing.T) string {
	t.Helper()
	sum := sha256.New()
	walk(t, ".", func(name string) {
		text, err := os.ReadFile(filepath.Join(root(t), name))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(sum, "%s %s %d\n%s", root(t), name, len(text), text)
	})
	return fmt.Sprintf("x%x", sum.Sum(nil)[:6])
}

// forget removes a version of our modules from a module cache, and folders that
// are then empty.
func forget(t *testing.T, cache, version string) {
	t.Helper()
	for _, dir := range slices.Backward(released) { // what is inside another one first
		path := filepath.FromSlash(strings.TrimSuffix(module+"/"+dir, "/."))
		versions := filepath.Join(cache, "cache", "download", path, "@v")
		files, err := filepath.Glob(filepath.Join(versions, version+"*"))
		if err != nil {
			t.Error(err)
		}
		for _, name := range append(files, filepath.Join(cache, path+"@"+version)) {
			if err := os.RemoveAll(name); err != nil {
				t.Error(err)
			}
		}
		if left, err := os.ReadDir(versions); err == nil && len(left) == 1 {
			_ = os.Remove(filepath.Join(versions, "list"))
		}
		for _, at := range []string{versions, filepath.Join(cache, path)} {
			for os.Remove(at) == nil { // it was empty
				at = filepath.Dir(at)
			}
		}
	}
}

// run runs a command and returns what it prints.
func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, env
	var bad strings.Builder
	cmd.Stderr = &bad
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, bad.String())
	}
	return string(out)
}

// releaseCopy runs the release script on a copy of every go.mod.
func releaseCopy(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	keep := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(root(t), name))
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, text, 0o750); err != nil {
			t.Fatal(err)
		}
		return text
	}
	keep("scripts/release.sh")
	before := map[string][]byte{}
	for _, name := range modFiles(t) {
		before[name] = keep(name)
	}
	said := run(t, dir, nil, "bash", "scripts/release.sh", version)
	for name, text := range before {
		after, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		folder := filepath.Dir(name)
		given := slices.Contains(released, folder)
		switch {
		case given && strings.Contains(string(after), module+" v0.0.0"):
			t.Errorf("%s still requires v0.0.0", name)
		case !given && string(after) != string(text):
			t.Errorf("%s is no module that users get, and yet is changed", name)
		}
		tag := "git tag " + strings.TrimPrefix(folder+"/", "./") + version + "\n"
		if given != strings.Contains(said, tag) {
			t.Errorf("a release of %s is tagged: %t\n%s", folder, !given, said)
		}
	}
	return dir
}

// modFiles returns the go.mod of each module, seen from the root.
func modFiles(t *testing.T) (names []string) {
	t.Helper()
	walk(t, ".", func(name string) {
		if filepath.Base(name) == "go.mod" {
			names = append(names, name)
		}
	})
	return names
}

// walk calls f for each file below dir, hidden folders left out; all are seen from
// the root.
func walk(t *testing.T, dir string, f func(name string)) {
	t.Helper()
	top := root(t)
	err := filepath.WalkDir(filepath.Join(top, dir), func(path string, d fs.DirEntry, err error) error {
		name, relErr := filepath.Rel(top, path)
		switch {
		case err != nil || relErr != nil:
			return fmt.Errorf("%s: %w", path, err)
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && name != ".":
			return fs.SkipDir
		case d.Type().IsRegular() && !strings.HasPrefix(d.Name(), "."):
			f(name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// publish puts the module in dir into a proxy, as go.mod says that it is.
func publish(t *testing.T, proxy, dir, version, goMod string) {
	t.Helper()
	path := strings.TrimSuffix(module+"/"+dir, "/.")
	to := filepath.Join(proxy, filepath.FromSlash(path), "@v")
	if err := os.MkdirAll(to, 0o750); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(goMod)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{".mod": string(mod), ".info": fmt.Sprintf(`{"Version":%q}`, version)} {
		if err := os.WriteFile(filepath.Join(to, version+name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.Create(filepath.Join(to, version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	var others []string // modules inside this one are no part of it
	for _, name := range modFiles(t) {
		if in := filepath.Dir(name); in != dir && (dir == "." || strings.HasPrefix(in, dir+"/")) {
			others = append(others, in+"/")
		}
	}
	out := zip.NewWriter(file)
	walk(t, dir, func(name string) {
		if slices.ContainsFunc(others, func(in string) bool { return strings.HasPrefix(name, in) }) {
			return
		}
		below, err := filepath.Rel(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		text := mod
		if below != "go.mod" {
			if text, err = os.ReadFile(filepath.Join(root(t), name)); err != nil {
				t.Fatal(err)
			}
		}
		w, err := out.Create(path + "@" + version + "/" + filepath.ToSlash(below))
		if err == nil {
			_, err = w.Write(text)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}
