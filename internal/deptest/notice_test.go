package deptest_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// licences are told apart by words that only they have, the longest first.
var licences = [][2]string{ // read-only
	{"Apache-2.0", "Apache License"},
	{"MPL-2.0", "Mozilla Public License"},
	{"BSD-3-Clause", "Neither the name"},
	{"BSD-2-Clause", "Redistributions in binary form"},
	{"ISC", "Permission to use, copy, modify, and/or distribute"},
	{"MIT", "Permission is hereby granted"},
}

// TestTheNoticeListsEveryModuleThatIsLinked: of the modules that users get, tests left out.
func TestTheNoticeListsEveryModuleThatIsLinked(t *testing.T) {
	found := map[string]string{}
	users := map[string]map[string]bool{}
	for _, dir := range []string{".", "gateway", "cmd/rampart", "monitor/prom", "monitor/otel"} {
		cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}\t{{.Dir}}{{end}}", "./...")
		cmd.Dir = filepath.Join(root(t), dir)
		cmd.Env = append(os.Environ(), "GOWORK="+filepath.Join(root(t), "go.work"))
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		for line := range strings.Lines(string(out)) {
			path, where, ok := strings.Cut(strings.TrimSpace(line), "\t")
			if !ok || path == module || strings.HasPrefix(path, module+"/") {
				continue
			}
			if users[path] == nil {
				users[path] = map[string]bool{}
				found[path] = licence(where)
			}
			users[path][strings.Replace(dir, ".", "rampart", 1)] = true
		}
	}
	var b strings.Builder
	b.WriteString("# Notice\n\nrampart is licensed under the [MIT licence](LICENSE). Programs that use it link these modules, as far\n" +
		"as they import the packages that need them. Each module has the text of its licence.\n\n" +
		"| Module | Licence | Linked by packages of |\n|---|---|---|\n")
	for path, name := range sorted(found) {
		if name == "" {
			t.Errorf("the licence of %s is not known", path)
		}
		var by []string
		for dir := range sorted(users[path]) {
			by = append(by, dir)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", path, name, strings.Join(by, ", "))
	}
	generated(t, "NOTICE.md", func(string) string { return b.String() })
}

func licence(dir string) string {
	files, _ := filepath.Glob(filepath.Join(dir, "LICEN[SC]E*"))
	more, _ := filepath.Glob(filepath.Join(dir, "COPYING*"))
	for _, file := range append(files, more...) {
		text, _ := os.ReadFile(file)
		plain := strings.Join(strings.Fields(string(text)), " ")
		for _, l := range licences {
			if strings.Contains(plain, l[1]) {
				return l[0]
			}
		}
	}
	return ""
}
