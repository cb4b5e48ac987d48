//! What a module takes from the first moment, read before any engine makes it: some engines do not ask, and none asks
//! for a shared memory that grows.

use memgrove_module::PAGE_SIZE_LOG2;
use wasmparser::{MemoryType, TableType};

use super::host::Supply;
use super::{Host, Shape};

/// Memories, tables and code of a module, as declared.
#[derive(Clone, Debug, Default)]
pub(super) struct Declared {
    memories: Vec<DeclaredMemory>,
    tables: Vec<DeclaredTable>,
    /// Bytes of the largest function body.
    pub(super) largest_body: u64,
    /// Whether a function runs before anything of the instance can be seen.
    pub(super) starts: bool,
}

#[derive(Clone, Debug)]
struct DeclaredMemory {
    /// Index of the import, if it is one.
    import: Option<usize>,
    minimum_pages: u64,
    page_bytes: u64,
    maximum_bytes: u64,
    shared: bool,
    exported: bool,
}

#[derive(Clone, Debug)]
struct DeclaredTable {
    import: Option<usize>,
    minimum_elements: u64,
}

impl Declared {
    /// Adds the module's next memory; `import` is the index of the import that it is.
    pub(super) fn memory(&mut self, ty: &MemoryType, import: Option<usize>) {
        let page_bytes = 1_u64.checked_shl(ty.page_size_log2.unwrap_or(PAGE_SIZE_LOG2)).unwrap_or(u64::MAX);
        let maximum_bytes = ty.maximum.map_or(u64::MAX, |pages| pages.saturating_mul(page_bytes));
        self.memories.push(DeclaredMemory {
            import,
            minimum_pages: ty.initial,
            page_bytes,
            maximum_bytes,
            shared: ty.shared,
            exported: false,
        });
    }

    /// Adds the module's next table.
    pub(super) fn table(&mut self, ty: &TableType, import: Option<usize>) {
        self.tables.push(DeclaredTable { import, minimum_elements: ty.initial });
    }

    /// Says that the memory of this index is exported.
    pub(super) fn exports_memory(&mut self, index: usize) {
        if let Some(memory) = self.memories.get_mut(index) {
            memory.exported = true;
        }
    }
}

/// What one instance takes at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Memories that are made for it.
    pub memories: u64,
    /// Tables that are made for it.
    pub tables: u64,
    /// Bytes that its memories have at first.
    pub memory_bytes: u64,
    /// Elements that its tables have at first.
    pub table_elements: u64,
    /// Bytes that its shared memories may grow by without anybody outside seeing it.
    pub unseen_bytes: u64,
}

impl Demand {
    /// What an instance under `host` takes. Imports that the host lacks take nothing; they are the engine's to report.
    #[must_use]
    pub fn of(shape: &Shape, host: &Host) -> Self {
        let supply = |import: Option<usize>| {
            let import = shape.imports.get(import?)?;
            host.find(&import.module, &import.name)
        };
        let mut demand = Self::default();
        for memory in &shape.declared.memories {
            let minimum_pages = match (memory.import, supply(memory.import)) {
                (None, _) => memory.minimum_pages,
                (Some(_), Some(Supply::Memory { minimum_pages })) => memory.minimum_pages.max(*minimum_pages),
                (Some(_), _) => continue,
            };
            let bytes = minimum_pages.saturating_mul(memory.page_bytes);
            demand.memories += 1;
            demand.memory_bytes = demand.memory_bytes.saturating_add(bytes);
            let seen = memory.import.is_some() || (memory.exported && !shape.declared.starts);
            if memory.shared && !seen {
                let unseen = memory.maximum_bytes.saturating_sub(bytes);
                demand.unseen_bytes = demand.unseen_bytes.saturating_add(unseen);
            }
        }
        for table in &shape.declared.tables {
            let elements = match (table.import, supply(table.import)) {
                (None, _) => table.minimum_elements,
                (Some(_), Some(Supply::Table { minimum_elements })) => {
                    table.minimum_elements.max(*minimum_elements)
                }
                (Some(_), _) => continue,
            };
            demand.tables += 1;
            demand.table_elements = demand.table_elements.saturating_add(elements);
        }
        demand
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(text: &str, host: &Host) -> Demand {
        Demand::of(&Shape::of(&wat::parse_str(text).unwrap()).unwrap(), host)
    }

    #[test]
    fn all_memories_and_tables_are_summed() {
        let text = r#"(module (import "env" "m" (memory 1 5)) (import "env" "t" (table 3 funcref))
            (memory 2) (memory i64 281474976710656) (table 10 externref) (table 20 funcref))"#;
        let host = Host::new().memory("env", "m", 4).table("env", "t", 5);
        let with = demand(text, &host);
        assert_eq!((with.memories, with.memory_bytes), (3, u64::MAX), "saturates");
        assert_eq!((with.tables, with.table_elements), (3, 35));
        let without = demand(text, &Host::new());
        assert_eq!((without.memories, without.tables, without.table_elements), (2, 2, 30));
        let small = demand("(module (memory 2) (memory 3 7))", &Host::new());
        assert_eq!(small.memory_bytes, 5 << 16);
    }

    #[test]
    fn a_shared_memory_that_cannot_be_watched_counts_in_full() {
        let unseen = |text: &str| demand(text, &Host::new().memory("env", "m", 0)).unseen_bytes >> 16;
        assert_eq!(unseen("(module (memory 2 10 shared))"), 8);
        assert_eq!(unseen(r#"(module (memory (export "m") 2 10 shared))"#), 0);
        assert_eq!(unseen(r#"(module (import "env" "m" (memory 2 10 shared)))"#), 0);
        assert_eq!(unseen(r#"(module (memory (export "m") 2 10 shared) (func $f) (start $f))"#), 8);
        assert_eq!(unseen("(module (memory 2 10))"), 0);
    }
}
