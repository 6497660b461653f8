//! The contract's reference as a page, made of `wit/*.wit`, `wit/words.tsv`, and the examples in `tests/guests`, two of
//! which are templates of `sdk/rust`.

use std::fmt::Write;
use std::path::Path;
use wit_parser::{Docs, Function, Interface, Resolve, Type, TypeDef, TypeDefKind, TypeId, WorldItem};

/// Worlds in the order of the page: the interface that makes a plugin one of it, and where its example is.
const WORLDS: [(&str, &str, &str); 4] = [
    ("policy", "decide", "tests/guests/example-policy"),
    ("masker", "mask", "tests/guests/example-masker"),
    ("stream-inspector", "stream-inspect", "sdk/rust/template/inspector"),
    ("http-inspector", "http-inspect", "sdk/rust/template/http-inspector"),
];
/// The name of what a template becomes.
const EXAMPLE: &str = "my-inspector";
/// Interfaces in the order of the page, with the file each is in.
const INTERFACES: [(&str, &str); 12] = [
    ("types", "types.wit"),
    ("lifecycle", "lifecycle.wit"),
    ("decide", "decide.wit"),
    ("mask", "mask.wit"),
    ("stream-inspect", "inspect.wit"),
    ("http-inspect", "http.wit"),
    ("host-log", "host.wit"),
    ("host-clock", "host.wit"),
    ("host-random", "host.wit"),
    ("host-key-value", "host.wit"),
    ("host-metrics", "host.wit"),
    ("host-http", "host.wit"),
];

pub(crate) fn resolve(repository: &Path) -> Resolve {
    let mut resolve = Resolve::default();
    resolve.push_dir(repository.join("wit")).expect("wit/ is sound");
    resolve
}

pub(crate) fn page(repository: &Path) -> String {
    let resolve = resolve(repository);
    let (_, package) = resolve.packages.iter().find(|(_, each)| each.name.name == "plugin").unwrap();
    let mut out = format!("# Reference of `{}`\n\n", package.name);
    out.push_str(
        "<!-- Made of wit/ by host/guests/tests/it/reference_page.rs: BLESS=1 cargo test -p weir-guests --test it reference -->\n\n\
         A plugin has one world: it exports `lifecycle` and one interface more, and may import what the host offers. \
         [How it all belongs together](README.md). Here: [worlds and an example of each](#worlds) · \
         [interfaces, function by function](#interfaces) · [words](#words) · [versions](#versions).\n",
    );
    out.push_str("\n# Worlds\n");
    for (world, interface, example) in WORLDS {
        world_section(&mut out, repository, &resolve, world, interface, example);
    }
    out.push_str("\n# Interfaces\n");
    for (name, file) in INTERFACES {
        interface_section(&mut out, repository, &resolve, name, file);
    }
    out.push_str("\n# Words\n\nSets that stay open. A plugin takes a word it does not know for the most careful one.\n");
    out.push_str("\n| of | word | said by | means |\n|---|---|---|---|\n");
    let words = read(repository, "wit/words.tsv");
    for line in words.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<_> = line.split('\t').collect();
        let [of, word, by, meaning] = cells[..] else { panic!("wit/words.tsv: {line}") };
        let _ = writeln!(out, "| {of} | `{word}` | {by} | {meaning} |");
    }
    let _ = write!(out, "\n# Versions\n\n{}\n", versions(&read(repository, "wit/README.md")).trim());
    out
}

fn read(repository: &Path, path: &str) -> String {
    std::fs::read_to_string(repository.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn interface<'r>(resolve: &'r Resolve, name: &str) -> &'r Interface {
    let mut all = resolve.interfaces.iter();
    all.find(|(_, each)| each.name.as_deref() == Some(name)).map(|(_, each)| each).unwrap()
}

fn world_section(
    out: &mut String,
    repository: &Path,
    resolve: &Resolve,
    name: &str,
    own: &str,
    example: &str,
) {
    let (_, world) = resolve.worlds.iter().find(|(_, world)| world.name == name).unwrap();
    let _ = write!(out, "\n## World `{name}`\n\n{}\n", text(&world.docs));
    let names = |items: &wit_parser::IndexMap<wit_parser::WorldKey, WorldItem>| -> Vec<String> {
        let ids = items.values().filter_map(|item| match item {
            WorldItem::Interface { id, .. } => resolve.interfaces[*id].name.clone(),
            _ => None,
        });
        ids.map(|name| format!("[`{name}`](#interface-{name})")).collect()
    };
    let _ = write!(
        out,
        "\nExports {}; may import {}.\n",
        names(&world.exports).join(" and "),
        names(&world.imports).join(", ")
    );
    out.push_str("\nWhat the host calls, and when:\n\n| call | when |\n|---|---|\n");
    for from in ["lifecycle", own] {
        for function in interface(resolve, from).functions.values() {
            let when = paragraph(&text(&function.docs));
            let when = when.split(". ").next().unwrap_or_default().trim_end_matches('.');
            let _ = writeln!(out, "| [`{from}.{0}`](#{from}{1}) | {when} |", function.name, function.name);
        }
    }
    let path = format!("{example}/src/lib.rs");
    let code = read(repository, &path).replace("{{name}}", EXAMPLE);
    let (head, code) = code.split_once("\n\n").unwrap();
    let head: Vec<_> = head.lines().map(|line| line.trim_start_matches("//!").trim()).collect();
    let _ = write!(
        out,
        "\n### An example of a {name}\n\n{} ([file](../{path}), built and run by `host/guests/tests/it/examples.rs`)\n\n```rust\n{}\n```\n",
        head.join(" "),
        code.trim_end()
    );
}

fn interface_section(out: &mut String, repository: &Path, resolve: &Resolve, name: &str, file: &str) {
    let interface = interface(resolve, name);
    let _ = write!(out, "\n## Interface `{name}`\n\n{}\n\nIn [`{file}`]({file}).\n", text(&interface.docs));
    let types: Vec<(&str, &TypeDef)> =
        interface.types.iter().map(|(name, id)| (name.as_str(), &resolve.types[*id])).collect();
    let used = types
        .iter()
        .filter(|(_, def)| matches!(def.kind, TypeDefKind::Type(_)))
        .map(|(name, _)| format!("`{name}`"));
    let used: Vec<_> = used.collect();
    if !used.is_empty() {
        let _ = write!(out, "\nOf [`types`](#interface-types) it uses {}.\n", used.join(", "));
    }
    for block in
        notes(&read(repository, &format!("wit/{file}"))).iter().filter(|_| name.ends_with("-inspect"))
    {
        let _ = write!(out, "\n```text\n{block}\n```\n");
    }
    for (name, def) in types {
        type_section(out, resolve, name, def);
    }
    for function in interface.functions.values() {
        function_section(out, resolve, name, function);
    }
}

fn type_section(out: &mut String, resolve: &Resolve, name: &str, def: &TypeDef) {
    let (kind, head, rows): (_, _, Vec<[String; 3]>) = match &def.kind {
        TypeDefKind::Type(_) => return,
        TypeDefKind::Record(record) => {
            let fields = record.fields.iter();
            let rows = fields.map(|field| [field.name.clone(), shown(resolve, &field.ty), cell(&field.docs)]);
            ("record", "| field | type | |", rows.collect())
        }
        TypeDefKind::Variant(variant) => {
            let cases = variant.cases.iter().map(|case| {
                let of = case.ty.as_ref().map_or(String::new(), |ty| shown(resolve, ty));
                [case.name.clone(), of, cell(&case.docs)]
            });
            ("variant", "| case | with | |", cases.collect())
        }
        other => panic!("the page has no form for {name}, which is a {}", other.as_str()),
    };
    let _ = write!(out, "\n### {kind} `{name}`\n\n");
    let docs = text(&def.docs);
    if !docs.is_empty() {
        let _ = write!(out, "{docs}\n\n");
    }
    let _ = write!(out, "{head}\n|---|---|---|\n");
    for [name, ty, docs] in rows {
        let ty = if ty.is_empty() { ty } else { format!("`{ty}`") };
        let _ = writeln!(out, "| `{name}` | {ty} | {docs} |");
    }
}

fn function_section(out: &mut String, resolve: &Resolve, interface: &str, function: &Function) {
    let parameters =
        function.params.iter().map(|each| format!("{}: {}", each.name, shown(resolve, &each.ty)));
    let parameters = parameters.collect::<Vec<_>>().join(", ");
    let result = function.result.as_ref().map_or(String::new(), |ty| format!(" -> {}", shown(resolve, ty)));
    let docs = text(&function.docs);
    assert!(!docs.is_empty(), "{interface}.{} says nothing of itself in wit/", function.name);
    let _ = write!(
        out,
        "\n### {interface}.{0}\n\n```wit\n{0}: func({parameters}){result}\n```\n\n{docs}\n",
        function.name
    );
}

fn shown(resolve: &Resolve, ty: &Type) -> String {
    let of = |ty: &Type| shown(resolve, ty);
    match ty {
        Type::Bool => "bool".into(),
        Type::U8 => "u8".into(),
        Type::U16 => "u16".into(),
        Type::U32 => "u32".into(),
        Type::U64 => "u64".into(),
        Type::S32 => "s32".into(),
        Type::S64 => "s64".into(),
        Type::F64 => "f64".into(),
        Type::String => "string".into(),
        Type::Id(id) => named(resolve, *id, of),
        other => panic!("the page has no form for {other:?}"),
    }
}

fn named(resolve: &Resolve, id: TypeId, of: impl Fn(&Type) -> String) -> String {
    let def = &resolve.types[id];
    if let Some(name) = &def.name {
        return name.clone();
    }
    match &def.kind {
        TypeDefKind::List(ty) => format!("list<{}>", of(ty)),
        TypeDefKind::Option(ty) => format!("option<{}>", of(ty)),
        TypeDefKind::Tuple(tuple) => {
            format!("tuple<{}>", tuple.types.iter().map(of).collect::<Vec<_>>().join(", "))
        }
        TypeDefKind::Result(result) => {
            let side = |ty: &Option<Type>| ty.as_ref().map_or("_".into(), &of);
            format!("result<{}, {}>", side(&result.ok), side(&result.err))
        }
        other => panic!("the page has no form for a {}", other.as_str()),
    }
}

fn text(docs: &Docs) -> String {
    docs.contents.as_deref().unwrap_or_default().trim().to_owned()
}

/// In one line, fit for a table.
fn cell(docs: &Docs) -> String {
    text(docs).split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn paragraph(text: &str) -> String {
    text.split("\n\n").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Comments that belong to no type: what the numbers mean.
fn notes(file: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    for line in file.lines().map(str::trim_start) {
        match line.strip_prefix("//").filter(|_| !line.starts_with("///")) {
            Some(note) => {
                _ = writeln!(blocks.last_mut().unwrap(), "{}", note.strip_prefix(' ').unwrap_or(note))
            }
            None => blocks.push(String::new()),
        }
    }
    blocks.into_iter().filter(|block| !block.is_empty()).map(|block| block.trim_end().to_owned()).collect()
}

/// The section of wit/README.md.
fn versions(readme: &str) -> &str {
    let (_, rest) = readme.split_once("\n## Versions\n").expect("wit/README.md has a section on versions");
    rest.split("\n## ").next().unwrap_or(rest)
}
