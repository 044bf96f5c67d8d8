package deptest_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ecolaura/rampart"
)

// docs/events.md has one row for each event of each layer. This test reads the
// code for them, and with RAMPART_UPDATE=1 writes the table; what it cannot read
// from the code, when an event happens, is kept from the row that was there.

// reportedEvent is one kind of record that a layer writes.
type reportedEvent struct {
	event, layer string
	attrs        []string
}

// eventNames returns the constants of event.go by their Go names, and which of
// them are no names of OWASP's vocabulary.
func eventNames(t *testing.T) (names map[string]string, extension map[string]bool) {
	t.Helper()
	syntax, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root(t), "event.go"), nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	names, extension = map[string]string{}, map[string]bool{}
	ast.Inspect(syntax, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
			if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == "Event" {
				name, _ := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				names[spec.Names[0].Name] = name
				extension[name] = strings.Contains(spec.Comment.Text(), "extension")
			}
		}
		return true
	})
	return names, extension
}

// eventReader reads the calls of one package that report an event.
type eventReader struct {
	names map[string]string
	funcs []*ast.FuncDecl
	found map[string]map[string]bool // event → attributes
}

// event returns the name that an expression such as rampart.AuthzFail stands
// for; "" for anything else.
func (er *eventReader) event(e ast.Expr) string {
	switch x := e.(type) {
	case *ast.SelectorExpr:
		return er.names[x.Sel.Name]
	case *ast.Ident:
		return er.names[x.Name]
	}
	return ""
}

// callee returns the name of the function or method that is called.
func callee(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.SelectorExpr:
		return f.Sel.Name
	case *ast.Ident:
		return f.Name
	}
	return ""
}

// attrs returns the names of the attributes made in n, and in functions of the
// package that n calls for them.
func (er *eventReader) attrs(n ast.Node) []string {
	var found []string
	ast.Inspect(n, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch callee(call) {
		case "String", "Int", "Int64", "Bool", "Time", "Duration", "Any", "Text":
			if len(call.Args) == 2 {
				if lit, ok := call.Args[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
					name, _ := strconv.Unquote(lit.Value)
					found = append(found, name)
				}
			}
		default:
			for _, f := range er.funcs {
				if f.Name.Name == callee(call) && returnsAttrs(f) && f.Body != n {
					found = append(found, er.attrs(f.Body)...)
				}
			}
		}
		return true
	})
	return found
}

func returnsAttrs(f *ast.FuncDecl) bool {
	if f.Type.Results == nil {
		return false
	}
	for _, r := range f.Type.Results.List {
		if list, ok := r.Type.(*ast.ArrayType); ok {
			if sel, ok := list.Elt.(*ast.SelectorExpr); ok && sel.Sel.Name == "Attr" {
				return true
			}
		}
	}
	return false
}

// eventParam reports whether f passes an event on that it is given, and its own
// attributes with it.
func eventParam(f *ast.FuncDecl) bool {
	for _, p := range f.Type.Params.List {
		typ := p.Type
		if sel, ok := typ.(*ast.SelectorExpr); ok {
			typ = sel.Sel
		}
		if id, ok := typ.(*ast.Ident); ok && id.Name == "Event" {
			return true
		}
	}
	return false
}

// calls reports whether a function of that name is called in n.
func calls(n ast.Node, name string) bool {
	found := false
	ast.Inspect(n, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		found = found || ok && callee(call) == name
		return true
	})
	return found
}

// read gathers what the package reports. An event or a list of attributes in a
// variable stands for all that its function puts into it.
func (er *eventReader) read() {
	reports := map[string][]string{} // by the function's name: the attributes that it adds
	for _, f := range er.funcs {
		if eventParam(f) {
			reports[f.Name.Name] = er.attrs(f.Body)
			if calls(f.Body, "Refused") {
				reports[f.Name.Name] = append(reports[f.Name.Name], "method", "path")
			}
		}
	}
	reports["Report"], reports["Record"], reports["Refused"], reports["Counted"] = nil, nil, []string{"method", "path"}, nil
	for _, f := range er.funcs {
		if f.Body == nil || eventParam(f) {
			continue
		}
		ast.Inspect(f.Body, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			own, ok := reports[callee(call)]
			if !ok || len(call.Args) < 3 {
				return true
			}
			events := []string{er.event(call.Args[1])}
			if events[0] == "" {
				events = er.assigned(f.Body)
			}
			attrs := slices.Clone(own)
			for _, arg := range call.Args[2:] {
				attrs = append(attrs, er.list(f.Body, arg)...)
			}
			for _, e := range events {
				er.add(e, attrs)
			}
			return true
		})
	}
}

// list returns the attributes in an argument of a call: made there, or put into
// a variable before.
func (er *eventReader) list(body ast.Node, arg ast.Expr) []string {
	found := er.attrs(arg)
	if call, ok := arg.(*ast.CallExpr); ok && callee(call) == "append" {
		arg = call.Args[0]
	}
	name, ok := arg.(*ast.Ident)
	if !ok {
		return found
	}
	ast.Inspect(body, func(n ast.Node) bool {
		as, ok := n.(*ast.AssignStmt)
		if ok && slices.ContainsFunc(as.Lhs, func(e ast.Expr) bool { id, ok := e.(*ast.Ident); return ok && id.Name == name.Name }) {
			for _, v := range as.Rhs {
				found = append(found, er.attrs(v)...)
			}
		}
		return true
	})
	return found
}

// assigned returns the events that body puts into a variable.
func (er *eventReader) assigned(body ast.Node) []string {
	var found []string
	ast.Inspect(body, func(n ast.Node) bool {
		if as, ok := n.(*ast.AssignStmt); ok {
			for _, v := range as.Rhs {
				if e := er.event(v); e != "" {
					found = append(found, e)
				}
			}
		}
		return true
	})
	return found
}

func (er *eventReader) add(event string, attrs []string) {
	if event == "" {
		return
	}
	if er.found[event] == nil {
		er.found[event] = map[string]bool{}
	}
	for _, a := range attrs {
		er.found[event][a] = true
	}
}

// reportedEvents returns what the code reports, in the order of the table.
func reportedEvents(t *testing.T) []reportedEvent {
	t.Helper()
	names, _ := eventNames(t)
	packages := map[string]*eventReader{}
	reader := func(name string) *eventReader {
		if packages[name] == nil {
			packages[name] = &eventReader{names: names, found: map[string]map[string]bool{}}
		}
		return packages[name]
	}
	take := func(name string, syntax *ast.File) {
		for _, d := range syntax.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				reader(name).funcs = append(reader(name).funcs, f)
			}
		}
	}
	parsed(t, true, func(name, _ string, _ *token.FileSet, syntax *ast.File) {
		if name == "" {
			name = "rampart"
		}
		switch {
		case name == "internal/redisx": // reports for those that ask Redis through it
			take("auth/authredis", syntax)
			take("incident/incidentredis", syntax)
			take("throttle/throttleredis", syntax)
		case !strings.HasPrefix(name, "internal/"):
			take(name, syntax)
		}
	})
	err := filepath.WalkDir(filepath.Join(root(t), "examples", "api"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root(t), filepath.Dir(path))
		take(filepath.ToSlash(name), syntax)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// The Monitor writes its own event, past the Reporter.
	reader("monitor").add(string(rampart.SysAlert), []string{"rule", "key", "total", "window", "last", "resolved"})
	var all []reportedEvent
	used := map[string]bool{}
	rows := map[[2]string]map[string]bool{} // event and layer → attributes
	for name, er := range packages {
		layer, _, _ := strings.Cut(name, "/internal/") // what is inside a layer is of it
		er.read()
		for event, attrs := range er.found {
			used[event] = true
			row := [2]string{event, layer}
			if rows[row] == nil {
				rows[row] = map[string]bool{}
			}
			maps.Copy(rows[row], attrs)
		}
	}
	for row, attrs := range rows {
		all = append(all, reportedEvent{row[0], row[1], slices.Sorted(maps.Keys(attrs))})
	}
	for _, event := range names {
		if !used[event] {
			all = append(all, reportedEvent{event, "yours", nil})
		}
	}
	slices.SortFunc(all, func(a, b reportedEvent) int {
		return strings.Compare(a.event+" "+a.layer, b.event+" "+b.layer)
	})
	return all
}

const (
	eventsBegin = "<!-- generated: RAMPART_UPDATE=1 go test ./internal/deptest -run Event -->\n"
	eventsEnd   = "<!-- end -->\n"
)

func TestTheTableOfEventsIsWhatTheCodeReports(t *testing.T) {
	file := filepath.Join(root(t), "docs", "events.md")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(text), eventsBegin)
	table, after, ok2 := strings.Cut(rest, eventsEnd)
	if !ok1 || !ok2 {
		t.Fatal("docs/events.md has lost the marks around its table")
	}
	when := map[string]string{}
	for line := range strings.Lines(table) {
		if cells := strings.Split(strings.TrimSpace(line), " | "); len(cells) == 6 {
			when[strings.Trim(cells[0], "| `")+" "+strings.Trim(cells[3], "`")] = strings.TrimSuffix(cells[5], " |")
		}
	}
	_, extension := eventNames(t)
	var b strings.Builder
	b.WriteString("| Event | Name | Level | Layer | Attributes | When |\n|---|---|---|---|---|---|\n")
	for _, e := range reportedEvents(t) {
		origin := "OWASP"
		if extension[e.event] {
			origin = "extension"
		}
		attrs := "`" + strings.Join(e.attrs, "` `") + "`"
		if len(e.attrs) == 0 {
			attrs = "–"
		}
		layer := "`" + e.layer + "`"
		if e.layer == "yours" {
			layer = e.layer
		}
		w := when[e.event+" "+e.layer]
		if w == "" || w == "?" {
			w = "?"
			t.Errorf("docs/events.md does not say when %s of %s happens", e.event, e.layer)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", e.event, origin, rampart.Event(e.event).Level(), layer, attrs, w)
	}
	if b.String() == table {
		return
	}
	if os.Getenv("RAMPART_UPDATE") != "" {
		if err := os.WriteFile(file, []byte(before+eventsBegin+b.String()+eventsEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, got := strings.Split(b.String(), "\n"), strings.Split(table, "\n")
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("missing row: %s", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("row of no event: %s", line)
		}
	}
	t.Error("write the table anew: RAMPART_UPDATE=1 go test ./internal/deptest -run Event")
}
