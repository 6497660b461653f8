//! Plugins made of a few instructions: what no toolchain would write, for every function of every world.
//!
//! Left alone they are quiet: each function answers zeros, which in every world is "fine, nothing to say". A part that is
//! put in does the harm.

use crate::reference_page::resolve;
use crate::support::repository;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::OnceLock;
use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{Resolve, WorldItem};

/// Where zeros lie: the answer of whoever has nothing to say.
pub(crate) const ZEROS: u32 = 1024;
/// Where only ones lie.
pub(crate) const ONES: u32 = 8192;
/// A masking plan that wants the first column.
const PLAN: u32 = 16_384;
/// An own answer with status 403.
const ANSWER: u32 = 16_640;
/// Where the allocator begins.
const HEAP: u32 = 65_536;

pub(crate) const WORLDS: [&str; 4] = ["policy", "masker", "stream-inspector", "http-inspector"];

fn contract() -> &'static Resolve {
    static CONTRACT: OnceLock<Resolve> = OnceLock::new();
    CONTRACT.get_or_init(|| resolve(&repository()))
}

/// A plugin of a world, with parts of it replaced.
#[derive(Clone, Debug, Default)]
pub(crate) struct Made {
    world: String,
    bodies: BTreeMap<String, String>,
    posts: BTreeMap<String, String>,
    realloc: Option<String>,
    more: String,
    pages: u32,
}

impl Made {
    pub(crate) fn quiet(world: &str) -> Self {
        Self { world: world.to_owned(), pages: 2, ..Self::default() }
    }

    /// What the function does instead. It has to leave a number on the stack if the function answers something.
    pub(crate) fn body(mut self, function: &str, body: impl Into<String>) -> Self {
        self.bodies.insert(function.to_owned(), body.into());
        self
    }

    /// What happens when the host has read the function's answer.
    pub(crate) fn post(mut self, function: &str, body: impl Into<String>) -> Self {
        self.posts.insert(function.to_owned(), body.into());
        self
    }

    /// What the allocator does when the host wants room for an argument.
    pub(crate) fn realloc(mut self, body: impl Into<String>) -> Self {
        self.realloc = Some(body.into());
        self
    }

    /// Fields of the module besides.
    pub(crate) fn more(mut self, fields: &str) -> Self {
        self.more.push_str(fields);
        self
    }

    pub(crate) fn pages(mut self, pages: u32) -> Self {
        self.pages = pages;
        self
    }

    /// Bytes that lie in memory from the start.
    pub(crate) fn data(self, at: u32, bytes: &[u8]) -> Self {
        let bytes: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        self.more(&format!("(data (i32.const {at}) \"{bytes}\")\n"))
    }

    pub(crate) fn text(&self) -> String {
        let mut out = String::from(
            "(module\n(import \"weir:plugin/host-log@0.1.0\" \"log\" (func $log (param i32 i32 i32)))\n",
        );
        let _ = writeln!(out, "(memory (export \"memory\") {})", self.pages);
        let _ = writeln!(out, "(global $heap (mut i32) (i32.const {HEAP}))");
        out.push_str(DEEP);
        let realloc = self.realloc.as_deref().unwrap_or(ALLOCATE);
        let _ = writeln!(
            out,
            "(func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) (local $at i32)\n{realloc})"
        );
        for function in functions(&self.world) {
            let body = self.bodies.get(&function.name).cloned().unwrap_or_else(|| function.quiet());
            let _ = writeln!(
                out,
                "(func (export \"{}\") {} (local $n i32) (local $l i64)\n{body})",
                function.core, function.types
            );
            if function.answers {
                let post = self.posts.get(&function.name).map_or("", String::as_str);
                let _ = writeln!(out, "(func (export \"cabi_post_{}\") (param i32) {post})", function.core);
            }
        }
        let plan: Vec<u8> =
            [0, PLAN + 32, 1, 0, 0, 0].iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
        let ones = "\\ff".repeat(512);
        for (at, bytes) in [(PLAN, hex(&plan)), (ANSWER, hex(&403_u32.to_le_bytes())), (ONES, ones)] {
            let _ = writeln!(out, "(data (i32.const {at}) \"{bytes}\")");
        }
        out + &self.more + ")"
    }

    /// The core module, with the world in it: what a toolchain gives.
    pub(crate) fn module(&self) -> Vec<u8> {
        let text = self.text();
        let module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        embed(module, &self.world)
    }
}

/// A core module with the name of its world in it.
pub(crate) fn embed(mut module: Vec<u8>, world: &str) -> Vec<u8> {
    let contract = contract();
    let (id, _) = contract.worlds.iter().find(|(_, each)| each.name == world).unwrap();
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, contract, id, encoding).unwrap();
    module
}

/// The same as a component.
pub(crate) fn component(module: &[u8]) -> Vec<u8> {
    let encoder = wit_component::ComponentEncoder::default().module(module).unwrap();
    encoder.validate(true).encode().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

/// Calls itself until the stack is used up.
const DEEP: &str = "(func $deep (param i64) (result i64) (local.get 0) (call $deep (i64.add (local.get 0) (i64.const 1))) (i64.add))\n";

/// Hands out what lies behind what it handed out last.
pub(crate) const ALLOCATE: &str = "
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
    (global.set $heap (i32.add (local.get $at) (local.get 3)))
    (if (i32.gt_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536)))
        (then (drop (memory.grow (i32.add (i32.div_u (local.get 3) (i32.const 65536)) (i32.const 1))))))
    (local.get $at)";

/// A function of a world, as the module has it.
pub(crate) struct Exported {
    /// `decide`, `configure`, …
    pub(crate) name: String,
    core: String,
    types: String,
    pub(crate) answers: bool,
    /// It is given texts or lists, for which the host asks the guest for room.
    pub(crate) allocates: bool,
}

impl Exported {
    fn quiet(&self) -> String {
        match self.name.as_str() {
            "plan" => format!("(i32.const {PLAN})"),
            "refuse" if self.core.contains("http-inspect") => format!("(i32.const {ANSWER})"),
            _ if self.answers => format!("(i32.const {ZEROS})"),
            _ => String::new(),
        }
    }

    /// Whether the host calls it before the plugin serves.
    pub(crate) fn is_of_the_start(&self) -> bool {
        ["describe", "configure", "open"].contains(&self.name.as_str())
    }
}

pub(crate) fn functions(world: &str) -> Vec<Exported> {
    let contract = contract();
    let (_, world) = contract.worlds.iter().find(|(_, each)| each.name == world).unwrap();
    let interfaces = world.exports.values().filter_map(|item| match item {
        WorldItem::Interface { id, .. } => Some(*id),
        _ => None,
    });
    let mut all = Vec::new();
    for id in interfaces {
        let interface = &contract.interfaces[id];
        for function in interface.functions.values() {
            let signature = contract.wasm_signature(AbiVariant::GuestExport, function);
            let types = |word: &str, list: &[WasmType]| -> String {
                list.iter().map(|ty| format!("({word} {})", core_type(*ty))).collect()
            };
            let parameters = types("param", &signature.params);
            all.push(Exported {
                name: function.name.clone(),
                core: format!("weir:plugin/{}@0.1.0#{}", interface.name.as_deref().unwrap(), function.name),
                types: parameters + &types("result", &signature.results),
                answers: !signature.results.is_empty(),
                allocates: signature.indirect_params || signature.params.contains(&WasmType::Pointer),
            });
        }
    }
    all
}

fn core_type(ty: WasmType) -> &'static str {
    match ty {
        WasmType::I64 | WasmType::PointerOrI64 => "i64",
        WasmType::F32 => "f32",
        WasmType::F64 => "f64",
        WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32",
    }
}
