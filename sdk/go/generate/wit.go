// What `wasm-tools component wit --json` says of the contract, and how its types lie in memory.
package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

type document struct {
	Interfaces []witInterface `json:"interfaces"`
	Types      []witType      `json:"types"`
	Packages   []struct {
		Name string `json:"name"`
	} `json:"packages"`
}

type docs struct {
	Contents string `json:"contents"`
}

type witInterface struct {
	Name      string                 `json:"name"`
	Types     map[string]int         `json:"types"`
	Functions map[string]witFunction `json:"functions"`
	Docs      docs                   `json:"docs"`
}

type witFunction struct {
	Name   string  `json:"name"`
	Params []field `json:"params"`
	Result typeRef `json:"result"`
	Docs   docs    `json:"docs"`
}

type field struct {
	Name string  `json:"name"`
	Type typeRef `json:"type"`
	Docs docs    `json:"docs"`
}

// typeRef is a number of document.Types, the name of a primitive, or nothing.
type typeRef struct {
	number    int
	primitive string
	absent    bool
}

func (t *typeRef) UnmarshalJSON(text []byte) error {
	*t = typeRef{}
	if string(text) == "null" {
		t.absent = true
		return nil
	}
	if text[0] == '"' {
		return json.Unmarshal(text, &t.primitive)
	}
	return json.Unmarshal(text, &t.number)
}

// UnmarshalJSON: who answers nothing has no result there.
func (f *witFunction) UnmarshalJSON(text []byte) error {
	type plain witFunction
	f.Result.absent = true
	return json.Unmarshal(text, (*plain)(f))
}

type witType struct {
	Name string `json:"name"`
	Kind struct {
		Record *struct {
			Fields []field `json:"fields"`
		} `json:"record"`
		Variant *struct {
			Cases []field `json:"cases"`
		} `json:"variant"`
		Tuple *struct {
			Types []typeRef `json:"types"`
		} `json:"tuple"`
		Result *struct {
			Ok  typeRef `json:"ok"`
			Err typeRef `json:"err"`
		} `json:"result"`
		List   *typeRef `json:"list"`
		Option *typeRef `json:"option"`
		Type   *typeRef `json:"type"`
	} `json:"kind"`
	Owner *struct {
		Interface int `json:"interface"`
	} `json:"owner"`
	Docs docs `json:"docs"`
}

// Of each primitive: its type in Go, its bytes, and its form among parameters.
var primitives = map[string]struct {
	name string
	size int
	flat string
}{
	"bool": {"bool", 1, "uint32"},
	"u8":   {"uint8", 1, "uint32"},
	"u16":  {"uint16", 2, "uint32"},
	"u32":  {"uint32", 4, "uint32"},
	"u64":  {"uint64", 8, "uint64"},
	"s32":  {"int32", 4, "int32"},
	"s64":  {"int64", 8, "int64"},
	"f64":  {"float64", 8, "float64"},
}

// refuse ends the program: what is not known is not guessed.
func refuse(format string, all ...any) {
	panic(fmt.Sprintf(format, all...))
}

// resolved follows names for other types.
func (d *document) resolved(t typeRef) typeRef {
	for t.primitive == "" && !t.absent && d.Types[t.number].Kind.Type != nil {
		t = *d.Types[t.number].Kind.Type
	}
	return t
}

func (d *document) of(t typeRef) *witType {
	return &d.Types[d.resolved(t).number]
}

// layout is the size and alignment of a type in memory, in bytes.
func (d *document) layout(t typeRef) (size, alignment int) {
	t = d.resolved(t)
	if t.primitive == "string" {
		return 8, 4
	}
	if t.primitive != "" {
		known, found := primitives[t.primitive]
		if !found {
			refuse("type %s is not known here", t.primitive)
		}
		return known.size, known.size
	}
	kind := d.of(t).Kind
	switch {
	case kind.List != nil:
		return 8, 4
	case kind.Record != nil:
		size, alignment, _ = d.places(fieldTypes(kind.Record.Fields))
		return size, alignment
	case kind.Tuple != nil:
		size, alignment, _ = d.places(kind.Tuple.Types)
		return size, alignment
	case kind.Option != nil:
		size, alignment, _ = d.cases([]typeRef{{absent: true}, *kind.Option})
		return size, alignment
	case kind.Result != nil:
		size, alignment, _ = d.cases([]typeRef{kind.Result.Ok, kind.Result.Err})
		return size, alignment
	case kind.Variant != nil:
		size, alignment, _ = d.cases(fieldTypes(kind.Variant.Cases))
		return size, alignment
	}
	refuse("the kind of type %q is not known here", d.of(t).Name)
	return 0, 0
}

// places is where each of a record's fields lies.
func (d *document) places(types []typeRef) (size, alignment int, offsets []int) {
	alignment = 1
	for _, each := range types {
		bytes, aligned := d.layout(each)
		size = roundUp(size, aligned)
		offsets = append(offsets, size)
		size += bytes
		alignment = max(alignment, aligned)
	}
	return roundUp(size, alignment), alignment, offsets
}

// cases is the layout of what is one of many, and where its payload lies.
func (d *document) cases(types []typeRef) (size, alignment, payload int) {
	if len(types) > 256 {
		refuse("a variant of more than 256 cases")
	}
	alignment = 1
	for _, each := range types {
		if each.absent {
			continue
		}
		bytes, aligned := d.layout(each)
		size, alignment = max(size, bytes), max(alignment, aligned)
	}
	payload = roundUp(1, alignment)
	return roundUp(payload+size, alignment), alignment, payload
}

// flat is the form of a type among parameters.
func (d *document) flat(t typeRef) []string {
	t = d.resolved(t)
	if t.primitive == "string" {
		return []string{"uint32", "uint32"}
	}
	if t.primitive != "" {
		d.layout(t)
		return []string{primitives[t.primitive].flat}
	}
	kind := d.of(t).Kind
	switch {
	case kind.List != nil:
		return []string{"uint32", "uint32"}
	case kind.Record != nil:
		var all []string
		for _, each := range kind.Record.Fields {
			all = append(all, d.flat(each.Type)...)
		}
		return all
	case kind.Option != nil:
		return append([]string{"uint32"}, d.flat(*kind.Option)...)
	}
	// Cases share places there, by rules of their own.
	refuse("%q among parameters is not known here", d.of(t).Name)
	return nil
}

func fieldTypes(fields []field) []typeRef {
	var all []typeRef
	for _, each := range fields {
		all = append(all, each.Type)
	}
	return all
}

func roundUp(size, alignment int) int {
	return (size + alignment - 1) / alignment * alignment
}

// exported is a name of the contract as one of Go's that others may use.
func exported(name string) string {
	var all strings.Builder
	for _, word := range strings.Split(name, "-") {
		switch word {
		case "id", "url":
			all.WriteString(strings.ToUpper(word))
		default:
			all.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return all.String()
}

// local is the same for a parameter.
func local(name string) string {
	if first, rest, found := strings.Cut(name, "-"); found {
		return first + exported(rest)
	}
	return name
}
