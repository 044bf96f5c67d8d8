package conf

import "reflect"

// Schema describes the kind's fields as Kong's Admin API does. It is made of what
// documents are read by: the structs, their tags and their defaults.
func (k Kind) Schema() map[string]any {
	return map[string]any{"fields": fieldsSchema(reflect.ValueOf(k.fresh()).Elem()), "entity_checks": []any{}}
}

// ConfigSchema describes the configuration of a plugin; false if there is none of
// that name.
func (ps Plugins) ConfigSchema(name string) (map[string]any, bool) {
	cfg := ps.config(name)
	if cfg == nil {
		return nil, false
	}
	return map[string]any{"fields": fieldsSchema(reflect.ValueOf(cfg).Elem())}, true
}

// Schema describes a plugin; false if there is none of that name.
func (ps Plugins) Schema(name string) (map[string]any, bool) {
	config, ok := ps.ConfigSchema(name)
	if !ok {
		return nil, false
	}
	config["type"], config["required"] = "record", true
	var fields []any
	eachField(reflect.ValueOf(NewPlugin()).Elem(), func(name, option string, v reflect.Value) {
		switch name {
		case "config":
			fields = append(fields, map[string]any{name: config})
		case "protocols", "service", "route", "consumer":
			fields = append(fields, map[string]any{name: fieldSchema(name, option, v)})
		}
	})
	return map[string]any{"fields": fields, "entity_checks": []any{}}, true
}

func fieldsSchema(v reflect.Value) []any {
	fields := []any{}
	eachField(v, func(name, option string, f reflect.Value) {
		if option != optShort {
			fields = append(fields, map[string]any{name: fieldSchema(name, option, f)})
		}
	})
	for name, value := range offShown(v) {
		s := map[string]any{"type": "string", "description": "not known here, apart from its default"}
		if def := offValue(value); def != nil {
			s["default"] = def
			switch def.(type) {
			case bool:
				s["type"] = "boolean"
			case int:
				s["type"] = "integer"
			}
		}
		fields = append(fields, map[string]any{name: s})
	}
	return fields
}

func fieldSchema(name, option string, v reflect.Value) map[string]any {
	s := typeSchema(v)
	if v.Type() == reflect.TypeFor[Ref]() {
		s["reference"] = name + "s"
	}
	switch {
	case option == optAuto:
		s["auto"] = true
		if name == "id" {
			s["uuid"] = true
		}
	case v.Kind() == reflect.Struct: // its fields have defaults
	default:
		if def := shown(option, v); def != nil {
			s["default"] = def
		}
	}
	return s
}

func typeSchema(v reflect.Value) map[string]any {
	zero := func() reflect.Value { return reflect.New(v.Type().Elem()).Elem() }
	switch v.Kind() {
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Pointer:
		return typeSchema(zero())
	case reflect.Slice:
		return map[string]any{"type": "array", "elements": typeSchema(zero())}
	case reflect.Map:
		return map[string]any{"type": "map", "keys": map[string]any{"type": "string"}, "values": typeSchema(zero())}
	case reflect.Struct:
		return map[string]any{"type": "record", "required": true, "fields": fieldsSchema(v)}
	case reflect.Interface: // the configuration of a plugin, which has a schema of its own
		return map[string]any{"type": "record", "abstract": true}
	default:
		if v.Type() == reflect.TypeFor[Ref]() {
			return map[string]any{"type": "foreign"}
		}
		return map[string]any{"type": "string"}
	}
}
