// Packages for what the gateway offers, one for each interface.
package main

import (
	"fmt"
	"strings"
)

// outside is the package's types and functions. These are variables, so that a test can put something in their place.
func outside(d *document, at int, name string) []byte {
	w := newWriter(d, at)
	w.typesOf(at)
	of := d.Interfaces[at]
	for _, each := range sortedKeys(of.Functions) {
		w.comment(of.Functions[each].Docs.Contents, exported(each)+" is "+each+" of the contract.")
		w.line("var %s = %s\n", exported(each), "call"+exported(each))
	}
	var about strings.Builder
	for _, each := range strings.Split(fmt.Sprintf("Package %s is %s of the contract.\n\n%s", name, of.Name, of.Docs.Contents), "\n") {
		about.WriteString(strings.TrimRight("// "+each, " ") + "\n")
	}
	return w.file("", about.String(), name)
}

// signature is a function's in Go: of a result, its value and an error.
func (w *writer) signature(f witFunction) string {
	var all []string
	for _, each := range f.Params {
		all = append(all, local(each.Name)+" "+w.goType(each.Type))
	}
	answer := ""
	if !f.Result.absent {
		if kind := w.resultOf(f); kind == nil {
			answer = w.goType(f.Result)
		} else if kind.absent {
			answer = "error"
		} else {
			answer = fmt.Sprintf("(%s, error)", w.goType(*kind))
		}
	}
	return fmt.Sprintf("call%s(%s) %s", exported(f.Name), strings.Join(all, ", "), answer)
}

// resultOf is the good case of what a function answers, if it may answer a fault.
func (w *writer) resultOf(f witFunction) *typeRef {
	if t := w.resolved(f.Result); t.primitive == "" && w.of(t).Kind.Result != nil {
		return &w.of(t).Kind.Result.Ok
	}
	return nil
}

func imports(d *document, at int, name string) []byte {
	w := newWriter(d, at)
	of := d.Interfaces[at]
	for _, each := range sortedKeys(of.Functions) {
		w.importOf(d.full(of.Name), of.Functions[each])
	}
	return w.file("wasip1", "", name)
}

func (w *writer) importOf(module string, f witFunction) {
	var flat []string
	for _, each := range f.Params {
		flat = append(flat, w.flat(each.Type)...)
	}
	if len(flat) > 16 {
		refuse("%s has more than 16 parameters", f.Name)
	}
	t := w.resolved(f.Result)
	direct := t.primitive != "" && t.primitive != "string"
	answer := ""
	switch {
	case direct:
		answer = primitives[t.primitive].flat
	case !t.absent:
		flat = append(flat, "uint32")
	}
	declared := make([]string, len(flat))
	for at, each := range flat {
		declared[at] = fmt.Sprintf("p%d %s", at, each)
	}
	w.line("//go:wasmimport %s %s\nfunc import%s(%s) %s\n", module, f.Name, exported(f.Name), strings.Join(declared, ", "), answer)

	w.line("func %s {\n%s()", w.signature(f), w.abi("Await"))
	var given, before []string
	for _, each := range f.Params {
		given = append(given, w.lower(each.Type, local(each.Name), &before)...)
	}
	for _, each := range before {
		w.line("%s", each)
	}
	called := "import" + exported(f.Name)
	if t.absent || direct {
		call := fmt.Sprintf("%s(%s)", called, strings.Join(given, ", "))
		if direct {
			call = fmt.Sprintf("return %s(%s)", w.goType(t), call)
		}
		w.line("%s\n}\n", call)
		return
	}
	size, _ := w.layout(t)
	given = append(given, w.abi("Address")+"(room)")
	w.line("room := %s(%d)\n%s(%s)\ndefer %s()", w.abi("Room"), size, called, strings.Join(given, ", "), w.abi("Taken"))
	kind := w.of(t).Kind
	if kind.Result == nil {
		w.line("return %s\n}\n", w.load(t, "room", 0))
		return
	}
	_, _, payload := w.cases([]typeRef{kind.Result.Ok, kind.Result.Err})
	w.line("if *%s(room, 0) != 0 {\nfault := %s", w.abi("At[uint8]"), w.load(kind.Result.Err, "room", payload))
	if kind.Result.Ok.absent {
		w.line("return &fault\n}\nreturn nil\n}\n")
		return
	}
	w.line("var none %s\nreturn none, &fault\n}\nreturn %s, nil\n}\n", w.goType(kind.Result.Ok), w.load(kind.Result.Ok, "room", payload))
}

// natively is what there is in a test: nothing, and the log on standard error.
func natively(d *document, at int, name string) []byte {
	w := newWriter(d, at)
	of := d.Interfaces[at]
	for _, each := range sortedKeys(of.Functions) {
		f := of.Functions[each]
		w.line("func %s {", w.signature(f))
		if name == "log" {
			w.imports["os"], w.imports["fmt"] = true, true
			w.line("fmt.Fprintln(os.Stderr, level, message)\n}\n")
			continue
		}
		w.line("panic(\"%s.%s is the gateway's: put a function in its place for a test\")\n}\n", name, exported(each))
	}
	return w.file("!wasip1", "", name)
}
