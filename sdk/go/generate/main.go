// The bindings of sdk/go, made of the contract: sdk/go/bindings runs it.
//
//	generate FOLDER < contract.json     writes below FOLDER, the root of the module
//
// What it does not know it refuses: so a contract that grows is noticed here and not in a plugin.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	contract = "weir:plugin"
	// For writer.home: all types are of the package itself.
	here = -2
)

func main() {
	defer func() {
		if problem := recover(); problem != nil {
			fmt.Fprintln(os.Stderr, "sdk/go/bindings:", problem)
			os.Exit(1)
		}
	}()
	if len(os.Args) != 2 {
		refuse("say where to write")
	}
	var d document
	if err := json.NewDecoder(os.Stdin).Decode(&d); err != nil {
		refuse("the contract is not what wasm-tools writes: %s", err)
	}
	root := os.Args[1]
	write(root, "contract.go", types(&d))
	write(root, "policy/exports_wasip1.go", exports(&d, "policy", "lifecycle", "decide"))
	write(root, "masker/exports_wasip1.go", exports(&d, "masker", "lifecycle", "mask"))
	for at, each := range d.Interfaces {
		if short, found := strings.CutPrefix(each.Name, "host-"); found {
			name := strings.ReplaceAll(short, "-", "")
			write(root, "host/"+name+"/"+name+".go", outside(&d, at, name))
			write(root, "host/"+name+"/imports_wasip1.go", imports(&d, at, name))
			write(root, "host/"+name+"/natively.go", natively(&d, at, name))
		}
	}
}

func write(root, name string, text []byte) {
	file := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		refuse("%s", err)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		refuse("%s", err)
	}
}

func (d *document) find(name string) int {
	for at, each := range d.Interfaces {
		if each.Name == name {
			return at
		}
	}
	refuse("the contract has no interface %s", name)
	return 0
}

// full is the name of an interface with package and version.
func (d *document) full(name string) string {
	_, version, found := strings.Cut(d.Packages[0].Name, "@")
	if !found || !strings.HasPrefix(d.Packages[0].Name, contract+"@") {
		refuse("package %s is not %s with a version", d.Packages[0].Name, contract)
	}
	return contract + "/" + name + "@" + version
}

// types is what a plugin in Go sees of the contract.
func types(d *document) []byte {
	w := newWriter(d, here)
	for _, each := range []string{"types", "lifecycle", "decide", "mask"} {
		w.typesOf(d.find(each))
	}
	return w.file("", "", "weir")
}

func (w *writer) typesOf(home int) {
	for at := range w.Types {
		t := &w.Types[at]
		if t.Owner == nil || t.Owner.Interface != home || t.Kind.Type != nil || t.Name == "" {
			continue
		}
		name := exported(t.Name)
		w.comment(t.Docs.Contents, name+" is a "+t.Name+" of the contract.")
		switch {
		case t.Kind.Record != nil:
			w.line("type %s struct {", name)
			for _, each := range t.Kind.Record.Fields {
				if each.Docs.Contents != "" {
					w.comment(each.Docs.Contents, "")
				}
				w.line("%s %s", exported(each.Name), w.goType(each.Type))
			}
			w.line("}\n")
		case t.Kind.Variant != nil:
			w.line("type %s interface{ is%s() }\n", name, name)
			for _, each := range t.Kind.Variant.Cases {
				w.comment(each.Docs.Contents, name+exported(each.Name)+" is a "+t.Name+".")
				if each.Type.absent {
					w.line("type %s%s struct{}", name, exported(each.Name))
				} else {
					w.line("type %s%s struct{ Value %s }", name, exported(each.Name), w.goType(each.Type))
				}
				w.line("func (%s%s) is%s() {}\n", name, exported(each.Name), name)
			}
		default:
			refuse("type %s is neither record nor variant", t.Name)
		}
	}
}

// exports is what a plugin of a world gives to the gateway: each calls on… of the same package.
func exports(d *document, name string, interfaces ...string) []byte {
	w := newWriter(d, -1)
	for _, each := range interfaces {
		functions := d.Interfaces[d.find(each)].Functions
		for _, name := range sortedKeys(functions) {
			w.export(d.full(each)+"#"+name, functions[name])
		}
	}
	return w.file("wasip1", "", name)
}

func (w *writer) export(symbol string, f witFunction) {
	var flat, names, declared []string
	for _, each := range f.Params {
		flat = append(flat, w.flat(each.Type)...)
	}
	const most = 16
	inMemory := len(flat) > most
	if inMemory {
		flat = []string{"uint32"}
	}
	for at, each := range flat {
		names = append(names, fmt.Sprintf("p%d", at))
		declared = append(declared, fmt.Sprintf("p%d %s", at, each))
	}
	result := ""
	if !f.Result.absent {
		result = "uint32"
	}
	w.line("//go:wasmexport %s\nfunc export%s(%s) %s {\n%s()", symbol, exported(f.Name), strings.Join(declared, ", "), result, w.abi("Begin"))
	_, _, offsets := w.places(fieldTypes(f.Params))
	var given []string
	for at, each := range f.Params {
		value := ""
		if inMemory {
			value = w.load(each.Type, w.abi("Pointer")+"(p0)", offsets[at])
		} else {
			value = w.lift(each.Type, &names)
		}
		w.line("%s := %s", local(each.Name), value)
		given = append(given, w.passed(each))
	}
	w.line("%s()", w.abi("Taken"))
	call := fmt.Sprintf("on%s(%s)", exported(f.Name), strings.Join(given, ", "))
	if f.Result.absent {
		w.line("%s\n}\n", call)
		return
	}
	size, _ := w.layout(f.Result)
	kind := w.of(f.Result).Kind
	room := fmt.Sprintf("room := %s(%d)", w.abi("Room"), size)
	switch {
	case kind.Result != nil:
		_, _, payload := w.cases([]typeRef{kind.Result.Ok, kind.Result.Err})
		if kind.Result.Ok.absent {
			w.line("fault := %s\n%s\nif fault != nil {", call, room)
		} else {
			w.line("value, fault := %s\n%s\nif fault != nil {", call, room)
		}
		w.line("*%s(room, 0) = 1\n%s", w.abi("At[uint8]"), w.store(kind.Result.Err, "room", payload, "(*fault)"))
		if !kind.Result.Ok.absent {
			w.line("} else {\n%s", w.store(kind.Result.Ok, "room", payload, "(*value)"))
		}
		w.line("}")
	case kind.Record != nil:
		w.line("value := %s\n%s\n%s", call, room, w.store(f.Result, "room", 0, "value"))
	default:
		refuse("what %s answers is not known here", symbol)
	}
	w.line("return %s(room)\n}\n", w.abi("Address"))
}

// passed is how a parameter is given on: records by their address.
func (w *writer) passed(of field) string {
	if t := w.resolved(of.Type); t.primitive == "" && w.of(t).Kind.Record != nil {
		return "&" + local(of.Name)
	}
	return local(of.Name)
}
