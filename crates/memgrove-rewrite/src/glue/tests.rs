use memgrove_module::facts;

use super::*;

const MODULE: &str = r#"(module
    (import "a" "a" (func (param i32 i32 i32)))
    (import "a" "b" (func (param i32 i32 i32 i32) (result i32)))
    (import "a" "c" (func (result i32)))
    (memory (export "d") 1))"#;

fn read(module: &str, glue: &str) -> Result<Glue, GlueError> {
    let wasm = wat::parse_str(module).unwrap();
    Glue::read(glue, &facts(&wasm).unwrap())
}

/// What the glue says of each import, in words.
#[track_caller]
fn check(glue: &str, expected: &[&str]) {
    let glue = read(MODULE, glue).unwrap();
    let words: Vec<String> = glue
        .all()
        .map(|((_, name), told)| match (&told.name, told.body) {
            (Some(known), _) => format!("{name} = {known}"),
            (None, Some(body)) => format!("{name}: {body:?}"),
            (None, None) => format!("{name}?"),
        })
        .collect();
    assert_eq!(words, expected);
}

const NAMES: &[&str] = &["a = _emscripten_memcpy_js", "b = fd_write", "c?"];

#[test]
fn each_way_to_pass_the_object() {
    for glue in [
        // As built, with and without a closure around it, as an ES module.
        "var wasmImports={a:__emscripten_memcpy_js,b:_fd_write,c:beep};",
        "var m=(()=>{var wasmImports;function assignWasmImports(){wasmImports={a:__emscripten_memcpy_js,b:_fd_write,c:beep}}})();",
        "async function M(moduleArg={}){var wasmImports={/** @export */a:__emscripten_memcpy_js,/** @export */b:_fd_write,c:beep};}export default M;",
        // Earlier releases.
        "var asmLibraryArg={\"a\":__emscripten_memcpy_js,\"b\":_fd_write,\"c\":beep};var info={\"a\":asmLibraryArg};",
        "Module.asmLibraryArg={\"a\":__emscripten_memcpy_js,\"b\":_fd_write,\"c\":beep};",
        "Module[\"asmLibraryArg\"]=x={\"a\":__emscripten_memcpy_js,\"b\":_fd_write,\"c\":beep};",
        // A bundler took the object's name, or wrote it where it is used.
        "var t={a:__emscripten_memcpy_js,b:_fd_write,c:beep};f({a:t});",
        "f({a:{a:__emscripten_memcpy_js,b:_fd_write,c:beep}});",
    ] {
        check(glue, NAMES);
    }
}

#[test]
fn minified_glue_says_what_bodies_prove() {
    let glue = "var M;M=new Uint8Array(b.buffer);
        function x(a,b,c){M.copyWithin(a,b,b+c)}
        function y(a,b,c,d){return 52}
        var w={a:x,b:y,c:()=>0};f({a:w});";
    check(glue, &["a: Copies", "b: Returns(52)", "c: Returns(0)"]);
    // One of two functions of that name, and one that is assigned again.
    let glue = "function x(){} function x(){z()} var y=()=>52; y=z; var w={a:x,b:y,c:z};f({a:w});";
    check(glue, &["a?", "b?", "c?"]);
    // A name that is as short as the others' may be the minifier's.
    check("var w={a:x,b:_y1,c:_z};f({a:w});", &["a?", "b?", "c?"]);
}

#[test]
fn glue_of_another_module_says_nothing() {
    let missing = "var wasmImports={a:_a,b:_b};";
    assert_eq!(read(MODULE, missing), Err(GlueError::NoObject { module: "a".to_owned(), wanted: 3 }));
    // Nothing passes it to a module.
    assert!(matches!(read(MODULE, "var t={a:_abort,b:_fd_write,c:_clock}"), Err(GlueError::NoObject { .. })));
    let two = "wasmImports={a:_abort,b:_fd_write,c:_clock};wasmImports={a:_abort,b:_fd_read,c:_clock}";
    assert!(matches!(read(MODULE, two), Err(GlueError::SeveralObjects { name, .. }) if name == "b"));
    let exports = "wasmImports={a:_abort,b:_fd_write,c:_clock};wasmMemory=wasmExports[\"e\"]";
    assert_eq!(read(MODULE, exports), Err(GlueError::OtherExports { name: "e".to_owned() }));
    assert_eq!(read("(module (import \"env\" \"abort\" (func)))", ""), Err(GlueError::NothingMinified));
    assert_eq!(read(MODULE, "var a=\""), Err(GlueError::NotJavaScript { offset: 6 }));
}

#[test]
fn fastcomp_keeps_its_underscores() {
    let module = r#"(module
        (import "env" "a" (func (param i32) (result i32)))
        (import "env" "b" (func (result i32)))
        (import "env" "c" (global i32))
        (memory (export "d") 1))"#;
    let glue = "Module.asmLibraryArg={\"a\":_sbrk,\"b\":enlargeMemory,\"c\":DYNAMICTOP_PTR}";
    let glue = read(module, glue).unwrap();
    let names: Vec<_> = glue.all().filter_map(|(_, told)| told.name.as_deref()).collect();
    assert_eq!(names, ["_sbrk", ENLARGE_MEMORY, "DYNAMICTOP_PTR"]);
}
