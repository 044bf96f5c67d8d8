package sanitize

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// form reads an urlencoded body into v.
func (d *decoder) form(n *node, v reflect.Value, body string, l *Limits) *rampart.Problem {
	list, fault := strictjson.Pairs(body, l.MaxParams)
	if fault != nil {
		return strictjson.Unreadable.Problem(fault.At("#"))
	}
	d.params(n, v, list, l)
	return nil
}

// params stores the parameters in the fields of v, then checks all of it.
func (d *decoder) params(n *node, v reflect.Value, list []strictjson.Pair, l *Limits) {
	fm := &form{d, make(map[string]bool), make(map[string]bool), make(map[string]int), l}
	d.sent = fm.sent
	place := d.place
	d.place = func(pointer string) rampart.FieldError {
		if i := strings.LastIndexByte(pointer, '/'); i > 0 && fm.appended[pointer[:i]] {
			pointer = pointer[:i] // the client gave no index
		}
		return place(pointer)
	}
	var order []string
	for i := range list {
		pr := &list[i]
		path := n.object.path(pr.Name, l)
		if _, known := n.object.byName[path[0]]; known && d.emptyAbsent && pr.Value == "" && pr.Part == nil {
			continue
		}
		order = append(order, strings.TrimPrefix(strictjson.Under("", path[0]), "/"))
		if !d.full() {
			fm.put(n, v, path, pr, false)
		}
		d.path = d.path[:0]
	}
	d.depth, d.once = l.MaxDepth, true
	d.visit(n, v)
	d.rank(order)
}

// path returns the steps that lead to what a parameter is for: a field of its very name
// goes before one that the name would lead to.
func (o *object) path(name string, l *Limits) []string {
	if _, exact := o.byName[name]; exact {
		return []string{name}
	}
	return steps(name, l.MaxDepth)
}

// steps takes the name of a parameter apart: "address.street" and "address[street]"
// are the street of the address, "items[0].sku" and "items[0][sku]" that of an
// element, and "tag[]" is one more element. A name of another form, or one that
// goes too deep, is a name like any other.
func steps(name string, most int) []string {
	end := strings.IndexAny(name, ".[")
	if end <= 0 {
		return []string{name}
	}
	path := []string{name[:end]}
	for rest := name[end:]; rest != ""; {
		var step, after string
		var ok bool
		if rest[0] == '[' {
			step, after, ok = strings.Cut(rest[1:], "]")
		} else {
			end := strings.IndexAny(rest[1:]+".", ".[") + 1
			step, after = rest[1:end], rest[end:]
			ok = step != ""
		}
		ok = ok && (step != "" || after == "") && (after == "" || after[0] == '.' || after[0] == '[')
		if !ok || len(path) == most {
			return []string{name}
		}
		path, rest = append(path, step), after
	}
	return path
}

// form fills a value with parameters.
type form struct {
	*decoder
	sent     map[string]bool // the places that have had one
	appended map[string]bool // lists whose elements came without an index
	lengths  map[string]int  // of lists, so far
	limits   *Limits
}

// put stores a parameter in v, at the rest of its path. An element that was just
// appended cannot have been there twice.
func (fm *form) put(n *node, v reflect.Value, path []string, pr *strictjson.Pair, fresh bool) {
	if n.kind == kindObject || n.kind == kindDict || n.kind == kindList {
		fm.sent[fm.pointer()] = true
	}
	switch n.kind {
	case kindOptional:
		v.Field(1).SetBool(true)
		fm.put(n.elem, v.Field(0), path, pr, fresh)
	case kindNull:
		v.Field(1).SetBool(true)
		fm.put(n.elem, v.Field(0), path, pr, fresh)
	case kindPointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		fm.put(n.elem, v.Elem(), path, pr, fresh)
	case kindObject:
		fm.member(n, v, path, pr)
	case kindDict:
		fm.entry(n, v, path, pr)
	case kindList:
		fm.element(n, v, path, pr)
	default:
		switch at := fm.pointer(); {
		case len(path) > 0:
			fm.under(strings.Join(path, "."))
			fm.note(shared(strictjson.ErrUnknown))
		case !fresh && fm.sent[at]: // the first wins in one parser, the last in another
			fm.misshapen = true
			fm.note(shared(strictjson.ErrRepeated))
		default:
			fm.sent[at] = true
			fm.note(fm.scalar(n, v, pr))
		}
	}
}

func (fm *form) member(n *node, v reflect.Value, path []string, pr *strictjson.Pair) {
	if len(path) == 0 {
		fm.note(shared(strictjson.ErrUnknown))
		return
	}
	i, known := n.object.byName[path[0]]
	if !known {
		fm.under(path[0])
		fm.note(n.object.stranger(path[0], fm.unknown))
		return
	}
	f := &n.object.fields[i]
	fm.under(f.name)
	value, _ := f.of(v, true)
	fm.put(f.node, value, path[1:], pr, false)
}

// element stores a parameter in an element of a list: the next one, or one that
// there is already. The indices must come in order, so that none is left out.
func (fm *form) element(n *node, v reflect.Value, path []string, pr *strictjson.Pair) {
	bare := len(path) == 0 || len(path) == 1 && path[0] == ""
	at := fm.pointer()
	have := fm.lengths[at]
	i := have
	if !bare {
		var err error
		if i, err = strconv.Atoi(path[0]); err != nil || i < 0 || i > have || strconv.Itoa(i) != path[0] {
			fm.note(&Invalid{Code: CodeInvalid, Detail: "The elements of a list are numbered from 0, in order."})
			return
		}
		path = path[1:]
	} else {
		path = nil
	}
	if bare && (!n.elem.flat() || n.elem.kind == kindList) {
		fm.note(shared(strictjson.ErrUnknown))
		return
	}
	switch {
	case i < have:
	case v.Kind() == reflect.Array && i >= v.Len():
		fm.note(&Invalid{Code: CodeMaxLength, Detail: "Ensure this field has exactly " + strconv.Itoa(v.Len()) + " elements."})
		return
	case v.Kind() == reflect.Slice:
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
	}
	fm.lengths[at] = max(have, i+1)
	if bare {
		fm.appended[at] = true
		fm.put(n.elem, v.Index(i), nil, pr, true)
		return
	}
	fm.underIndex(i)
	fm.put(n.elem, v.Index(i), path, pr, false)
}

// entry stores a parameter in a map.
func (fm *form) entry(n *node, v reflect.Value, path []string, pr *strictjson.Pair) {
	if len(path) == 0 {
		fm.note(shared(strictjson.ErrUnknown))
		return
	}
	if len(path[0]) > fm.limits.MaxString {
		fm.note(shared(strictjson.ErrTextTooLong))
		return
	}
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	fm.under(path[0])
	key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
	if inv := n.key.parseKey(key, path[0]); inv != nil {
		fm.note(inv)
		return
	}
	if old := v.MapIndex(key); old.IsValid() {
		elem.Set(old)
	}
	fm.put(n.elem, elem, path[1:], pr, false)
	v.SetMapIndex(key, elem)
}

// scalar stores the text of a parameter, or a file.
func (fm *form) scalar(n *node, v reflect.Value, pr *strictjson.Pair) *Invalid {
	inv, bad := pr.Part.(*Invalid)
	file, isFile := pr.Part.(*File)
	switch {
	case bad:
		return inv
	case len(pr.Value) > fm.limits.MaxString:
		return shared(strictjson.ErrTextTooLong)
	case isFile != (n.kind == kindFile):
		fm.misshapen = true
		return n.wrong
	case isFile:
		v.Set(reflect.ValueOf(*file))
		return nil
	}
	return n.fromText(v, pr.Value)
}

// flat reports whether one text or several can be n's value.
func (n *node) flat() bool {
	switch n.kind {
	case kindObject, kindDict:
		return false
	case kindList:
		return n.elem.kind != kindList && n.elem.flat()
	case kindPointer, kindOptional, kindNull:
		return n.elem.flat()
	default:
		return true
	}
}

// fromText is fill for a text from a form, where everything is text.
func (n *node) fromText(v reflect.Value, s string) *Invalid {
	switch n.kind {
	case kindBool:
		switch s {
		case "true", "on", "1": // "on" is a checkbox
			s = "true"
		case "false", "off", "0":
			s = "false"
		default:
			return n.wrong
		}
	case kindFloat:
		if !strictjson.IsNumber(s) { // ParseFloat also takes NaN, Inf, hexadecimal and underscores
			return n.wrong
		}
	case kindInt, kindUint:
		if strings.HasPrefix(s, "+") {
			return n.wrong
		}
	case kindAny, kindJSON:
		return n.looseText(v, s)
	default: // as it is
	}
	return n.fill(v, s)
}

// looseText stores a text where a value of any type could be.
func (n *node) looseText(v reflect.Value, s string) *Invalid {
	switch {
	case strings.IndexByte(s, 0) >= 0:
		return shared(strictjson.ErrNUL)
	case n.kind == kindAny:
		v.Set(reflect.ValueOf(s))
	case isParsed(n.typ):
		return refuseIf(!parseText(v, s), n.wrong)
	default:
		return refuseIf(v.Addr().Interface().(json.Unmarshaler).UnmarshalJSON([]byte(strictjson.Quote(s))) != nil, n.wrong) //nolint:forcetypeassert // readsJSON has seen to it
	}
	return nil
}
