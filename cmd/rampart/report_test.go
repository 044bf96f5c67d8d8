package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif" // its source holds the schema
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/xeipuuv/gojsonschema"

	"github.com/ecolaura/rampart/attack"
)

// hostile is what a target may answer to be seen in a report.
const hostile = "\x1b[31m\u202eevil\x00 ``` </script> [x](http://evil.example) | {0} \xff & ]]> *b*"

func sample() *report {
	find := func(i int, request string) attack.Finding {
		return attack.Finding{Weakness: attack.Weaknesses()[i], Method: "GET", Path: "/a" + hostile, Detail: hostile, Request: request}
	}
	return &report{
		Target: "http://127.0.0.1:1/base", Origin: "http://127.0.0.1:1", Began: time.Now(), Took: 1500 * time.Millisecond, Weaknesses: attack.Weaknesses(),
		Findings: []attack.Finding{find(0, "GET /a?b='c' HTTP/1.1\r\nHost: 127.0.0.1:1\r\nX-A: "+hostile+"\r\n\r\n"), find(0, ""), find(1, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\nabcd")},
		Accepted: []accepted{{find(2, ""), "a reason " + hostile}},
		Notes:    []string{"a note " + hostile}, Incomplete: errors.New("incomplete " + hostile),
	}
}

// sarifSchema is the schema of OASIS, as a library has it in its source.
func sarifSchema(t *testing.T) string {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif").Output()
	require.NoError(t, err)
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(strings.TrimSpace(string(dir)), "schema.go"), nil, 0)
	require.NoError(t, err)
	schema := ""
	ast.Inspect(file, func(n ast.Node) bool {
		if text, ok := n.(*ast.BasicLit); ok && strings.Contains(text.Value, "sarif-schema-2.1.0") {
			schema, err = strconv.Unquote(text.Value)
		}
		return true
	})
	require.NoError(t, err)
	require.Contains(t, schema, `"2.1.0"`)
	return schema
}

func TestSARIFIsValidByItsSchema(t *testing.T) {
	schema := gojsonschema.NewStringLoader(sarifSchema(t))
	for name, r := range map[string]*report{"everything": sample(), "nothing": {Target: "http://127.0.0.1:1", Origin: "http://127.0.0.1:1"}} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			require.NoError(t, writeSARIF(&out, r, painter{}))
			result, err := gojsonschema.Validate(schema, gojsonschema.NewBytesLoader(out.Bytes()))
			require.NoError(t, err)
			assert.Empty(t, result.Errors())
		})
	}
	result, err := gojsonschema.Validate(schema, gojsonschema.NewStringLoader(`{"version":"2.1.0","runs":[{"results":[]}]}`))
	require.NoError(t, err)
	assert.False(t, result.Valid(), "the schema bites")
}

// TestJUnitHasTheShapeOfItsSchema holds the report against Jenkins' junit-10.xsd: the
// elements, their order and attributes that it knows. No library for Go checks by XSD.
func TestJUnitHasTheShapeOfItsSchema(t *testing.T) {
	children := map[string]string{"testsuites": "testsuite", "testsuite": "properties testcase system-out system-err", "testcase": "skipped error failure system-out system-err"}
	attributes := map[string]string{
		"testsuites": "name time tests failures disabled errors", "testcase": "name assertions time classname status",
		"testsuite": "name tests failures errors time disabled skipped timestamp hostname id package",
		"skipped":   "message type", "error": "message type", "failure": "message type",
	}
	var out bytes.Buffer
	require.NoError(t, writeJUnit(&out, sample(), painter{}))
	var path []string
	count := map[string]int{}
	for dec := xml.NewDecoder(&out); ; {
		tok, err := dec.Token()
		if tok == nil {
			require.EqualError(t, err, "EOF")
			break
		}
		require.NoError(t, err)
		switch e := tok.(type) {
		case xml.StartElement:
			name := e.Name.Local
			count[name]++
			if len(path) > 0 {
				assert.Contains(t, strings.Fields(children[path[len(path)-1]]), name)
			}
			for _, a := range e.Attr {
				assert.Contains(t, strings.Fields(attributes[name]), a.Name.Local, name)
				switch a.Name.Local {
				case "tests", "failures", "errors", "skipped":
					_, err := strconv.ParseUint(a.Value, 10, 32)
					assert.NoError(t, err)
				case "time":
					_, err := strconv.ParseFloat(a.Value, 64)
					assert.NoError(t, err)
				case "timestamp":
					_, err := time.Parse("2006-01-02T15:04:05", a.Value)
					assert.NoError(t, err)
				}
			}
			path = append(path, name)
		case xml.EndElement:
			path = path[:len(path)-1]
		}
	}
	assert.Equal(t, map[string]int{"testsuites": 1, "testsuite": 1, "testcase": len(attack.Weaknesses()) + 1, "failure": 2, "skipped": 1, "error": 1}, count)
}

func TestNothingOfATargetReachesATerminalOrChangesAReport(t *testing.T) {
	for name, write := range reporters() {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			require.NoError(t, write(&out, sample(), painter{}))
			got := out.String()
			for _, raw := range []string{"\x1b", "\u202e", "\x00", "\xff"} {
				if name == "json" && raw == "\u202e" { // JSON is for programs
					continue
				}
				assert.NotContains(t, got, raw)
			}
			if name == "md" {
				assert.NotContains(t, regexp.MustCompile("(?s)\n````\n.*?\n````\n").ReplaceAllString(got, ""), "[x](http", "no link outside a block of code")
				assert.Contains(t, got, "\n````\n", "a fence that the text cannot end")
			}
			if name == "json" {
				assert.True(t, json.Valid(out.Bytes()))
			}
		})
	}
}

func TestAFindingIsACommandLine(t *testing.T) {
	for desc, tt := range map[string]struct{ request, want string }{
		"a GET":                   {"GET /a?b=c HTTP/1.1\r\nHost: h:1\r\n\r\n", `curl -i --path-as-is 'http://h:1/a?b=c'`},
		"another host":            {"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", `curl -i --path-as-is -H 'Host: evil.example' http://h:1/`},
		"a quote in a body":       {"POST / HTTP/1.1\r\nHost: h:1\r\nContent-Length: 4\r\n\r\nit's", `curl -i --path-as-is -X POST --data-binary 'it'\''s' http://h:1/`},
		"line ends in a body":     {"POST / HTTP/1.1\r\nHost: h:1\r\nContent-Length: 4\r\n\r\na\r\nb", `curl -i --path-as-is -X POST --data-binary $'a\015\012b' http://h:1/`},
		"a request for a server":  {"OPTIONS * HTTP/1.1\r\nHost: h:1\r\n\r\n", `curl -i --path-as-is -X OPTIONS --request-target '*' http://h:1`},
		"what curl does not send": {"GET / HTTP/1.1\r\nHost: h:1\r\nX A: b\r\n\r\n", `printf 'GET / HTTP/1.1\015\012Host: h:1\015\012X A: b\015\012\015\012' | nc h 1`},
		"two hosts":               {"GET / HTTP/1.1\r\nHost: h:1\r\nHost: x\r\n\r\n", `printf 'GET / HTTP/1.1\015\012Host: h:1\015\012Host: x\015\012\015\012' | nc h 1`},
		"a beginning alone":       {"GET / HTTP/1.1\r\nX", `printf 'GET / HTTP/1.1\015\012X' | nc h 1`},
	} {
		t.Run(desc, func(t *testing.T) { assert.Equal(t, tt.want, curl("http://h:1", tt.request)) })
	}
	assert.Contains(t, curl("https://h", "x"), "openssl s_client -quiet -connect h:443")
}

func TestEachWeaknessNamesAPackageThatIsThere(t *testing.T) {
	for _, w := range attack.Weaknesses() {
		assert.NotEmpty(t, w.Fix, w.ID)
		if p := packageOf(w); p != "" {
			out, err := exec.CommandContext(t.Context(), "go", "list", p).CombinedOutput()
			assert.NoError(t, err, "%s: %s", w.ID, out)
		}
	}
}
