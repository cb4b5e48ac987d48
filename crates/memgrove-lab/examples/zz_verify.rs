//! debug
fn main() {
    let mut args = std::env::args().skip(1);
    let to = memgrove_rewrite::swap::To::named(&args.next().unwrap()).unwrap();
    for path in args {
        let wasm = std::fs::read(&path).unwrap();
        let facts = memgrove_inspect::facts(&wasm).unwrap();
        let options = memgrove_verify::swap::options_for(&facts, to).unwrap();
        match memgrove_rewrite::swap::swap(&facts, &options) {
            Err(e) => println!("{path} {e}"),
            Ok(s) => { println!("{path} {} -> {} {:?} {:x?}", wasm.len(), s.wasm.len(), s.growth, s.state);
                let v = memgrove_lab::verify::verify_swap(&facts, &s);
                for c in &v.checks { println!("  {c:?}"); }
                for g in &v.not_run { println!("  {g:?}"); }
            }
        }
    }
}
