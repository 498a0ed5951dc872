//! The page about the contract, made of what it says of itself.

use std::fmt::Write as _;

use wit_parser::{
    Docs, Function, InterfaceId, PackageId, Resolve, Result_, Type, TypeDefKind, TypeId, WorldItem,
};

/// Writes the page.
pub(crate) fn write(resolve: &Resolve, package: PackageId) -> String {
    let package = &resolve.packages[package];
    let mut page = format!(
        "# The contract `{}`\n\nWhat plugins and the platform say to each other. This page is generated \
         from the WIT files beside it; do not edit it.\n",
        package.name
    );
    page.push_str("\n## Worlds\n\n| world | imports | exports | |\n|---|---|---|---|\n");
    for (name, id) in &package.worlds {
        let world = &resolve.worlds[*id];
        let names = |items: &mut dyn Iterator<Item = &WorldItem>| {
            let names = items.filter_map(|item| match item {
                WorldItem::Interface { id, .. } => resolve.interfaces[*id].name.as_deref(),
                _ => None,
            });
            names.filter(|name| *name != "types").map(link).collect::<Vec<_>>().join(", ")
        };
        let imports = names(&mut world.imports.values());
        let exports = names(&mut world.exports.values());
        let _ = writeln!(page, "| `{name}` | {imports} | {exports} | {} |", cell(&world.docs));
    }
    for (name, id) in &package.interfaces {
        section(&mut page, resolve, name, *id);
    }
    page
}

/// Whether a type is one of another interface, under the same name.
pub(crate) fn is_used(resolve: &Resolve, id: TypeId) -> bool {
    let TypeDefKind::Type(Type::Id(other)) = &resolve.types[id].kind else { return false };
    resolve.types[*other].owner != resolve.types[id].owner
}

fn section(page: &mut String, resolve: &Resolve, name: &str, id: InterfaceId) {
    let interface = &resolve.interfaces[id];
    let _ = writeln!(page, "\n## {name}\n\n{}", words(&interface.docs));
    for function in interface.functions.values() {
        let _ = writeln!(page, "\n### `{}`\n", signature(resolve, function));
        let _ = writeln!(page, "{}", words(&function.docs));
    }
    for (name, id) in &interface.types {
        if !is_used(resolve, *id) {
            definition(page, resolve, name, *id);
        }
    }
}

fn signature(resolve: &Resolve, function: &Function) -> String {
    let params: Vec<String> = function
        .params
        .iter()
        .map(|param| format!("{}: {}", param.name, of(resolve, &param.ty)))
        .collect();
    let result = function.result.as_ref().map(|result| format!(" -> {}", of(resolve, result)));
    format!("{}({}){}", function.name, params.join(", "), result.unwrap_or_default())
}

fn definition(page: &mut String, resolve: &Resolve, name: &str, id: TypeId) {
    let kind = &resolve.types[id].kind;
    let docs = words(&resolve.types[id].docs);
    let _ = writeln!(page, "\n### {} `{name}`\n\n{docs}", kind.as_str());
    let rows: Vec<(String, String, String)> = match kind {
        TypeDefKind::Record(record) => record
            .fields
            .iter()
            .map(|field| (field.name.clone(), of(resolve, &field.ty), cell(&field.docs)))
            .collect(),
        TypeDefKind::Variant(variant) => variant
            .cases
            .iter()
            .map(|case| {
                let ty = case.ty.as_ref().map(|ty| of(resolve, ty)).unwrap_or_default();
                (case.name.clone(), ty, cell(&case.docs))
            })
            .collect(),
        TypeDefKind::Enum(list) => list
            .cases
            .iter()
            .map(|case| (case.name.clone(), String::new(), cell(&case.docs)))
            .collect(),
        TypeDefKind::Type(other) => {
            let _ = writeln!(page, "\nThe same as `{}`.", of(resolve, other));
            return;
        }
        _ => return,
    };
    page.push_str("\n| | type | |\n|---|---|---|\n");
    for (name, ty, docs) in rows {
        let ty = if ty.is_empty() { ty } else { format!("`{ty}`") };
        let _ = writeln!(page, "| `{name}` | {ty} | {docs} |");
    }
}

/// A type, as WIT writes it.
fn of(resolve: &Resolve, ty: &Type) -> String {
    let Type::Id(id) = ty else { return primitive(ty).to_owned() };
    let found = &resolve.types[*id];
    if let Some(name) = &found.name {
        return name.clone();
    }
    let or_none = |ty: &Option<Type>| ty.as_ref().map_or("_".to_owned(), |ty| of(resolve, ty));
    match &found.kind {
        TypeDefKind::Option(ty) => format!("option<{}>", of(resolve, ty)),
        TypeDefKind::List(ty) => format!("list<{}>", of(resolve, ty)),
        TypeDefKind::Result(Result_ { ok, err }) => {
            format!("result<{}, {}>", or_none(ok), or_none(err))
        }
        TypeDefKind::Tuple(tuple) => {
            let types: Vec<String> = tuple.types.iter().map(|ty| of(resolve, ty)).collect();
            format!("tuple<{}>", types.join(", "))
        }
        other => other.as_str().to_owned(),
    }
}

fn primitive(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::ErrorContext => "error-context",
        Type::Id(_) => "type",
    }
}

fn words(docs: &Docs) -> String {
    docs.contents.as_deref().unwrap_or_default().trim().to_owned()
}

/// Words in one line of a table.
fn cell(docs: &Docs) -> String {
    words(docs).split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn link(name: &str) -> String {
    format!("[{name}](#{name})")
}
