//! The columns, each declared once.

use serde::{Deserialize, Serialize};

/// The version of the columns: raised when some are added. None is ever removed or renamed, and none changes its meaning.
pub const ROW_VERSION: u64 = 1;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text, or null.
    Text,
    /// A list of texts, empty where there are none.
    List,
    /// A whole number, or null.
    Number,
    /// A number from 0 to 1, or null.
    Fraction,
    /// True or false.
    Flag,
}

/// A column, as it is documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// The unit of a number.
    pub unit: &'static str,
    /// The version of the columns that has it first.
    pub since: u64,
    /// What it means.
    pub meaning: &'static str,
}

/// What a row has in a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Of [`Kind::Text`].
    Text(Option<&'a str>),
    /// Of [`Kind::List`].
    List(&'a [String]),
    /// Of [`Kind::Number`].
    Number(Option<u64>),
    /// Of [`Kind::Fraction`].
    Fraction(Option<f64>),
    /// Of [`Kind::Flag`].
    Flag(bool),
}

/// A type that a column may have.
trait Cell {
    const KIND: Kind;
    fn value(&self) -> Value<'_>;
}

impl Cell for Option<String> {
    const KIND: Kind = Kind::Text;
    fn value(&self) -> Value<'_> {
        Value::Text(self.as_deref())
    }
}

impl Cell for Vec<String> {
    const KIND: Kind = Kind::List;
    fn value(&self) -> Value<'_> {
        Value::List(self)
    }
}

impl Cell for Option<u64> {
    const KIND: Kind = Kind::Number;
    fn value(&self) -> Value<'_> {
        Value::Number(*self)
    }
}

impl Cell for Option<f64> {
    const KIND: Kind = Kind::Fraction;
    fn value(&self) -> Value<'_> {
        Value::Fraction(*self)
    }
}

impl Cell for bool {
    const KIND: Kind = Kind::Flag;
    fn value(&self) -> Value<'_> {
        Value::Flag(*self)
    }
}

/// Declares the row: name, type, unit, version, meaning.
macro_rules! columns {
    ($($name:ident: $type:ty, $unit:literal, $since:literal, $meaning:literal;)*) => {
        /// What is said of one module, or why nothing can be. The columns are explained by [`COLUMNS`].
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        pub struct Row {
            $(#[doc = $meaning] pub $name: $type,)*
        }

        /// The columns, in the order of every format.
        pub const COLUMNS: &[Column] = &[$(Column {
            name: stringify!($name),
            kind: <$type as Cell>::KIND,
            unit: $unit,
            since: $since,
            meaning: $meaning,
        },)*];

        impl Row {
            /// What it has in each of [`COLUMNS`].
            #[must_use]
            pub fn values(&self) -> Vec<Value<'_>> {
                vec![$(self.$name.value(),)*]
            }
        }
    };
}

columns! {
    row_version: Option<u64>, "", 1, "version of the columns that the row was written with";
    tool: Option<String>, "", 1, "what wrote it: `memgrove 0.1.0`";
    knowledge: Option<String>, "", 1, "version of the knowledge about toolchains, allocators, imports and hosts, those of `--host` included";
    source: Option<String>, "", 1, "the input as it was named";
    member: Option<String>, "", 1, "path in an archive, or null";
    part: Option<String>, "", 1, "`#2` for the second of several modules inlined in one script, `core0` for the first core module of a component; null where the file or member is the module";
    last: bool, "", 1, "whether it is the last row of its input";
    status: Option<String>, "", 1, "`ok`, or why there is nothing below: see the list";
    error: Option<String>, "", 1, "the status in words; null if `ok`. Cut after 200 characters";
    error_offset: Option<u64>, "bytes", 1, "where reading stopped, if known";
    sha256: Option<String>, "", 1, "of the module's bytes, unpacked; null where there are none";
    size_bytes: Option<u64>, "bytes", 1, "size of the module";
    wrapped_in: Vec<String>, "", 1, "what was around it, outermost first: `gzip`, `tar`, `zip`, `text format`, `base64 at offset 0x1f3`, `string at offset 0x1f3`";
    kind: Option<String>, "", 1, "`module` or `component`";
    toolchain: Option<String>, "", 1, "family of the toolchain";
    toolchain_variant: Option<String>, "", 1, "its era or target, if known";
    toolchain_version: Option<String>, "", 1, "its version, if known";
    toolchain_confidence: Option<f64>, "0 to 1", 1, "how sure that is; 0 is unknown";
    language: Option<String>, "", 1, "of the source, if known";
    allocator: Option<String>, "", 1, "id of the allocator; its family is `none` where nothing is allocated inside";
    allocator_family: Option<String>, "", 1, "its design";
    allocator_version: Option<String>, "", 1, "its version, if known";
    allocator_confidence: Option<f64>, "0 to 1", 1, "how sure that is; 0 is unknown";
    defects: Vec<String>, "", 1, "ids of what is known to be wrong with the allocator: `leaks` where memory that was freed is often or never used again";
    warnings: Vec<String>, "", 1, "ids of the report's warnings";
    runs: Vec<String>, "", 1, "hosts on which it runs as it is";
    runs_if: Vec<String>, "", 1, "hosts on which it runs under conditions";
    runs_not: Vec<String>, "", 1, "hosts on which it does not run";
    memories: Option<u64>, "", 1, "number of memories";
    memory_flags: Vec<String>, "", 1, "what memory 0 is: `imported`, `shared`, `64-bit` by its addresses";
    memory_min_bytes: Option<u64>, "bytes", 1, "initial size of memory 0";
    memory_max_bytes: Option<u64>, "bytes", 1, "its maximum, or null";
    data_bytes: Option<u64>, "bytes", 1, "bytes in all data segments";
    heap_base: Option<u64>, "address", 1, "first address that static data and stack leave to the heap, if known";
    growth: Option<String>, "", 1, "who makes memory 0 larger: `module`, `import`, `module-and-import`, `host`, `nobody`, `no-memory`";
    grow_sites: Option<u64>, "", 1, "number of `memory.grow`";
    functions: Option<u64>, "", 1, "number of functions defined";
    imports: Option<u64>, "", 1, "number of imports";
    imports_hash: Option<String>, "", 1, "equal for modules that import the same: first 64 bits of the SHA-256 of the sorted lines of module, name, kind and type";
    exports: Option<u64>, "", 1, "number of exports";
    proposals: Vec<String>, "", 1, "ids of extensions of WebAssembly 1.0 that it uses";
    producers: Vec<String>, "", 1, "entries of the `producers` section: name and version, behind `language:` or `sdk:` where it is not what processed the module; the first 16, each cut after 100 characters";
}
