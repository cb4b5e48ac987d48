//! Warnings about tables.

use super::{Known, warning};
use crate::facts::ExternKind;
use crate::report::{Evidence, TableReport, Warning, WarningId, short};

/// One for each table that has something wrong.
pub(super) fn warnings(known: &Known<'_, '_>) -> impl Iterator<Item = Warning> {
    known.tables.iter().flat_map(|table| [cannot_grow(known, table), wrong_export(known, table)]).flatten()
}

/// The import by which wasm-bindgen's JavaScript grows the exported table of references by four.
const INIT_EXTERNREFS: &str = "init_externref_table";

/// A table that somebody grows and that cannot grow: growing fails each time.
fn cannot_grow(known: &Known<'_, '_>, table: &TableReport) -> Option<Warning> {
    if table.max != Some(table.min) {
        return None;
    }
    let init = known.facts.imports.iter().find(|import| {
        import.ty.kind() == ExternKind::Func
            && import.name.contains("__wbindgen")
            && import.name.contains(INIT_EXTERNREFS)
    });
    // Newer names have no `__` before the word.
    let init = init.or_else(|| {
        known.facts.imports.iter().find(|import| {
            import.name.starts_with("__wbg")
                && import.name.contains("wbindgen")
                && import.name.contains(INIT_EXTERNREFS)
        })
    });
    let init = init.filter(|_| table.element == "externref" && !table.exported_as.is_empty());
    let (what, evidence) = match (init, table.grow_sites) {
        (Some(import), _) => (
            "wasm-bindgen's JavaScript grows it before anything else, which fails",
            Evidence::at(import.offset, format!("it imports {}", short(import.name))),
        ),
        (None, 1..) => (
            "the module grows it, which fails each time",
            Evidence::new(format!("{} table.grow", table.grow_sites)),
        ),
        (None, 0) => return None,
    };
    let text =
        format!("table {} ({}) has minimum and maximum {}: {what}", table.index, table.element, table.min);
    let cure = "leave the table without a maximum: optimisers set one where they see nothing inside that grows it, so run \
                a newer one, or none, behind wasm-bindgen; `memgrove fix` raises it";
    Some(warning(WarningId::TableCannotGrow, text, cure, [evidence]))
}

/// An export whose name says what its table holds, and is wrong.
fn wrong_export(known: &Known<'_, '_>, table: &TableReport) -> Option<Warning> {
    let expected = |name: &str| match name {
        "__indirect_function_table" => Some("funcref"),
        "__wbindgen_externrefs" => Some("externref"),
        _ => None,
    };
    let (name, wanted) = table
        .exported_as
        .iter()
        .find_map(|name| Some((name, expected(name).filter(|&wanted| wanted != table.element)?)))?;
    let offset = known.facts.export(name).map_or(0, |export| export.offset);
    let right = known.tables.iter().find(|other| other.element == wanted);
    let text = format!("`{name}` is table {}, of {}; its users expect {wanted}", table.index, table.element);
    let cure = match right {
        Some(right) => {
            format!("export table {} under this name: a tool has renumbered the tables", right.index)
        }
        None => format!("there is no table of {wanted}: build it again without the last tool"),
    };
    Some(warning(WarningId::WrongTableExported, text, cure, [Evidence::at(offset, format!("export {name}"))]))
}
