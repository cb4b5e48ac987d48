//! Rows, and that their documentation says what they are.

use memgrove_inspect::Knowledge;
use memgrove_open::Limits;
use memgrove_rows::{
    COLUMNS, Kind, Row, RowMaker, Status, Value, csv, csv_cells, csv_head, documentation, each_row, ndjson,
    rows,
};

fn rows_of(bytes: &[u8], source: &str) -> Vec<Row> {
    let maker = RowMaker::new("test 1", Knowledge::builtin());
    rows(bytes.to_vec(), source, &Limits { max_bytes: 1 << 20, ..Limits::default() }, &maker)
}

fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, path, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

#[test]
fn the_documentation_has_these_columns() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rows.md");
    let document = std::fs::read_to_string(root).unwrap();
    assert!(document.contains(&documentation()), "docs/rows.md lacks this:\n{}", documentation());
}

#[test]
fn every_row_has_every_column_of_its_kind_in_every_format() {
    for row in rows_of(&wasm("(module (import \"a\" \"b\" (func)) (memory 1))"), "a.wasm") {
        let values = row.values();
        assert_eq!(values.len(), COLUMNS.len());
        for (value, column) in values.iter().zip(COLUMNS) {
            let kind = match value {
                Value::Text(_) => Kind::Text,
                Value::List(_) => Kind::List,
                Value::Number(_) => Kind::Number,
                Value::Fraction(_) => Kind::Fraction,
                Value::Flag(_) => Kind::Flag,
            };
            assert_eq!(kind, column.kind, "{}", column.name);
        }
        let json: serde_json::Value = serde_json::from_str(&ndjson(&row).unwrap()).unwrap();
        let names: Vec<_> = csv_head().trim_end().split(',').map(str::to_owned).collect();
        assert!(names.iter().all(|name| json.get(name).is_some()));
        assert_eq!(json.as_object().unwrap().len(), names.len());
        let line = csv(&row);
        assert_eq!(csv_cells(line.trim_end()).len(), names.len());
        assert_eq!(serde_json::from_value::<Row>(json).unwrap(), row);
    }
}

#[test]
fn whatever_a_file_is_it_has_a_row_with_its_status() {
    let of =
        |bytes: &[u8]| rows_of(bytes, "a").iter().map(|row| row.status.clone().unwrap()).collect::<Vec<_>>();
    assert_eq!(of(b""), ["not-wasm"]);
    assert_eq!(of(b"\0asm\x01\0\0\0\x05\x03"), ["broken"]);
    assert_eq!(of(b"(module (func (i33.const)))"), ["bad-text"]);
    assert_eq!(of(&[0x1f, 0x8b, 8, 0, 1, 2]), ["damaged"]);
    assert_eq!(of(&wasm("(module)")), ["ok"]);
    assert_eq!(
        of(&tar(&[("a.wasm", &[b'\0'; 8][..]), ("b.wat", b"(module $x i33)"), ("c.wat", b"(module)")])),
        ["bad-text", "ok"]
    );
    let inner = tar(&[("x/a.wat", b"(module)")]);
    let twice = tar(&[("inner.tar", &inner)]);
    assert_eq!(rows_of(&twice, "a")[0].member.as_deref(), Some("inner.tar/x/a.wat"));
    assert_eq!(of(&tar(&[("outer.tar", &twice)])), ["too-nested"]);
    let mut huge = b"\0asm\x01\0\0\0".to_vec();
    huge.resize(2 << 20, 1);
    assert_eq!(of(&tar(&[("huge.wasm", &huge), ("c.wat", b"(module)")])), ["too-large", "ok"]);
}

#[test]
fn only_the_last_row_of_a_file_is_the_last() {
    let component = wasm("(component (core module (memory 1)) (core module (memory 2)))");
    let rows = rows_of(&tar(&[("c.wasm", &component), ("d.wat", b"(module)")]), "a.tar");
    let places: Vec<_> =
        rows.iter().map(|row| (row.member.as_deref().unwrap(), row.part.as_deref(), row.last)).collect();
    assert_eq!(
        places,
        [
            ("c.wasm", None, false),
            ("c.wasm", Some("core0"), false),
            ("c.wasm", Some("core1"), false),
            ("d.wat", None, true)
        ]
    );
    assert_eq!(rows[2].memory_min_bytes, Some(2 << 16));
    // The hash of a core module is that of its bytes.
    assert_eq!(rows[1].sha256, rows_of(&wasm("(module (memory 1))"), "m")[0].sha256);
}

#[test]
fn what_is_known_is_taken_to_its_new_place_and_what_is_before_is_left_out() {
    let module = wasm("(module (memory 3))");
    let archive = tar(&[("a.wasm", &module), ("b.wasm", &module), ("c.wat", b"(module)")]);
    let maker = RowMaker::new("test 1", Knowledge::builtin());
    let mut known: Option<(String, Vec<Row>)> = None;
    let (mut rows, mut asked) = (Vec::<Row>::new(), Vec::new());
    each_row(
        archive.clone(),
        "a.tar",
        &Limits::default(),
        &maker,
        0,
        &mut |next| {
            asked.push(next.index);
            let same = known.take().filter(|(hash, _)| *hash == next.sha256);
            known = Some((next.sha256.clone(), rows_of(&module, "elsewhere")));
            same.map(|(_, rows)| rows)
        },
        &mut |row| rows.push(row),
    );
    assert_eq!(asked, [0, 1, 2]);
    assert_eq!(
        rows[1],
        Row { member: Some("b.wasm".to_owned()), tool: rows[1].tool.clone(), ..rows[0].clone() }
    );
    let mut rest = Vec::new();
    each_row(archive, "a.tar", &Limits::default(), &maker, 2, &mut |_| None, &mut |row| rest.push(row));
    assert_eq!(rest, rows[2..]);
}

#[test]
fn the_same_imports_have_the_same_hash_in_any_order() {
    let hash = |text: &str| rows_of(&wasm(text), "a")[0].imports_hash.clone().unwrap();
    let one = r#"(import "a" "b" (func))"#;
    let two = r#"(import "a" "c" (memory 1))"#;
    assert_eq!(hash(&format!("(module {one} {two})")), hash(&format!("(module {two} {one})")));
    assert_ne!(hash(&format!("(module {one})")), hash(&format!("(module {two})")));
    assert_ne!(hash(r#"(module (import "a b" "c" (func)))"#), hash(r#"(module (import "a" "b c" (func)))"#));
}

#[test]
fn csv_is_quoted_and_runs_no_formula() {
    let bad = RowMaker::new("t", Knowledge::builtin()).failed("=1+\"2\",\n", Status::Unreadable, "no");
    let line = csv(&bad);
    assert_eq!(line.matches('\n').count(), 1);
    let cells = csv_cells(line.trim_end());
    assert_eq!(cells[3], "\"'=1+\"\"2\"\",\\u{a}\"");
    assert_eq!(cells.len(), COLUMNS.len());
}

#[test]
fn the_entries_of_a_list_stay_apart() {
    let producers = r#"(module (@producers (language "a; b" "1") (language "c" "2")))"#;
    let rows = rows_of(&wasm(producers), "a");
    assert_eq!(rows[0].producers, ["language:a; b 1", "language:c 2"]);
    let line = csv(&rows[0]);
    assert_eq!(csv_cells(line.trim_end()).last(), Some(&r"language:a\u{3b} b 1;language:c 2"));
}

#[test]
fn producers_and_flags_of_memory_keep_what_the_module_says() {
    let text = r#"(module (@producers (processed-by "a b" "1") (processed-by "sdk:c" "2") (sdk "c" "2"))
        (import "a" "m" (memory i64 1 2 shared)))"#;
    let row = &rows_of(&wasm(text), "a")[0];
    assert_eq!(row.producers, ["sdk:c 2", "a b 1", "processed-by:sdk:c 2"]);
    assert_eq!(row.memory_flags, ["imported", "shared", "64-bit"]);
    assert!(rows_of(&wasm("(module (memory 1))"), "a")[0].memory_flags.is_empty());
}

/// What leads to the page of statuses names each once.
#[test]
fn statuses_have_words_of_their_own() {
    let words: std::collections::BTreeSet<_> = Status::ALL.iter().map(|(status, _)| status.word()).collect();
    assert_eq!(words.len(), Status::ALL.len());
}

#[cfg(feature = "parquet")]
#[test]
fn arrow_and_parquet_have_what_the_rows_have() {
    use memgrove_rows::arrow::{Parquet, Stream, batch, schema, sources_of_parquet, sources_of_stream};
    let mut all = rows_of(&wasm("(module (memory 1 2))"), "a.wasm");
    all.extend(rows_of(b"none", "b"));
    let made = batch(&all).unwrap();
    assert_eq!((made.num_rows(), made.num_columns()), (2, COLUMNS.len()));
    assert!(schema().fields().iter().zip(COLUMNS).all(|(field, column)| field.name() == column.name));
    let mut stream = Stream::new(Vec::new()).unwrap();
    stream.write(&all).unwrap();
    let bytes = stream.finish().unwrap();
    let mut sources = Vec::new();
    sources_of_stream(&bytes[..], &mut |source| sources.push(source.to_owned())).unwrap();
    assert_eq!(sources, ["a.wasm", "b"]);
    let path = std::env::temp_dir().join(format!("memgrove-rows-{}.parquet", std::process::id()));
    let mut parquet = Parquet::new(std::fs::File::create(&path).unwrap()).unwrap();
    parquet.write(&all).unwrap();
    parquet.finish().unwrap();
    sources.clear();
    sources_of_parquet(std::fs::File::open(&path).unwrap(), &mut |source| sources.push(source.to_owned()))
        .unwrap();
    std::fs::remove_file(path).unwrap();
    assert_eq!(sources, ["a.wasm", "b"]);
}
