package deptest_test

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// goroutines lists who may start one, each with what ends it. Timers of
// time.AfterFunc end by themselves and are not counted.
var goroutines = map[string]string{
	"NewAccessLog": "gateway/internal/engine/access.go: ends with Close, which waits for it",
	"NewLogWriter": "server/logwriter.go: ends with Close, once the destination has taken or refused what it was given",
	"ask":          "internal/redisx: ends with the client's own time limit; waited for no longer than a command may take",
	"Start":        "crypto/column/background.go: ends with Close, which waits for it",
	"Do":           "internal/redisx: a probe ends as the command that it sends; one at a time",
	"flightOf":     "cors/ask.go: ends with OriginFunc, which has a context with a deadline; one for each origin, and no more calls at once than there are turns",
	"launch":       "auth/remotefetch.go: a fetch of keys ends with its own time limit and with Close, which waits for it; one at a time",
	"Serve":        "server/server.go, gateway/serve.go: ends with the listener or context, waited for before Serve returns",
	"probe":        "server/health.go: ends with its check; one for each check at most",
	"serve":        "gateway/cmd/gateway/main.go: ends before serve returns, as its context does",
	"newLogQueue":  "gateway/internal/plugin/logqueue.go: ends with close, which waits for it; one for each use of a log plugin",
	"use":          "gateway/internal/plugin/issuers.go: ends with the last release, or once the issuer has answered",
	"start":        "feed/feed.go, gateway/internal/proxy/active.go, monitor/alert.go, crypto/tlsconf/reloader.go: ends with Close, which waits for it",
}

// constants are package variables that nothing writes: errors, and compiled
// tables that Go cannot express as constants.
var constantName = regexp.MustCompile(`^(Err|err)[A-Z]`)

func TestNoInitNoMutablePackageVariableNoOwnerlessGoroutine(t *testing.T) {
	parsed(t, true, func(name, file string, fset *token.FileSet, syntax *ast.File) {
		at := func(n ast.Node) string {
			return name + "/" + file + ":" + strings.SplitN(fset.Position(n.Pos()).String(), ":", 2)[1]
		}
		for _, decl := range syntax.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Name.Name == "init" && d.Recv == nil {
					t.Errorf("%s: func init", at(d))
				}
				ast.Inspect(d, func(n ast.Node) bool {
					if g, ok := n.(*ast.GoStmt); ok && goroutines[d.Name.Name] == "" {
						t.Errorf("%s: %s starts a goroutine; add it to the table with what ends it", at(g), d.Name.Name)
					}
					return true
				})
			case *ast.GenDecl:
				if d.Tok != token.VAR {
					continue
				}
				for _, spec := range d.Specs {
					for _, id := range spec.(*ast.ValueSpec).Names {
						if id.Name != "_" && !constantName.MatchString(id.Name) && !readOnly(d) {
							t.Errorf("%s: package variable %s", at(id), id.Name)
						}
					}
				}
			}
		}
	})
}

// readOnly reports whether a variable's comment claims that nothing writes it;
// the linter asks for the same comment in its own words.
func readOnly(d *ast.GenDecl) bool {
	var text strings.Builder
	text.WriteString(d.Doc.Text())
	for _, spec := range d.Specs {
		text.WriteString(spec.(*ast.ValueSpec).Comment.Text() + spec.(*ast.ValueSpec).Doc.Text())
		if c := spec.(*ast.ValueSpec).Comment; c != nil {
			for _, line := range c.List {
				text.WriteString(line.Text)
			}
		}
	}
	return strings.Contains(text.String(), "read-only")
}

func TestEachPackageHasOneDocInDocGo(t *testing.T) {
	docs := map[string][]string{}
	packages := map[string]bool{}
	parsed(t, true, func(name, file string, _ *token.FileSet, syntax *ast.File) {
		packages[name] = true
		if syntax.Doc != nil {
			docs[name] = append(docs[name], file)
		}
	})
	for name := range packages {
		switch files := docs[name]; {
		case len(files) != 1:
			t.Errorf("package %q has %d package comments: %v", name, len(files), files)
		case !strings.HasPrefix(name, "internal/") && !strings.Contains(name, "/internal/") && files[0] != "doc.go":
			t.Errorf("package %q is documented in %s, not in doc.go", name, files[0])
		}
	}
}

func TestEveryExportedSymbolIsDocumented(t *testing.T) {
	parsed(t, false, func(name, file string, fset *token.FileSet, syntax *ast.File) {
		check := func(id *ast.Ident, docs ...*ast.CommentGroup) {
			if id.IsExported() && !slices.ContainsFunc(docs, func(c *ast.CommentGroup) bool { return c.Text() != "" }) {
				t.Errorf("%s: %s.%s has no comment", fset.Position(id.Pos()), name, id.Name)
			}
		}
		for _, decl := range syntax.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil || exportedReceiver(d.Recv) {
					check(d.Name, d.Doc)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.TypeSpec:
						check(s.Name, s.Doc, d.Doc)
						if s.Name.IsExported() {
							members(s.Type, s.Doc.Text()+d.Doc.Text(), check)
						}
					case *ast.ValueSpec:
						for _, id := range s.Names {
							check(id, s.Doc, s.Comment, d.Doc)
						}
					}
				}
			}
		}
	})
}

func exportedReceiver(recv *ast.FieldList) bool {
	typ := recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if index, ok := typ.(*ast.IndexExpr); ok {
		typ = index.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

// members checks the fields of a struct and the methods of an interface. A
// comment above a run of fields stands for the run, the type's own comment for a
// member that it names, and a type for the field that has its name
// (Reason TokenReason).
func members(typ ast.Expr, doc string, check func(*ast.Ident, ...*ast.CommentGroup)) {
	var fields *ast.FieldList
	switch x := typ.(type) {
	case *ast.StructType:
		fields = x.Fields
	case *ast.InterfaceType:
		fields = x.Methods
	default:
		return
	}
	var above *ast.CommentGroup
	for _, f := range fields.List {
		if f.Doc != nil {
			above = f.Doc
		}
		for _, id := range f.Names {
			typ, _ := f.Type.(*ast.Ident)
			if !strings.Contains(doc, id.Name) && (typ == nil || !strings.HasSuffix(typ.Name, id.Name)) {
				check(id, above, f.Comment)
			}
		}
	}
}
